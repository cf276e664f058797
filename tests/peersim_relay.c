/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/peersim_relay.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#include "common/mac.h"
#include "tests/peersim.h"
#include "tests/stun_text.h"

#define REALM	   "relayd"
#define NONCE	   "obMatJos2AAABsimulation"
#define CONSENT_MS 45000
#define KERNEL_MS  2 /* until a transaction is committed */

static void peer_remove(struct simrelay *relay, const struct endpoint *client)
{
	for (unsigned int i = 0; i < relay->peer_count; i++) {
		if (endpoint_equal(&relay->peers[i].client, client))
			relay->peers[i--] = relay->peers[--relay->peer_count];
	}
}

static int kernel_apply(void *arg, const struct rules_op *ops, size_t count,
	void (*done)(void *data, int error), void *data)
{
	struct simrelay *relay = arg;

	for (size_t i = 0; i < count; i++) {
		if (ops[i].kind == RULES_PEER || ops[i].kind == RULES_UNPEER)
			peer_remove(relay, &ops[i].client);
		if (ops[i].kind != RULES_PEER)
			continue;
		ck_assert_uint_lt(relay->peer_count, SIMRELAY_PEERS);
		relay->peers[relay->peer_count++] =
			(struct simrelay_peer){ops[i].client, ops[i].peer};
	}
	if (!done)
		return 0;
	ck_assert_uint_lt(relay->done_count, SIMRELAY_DONE);
	relay->dones[relay->done_count++] =
		(struct simrelay_done){relay->now_ms + KERNEL_MS, done, data};
	return 0;
}

static void word_send(void *arg, const struct hole *hole, const void *data, size_t len)
{
	struct simrelay *relay = arg;

	relay->send(relay->arg, &hole->punch, &hole->client, data, len);
}

static struct endpoint alternate_get(void *arg, const struct endpoint *punch)
{
	const struct simrelay *relay = arg;

	(void)punch;
	return relay->alternate;
}

void simrelay_open(struct simrelay *relay)
{
	const bool families[STREAM_FAMILIES] = {true, true};
	struct broker_config config = {
		.table = &relay->table,
		.consent_ms = CONSENT_MS,
		.arg = relay,
		.apply = kernel_apply,
		.send = word_send,
		.alternate = alternate_get,
	};
	char why[SPEC_WHY];
	struct spec spec;

	ck_assert_int_eq(endpoint_parse("203.0.113.7:3478", 0, &relay->punch), 0);
	ck_assert_int_eq(endpoint_parse("203.0.113.7:3479", 0, &relay->alternate), 0);
	ck_assert_int_eq(stream_table_init(&relay->table, families, CONSENT_MS), 0);
	ck_assert_int_eq(spec_init(&spec, SIM_NAME, why), 0);
	ck_assert_int_eq(spec_set_key(&spec, SIM_KEY, why), 0);
	spec.peers = 4;
	ck_assert_int_eq(stream_add(&relay->table, &spec, 1, &relay->stream, why), 0);
	ck_assert_int_eq(broker_open(&config, &relay->broker), 0);
}

void simrelay_close(struct simrelay *relay)
{
	broker_close(relay->broker);
	stream_table_fini(&relay->table);
}

void simrelay_tick(struct simrelay *relay, int64_t now_ms)
{
	relay->now_ms = now_ms;
	for (unsigned int i = 0; i < relay->done_count; i++) {
		struct simrelay_done done = relay->dones[i];

		if (now_ms < done.at_ms)
			continue;
		relay->dones[i--] = relay->dones[--relay->done_count];
		done.done(done.data, 0);
	}
	broker_tick(relay->broker, now_ms);
}

int64_t simrelay_deadline(const struct simrelay *relay)
{
	int64_t due = broker_deadline(relay->broker);

	for (unsigned int i = 0; i < relay->done_count; i++) {
		if (relay->dones[i].at_ms < due)
			due = relay->dones[i].at_ms;
	}
	return due;
}

uint64_t simrelay_hopeless(const struct simrelay *relay)
{
	return broker_counter(relay->broker, BROKER_HOPELESS);
}

static void answer_proven(struct simrelay *relay, const struct endpoint *from,
	const struct stun *request, const uint8_t *key, size_t key_len)
{
	uint8_t data[STUN_MAX], wire[PEER_WIRE];
	struct broker_hello broker_says = {
		.stream = relay->stream,
		.hole = {*from, relay->punch},
		.key_len = key_len,
		.sequence = request->sequence,
	};
	struct peer_hello hello;
	struct peer_word word;
	struct buf buf;
	int ret;

	ck_assert_int_eq(peer_hello_decode(request->peer.p, request->peer.len, &hello), 0);
	broker_says.hello = &hello;
	memcpy(broker_says.key, key, key_len);
	ret = broker_hello(relay->broker, &broker_says, relay->now_ms, &word);
	if (ret == -ESTALE)
		return;
	ck_assert_int_eq(ret, 0);
	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, STUN_SUCCESS, request->tid);
	stun_put_endpoint(&buf, STUN_XOR_MAPPED_ADDRESS, from);
	stun_put_consent(&buf, CONSENT_MS / 1000);
	stun_put_peer(&buf, wire, peer_word_encode(&word, wire));
	stun_put_integrity256(&buf, key, key_len);
	relay->send(relay->arg, &relay->punch, from, data, stun_end(&buf));
}

static void answer_request(struct simrelay *relay, const struct endpoint *from,
	const struct endpoint *to, const struct stun *request)
{
	uint8_t data[STUN_MAX], key[STUN_KEY_MAX];
	size_t key_len;
	struct buf buf;

	if (request->integrity256) {
		key_len = stun_key(STUN_SHA256, request->username, request->realm, SIM_KEY, key);
		ck_assert(stun_verify(request, key, key_len));
		answer_proven(relay, from, request, key, key_len);
		return;
	}
	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, request->username.p ? STUN_ERROR : STUN_SUCCESS, request->tid);
	if (request->username.p) {
		ck_assert(stun_bytes_equal(request->username, SIM_NAME));
		stun_put_error(&buf, 401, "Unauthenticated");
		stun_put_text(&buf, STUN_REALM, REALM);
		stun_put_text(&buf, STUN_NONCE, NONCE);
		stun_put_algorithms(&buf);
	} else {
		stun_put_endpoint(&buf, STUN_XOR_MAPPED_ADDRESS, from);
	}
	relay->send(relay->arg, to, from, data, stun_end(&buf));
}

/* What the kernel does. */
static void kernel_forward(
	struct simrelay *relay, const struct endpoint *from, const uint8_t *data, size_t len)
{
	for (unsigned int i = 0; i < relay->peer_count; i++) {
		if (!endpoint_equal(from, &relay->peers[i].client))
			continue;
		relay->send(relay->arg, &relay->punch, &relay->peers[i].peer, data, len);
		return;
	}
}

void simrelay_input(struct simrelay *relay, const struct endpoint *from, const struct endpoint *to,
	const uint8_t *data, size_t len, int64_t now_ms)
{
	struct stun stun;

	relay->now_ms = now_ms;
	if (!stun_is(data, len)) {
		kernel_forward(relay, from, data, len);
		return;
	}
	ck_assert_int_eq(stun_parse(data, len, &stun), 0);
	ck_assert_int_eq(stun.type, STUN_REQUEST);
	if (!relay->mute)
		answer_request(relay, from, to, &stun);
}
