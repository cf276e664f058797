/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/peersim_relay.h"

#include <check.h>
#include <string.h>

#include "common/mac.h"
#include "tests/peersim.h"

#define REALM	   "relayd"
#define NONCE	   "obMatJos2AAABsimulation"
#define PREPARE_MS 3000
#define BETWEEN_MS 300

void simrelay_init(struct simrelay *relay)
{
	ck_assert_int_eq(endpoint_parse("203.0.113.7:3478", 0, &relay->punch), 0);
	ck_assert_int_eq(endpoint_parse("203.0.113.7:3479", 0, &relay->alternate), 0);
	for (unsigned int i = 0; i < 2; i++)
		relay->lanes[i].say_ms = INT64_MAX;
	relay->next_ms = relay->until_ms = INT64_MAX;
}

static void lane_say(struct simrelay *relay, struct simrelay_lane *lane, int64_t now_ms)
{
	uint8_t data[STUN_MAX], wire[PEER_WIRE], tid[STUN_TID];
	struct buf buf;

	mac_random(tid, sizeof(tid));
	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, STUN_INDICATION, tid);
	stun_put_peer(&buf, wire, peer_word_encode(&lane->word, wire));
	stun_put_integrity256(&buf, lane->key, lane->key_len);
	relay->send(relay->arg, &relay->punch, &lane->hole, data, stun_end(&buf));
	lane->say_ms = now_ms + lane->say_gap_ms;
	lane->say_gap_ms *= 2;
	if (lane->say_gap_ms > 3200)
		lane->say_ms = INT64_MAX;
}

static void lane_news(struct simrelay *relay, struct simrelay_lane *lane, int64_t now_ms)
{
	lane->word.serial++;
	lane->say_gap_ms = 100;
	lane_say(relay, lane, now_ms);
}

static void relay_pair(struct simrelay *relay, int64_t now_ms)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct simrelay_lane *lane = &relay->lanes[i];

		lane->word.state = PEER_PAIRED;
		lane->word.alternate = relay->alternate;
		memcpy(lane->word.peer, relay->lanes[!i].hello.lane, PEER_LANE);
		lane_news(relay, lane, now_ms);
	}
}

static void sides_get(const struct simrelay *relay, struct plan_side side[static 2])
{
	for (unsigned int i = 0; i < 2; i++) {
		side[i].nat = relay->lanes[i].hello.nat;
		side[i].hole = relay->lanes[i].hole;
		side[i].last = relay->lanes[i].hello.progress == PEER_READY
				       ? relay->lanes[i].hello.last
				       : 0;
	}
}

static void round_say(struct simrelay *relay, bool go, int64_t now_ms)
{
	uint32_t rtt[2] = {relay->lanes[0].hello.rtt_ms, relay->lanes[1].hello.rtt_ms};
	uint32_t most = rtt[0] > rtt[1] ? rtt[0] : rtt[1];
	struct plan_side side[2];

	sides_get(relay, side);
	for (unsigned int i = 0; i < 2; i++) {
		struct peer_round *round = &relay->lanes[i].word.round;

		memset(round, 0, sizeof(*round));
		plan_fill(relay->plan, side, i, relay->history.tries[relay->plan], round);
		round->number = relay->number;
		round->go = go;
		round->delay_ms = (most - rtt[i]) / 2;
		round->target_count = 1;
		round->targets[0] = relay->lanes[!i].hole;
		if (go && relay->until_ms < now_ms + round->limit_ms + 3000)
			relay->until_ms = now_ms + round->limit_ms + 3000;
		lane_news(relay, &relay->lanes[i], now_ms);
	}
}

static void round_begin(struct simrelay *relay, int64_t now_ms)
{
	struct plan_side side[2];

	sides_get(relay, side);
	relay->plan = plan_choose(side, &relay->history, PEER_REST);
	relay->next_ms = INT64_MAX;
	if (relay->plan == PEER_REST) {
		relay->hopeless = true;
		return;
	}
	relay->number++;
	relay->until_ms = now_ms + PREPARE_MS;
	relay->stage = relay->plan == PEER_PUNCH ? SIM_GO : SIM_PREPARE;
	round_say(relay, relay->plan == PEER_PUNCH, now_ms);
}

static void round_end(struct simrelay *relay, int64_t now_ms)
{
	relay->stage = SIM_NONE;
	relay->history.tries[relay->plan]++;
	relay->until_ms = INT64_MAX;
	relay->next_ms = now_ms + BETWEEN_MS;
}

static bool both_are(const struct simrelay *relay, enum peer_progress progress)
{
	for (unsigned int i = 0; i < 2; i++) {
		if (relay->lanes[i].hello.round != relay->number ||
			relay->lanes[i].hello.progress != progress)
			return false;
	}
	return true;
}

static void relay_advance(struct simrelay *relay, int64_t now_ms)
{
	bool wanted = relay->lanes[0].hello.wants_direct || relay->lanes[1].hello.wants_direct;

	switch (relay->stage) {
	case SIM_NONE:
		if (wanted && relay->next_ms == INT64_MAX && !relay->hopeless)
			round_begin(relay, now_ms);
		break;
	case SIM_PREPARE:
		if (both_are(relay, PEER_READY)) {
			relay->stage = SIM_GO;
			round_say(relay, true, now_ms);
		}
		break;
	case SIM_GO:
		if (both_are(relay, PEER_DIRECT)) {
			relay->stage = SIM_DIRECT;
			relay->until_ms = INT64_MAX;
		} else if (both_are(relay, PEER_FAILED)) {
			round_end(relay, now_ms);
		}
		break;
	case SIM_DIRECT:
		if (!both_are(relay, PEER_DIRECT)) {
			memset(&relay->history, 0, sizeof(relay->history));
			round_end(relay, now_ms);
		}
		break;
	}
}

void simrelay_tick(struct simrelay *relay, int64_t now_ms)
{
	for (unsigned int i = 0; i < 2; i++) {
		if (now_ms >= relay->lanes[i].say_ms)
			lane_say(relay, &relay->lanes[i], now_ms);
	}
	if (now_ms >= relay->until_ms)
		round_end(relay, now_ms);
	if (now_ms >= relay->next_ms)
		round_begin(relay, now_ms);
}

int64_t simrelay_deadline(const struct simrelay *relay)
{
	int64_t due = relay->next_ms < relay->until_ms ? relay->next_ms : relay->until_ms;

	for (unsigned int i = 0; i < 2; i++) {
		if (relay->lanes[i].say_ms < due)
			due = relay->lanes[i].say_ms;
	}
	return due;
}

static struct simrelay_lane *hello_take(struct simrelay *relay, const struct endpoint *from,
	const struct stun *request, const struct peer_hello *hello, int64_t now_ms)
{
	struct simrelay_lane *lane = &relay->lanes[hello->role];
	bool first = !lane->known;

	if (request->sequence <= lane->sequence)
		return lane;
	lane->sequence = request->sequence;
	lane->known = true;
	lane->hole = *from;
	lane->hello = *hello;
	if (hello->heard == lane->word.serial)
		lane->say_ms = INT64_MAX;
	if (first)
		lane->word.serial = 1;
	if (first && relay->lanes[0].known && relay->lanes[1].known)
		relay_pair(relay, now_ms);
	relay_advance(relay, now_ms);
	return lane;
}

static void answer_proven(struct simrelay *relay, const struct endpoint *from,
	const struct stun *request, const uint8_t *key, size_t key_len, int64_t now_ms)
{
	uint8_t data[STUN_MAX], wire[PEER_WIRE];
	struct simrelay_lane *lane;
	struct peer_hello hello;
	struct buf buf;

	ck_assert_int_eq(peer_hello_decode(request->peer.p, request->peer.len, &hello), 0);
	memcpy(relay->lanes[hello.role].key, key, key_len);
	relay->lanes[hello.role].key_len = key_len;
	lane = hello_take(relay, from, request, &hello, now_ms);
	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, STUN_SUCCESS, request->tid);
	stun_put_endpoint(&buf, STUN_XOR_MAPPED_ADDRESS, from);
	stun_put_consent(&buf, 45);
	stun_put_peer(&buf, wire, peer_word_encode(&lane->word, wire));
	stun_put_integrity256(&buf, key, key_len);
	relay->send(relay->arg, &relay->punch, from, data, stun_end(&buf));
}

static void answer_request(struct simrelay *relay, const struct endpoint *from,
	const struct endpoint *to, const struct stun *request, int64_t now_ms)
{
	uint8_t data[STUN_MAX], key[STUN_KEY_MAX];
	size_t key_len;
	struct buf buf;

	buf_init(&buf, data, sizeof(data));
	if (request->integrity256) {
		key_len = stun_key(STUN_SHA256, request->username, request->realm, SIM_KEY, key);
		ck_assert(stun_verify(request, key, key_len));
		answer_proven(relay, from, request, key, key_len, now_ms);
		return;
	}
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

void simrelay_input(struct simrelay *relay, const struct endpoint *from, const struct endpoint *to,
	const uint8_t *data, size_t len, int64_t now_ms)
{
	struct stun stun;

	if (relay->mute)
		return;
	if (stun_is(data, len)) {
		ck_assert_int_eq(stun_parse(data, len, &stun), 0);
		ck_assert_int_eq(stun.type, STUN_REQUEST);
		answer_request(relay, from, to, &stun, now_ms);
		return;
	}
	/* What the kernel does. */
	for (unsigned int i = 0; i < 2; i++) {
		if (relay->lanes[0].word.state == PEER_PAIRED &&
			endpoint_equal(from, &relay->lanes[i].hole))
			relay->send(relay->arg, &relay->punch, &relay->lanes[!i].hole, data, len);
	}
}
