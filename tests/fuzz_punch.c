/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Datagrams to the punch port. The first byte says what the others are:
 *
 *   0  a datagram as it is
 *   1  a form and changes, four bytes each, to a valid request: who has seen one, and has no key
 *   2  the same, signed after the changes: who has the key and sends what he likes
 */
#undef NDEBUG /* the assertions are what is tested */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "relayd/punch.h"

#define NOW	     ((int64_t)100000000)
#define KEY	     "MDEyMzQ1Njc4OWFiY2RlZg=="
#define SEED	     0x5a
#define TIMES	     32 /* more often than one prefix is given larger answers for */
#define LARGER_MAX   20
#define PADDED	     256
#define PROOF_MAX    44
#define CHANGES_MAX  16
#define FORGOTTEN_MS 1000000

enum mode { AS_IT_IS, CHANGED, SIGNED, MODES };

/* The form of a valid request. */
#define FORM_SHA256	 1
#define FORM_ALGORITHMS	 2
#define FORM_PADDED	 4
#define FORM_FINGERPRINT 8
#define FORM_NAME	 16
#define FORM_NO_SEQUENCE 32
#define FORM_PEER	 64

static const struct endpoint source = {{AF_INET, {192, 0, 2, 9}}, 40123};
static const struct endpoint local = {{AF_INET, {203, 0, 113, 7}}, 3478};

static struct stream_table table;
static struct punch punch;
static struct stream *stream;
static struct broker *broker;
static unsigned int batches;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nobody but who has proven the key makes the kernel do anything, and words go to him alone. */
static int apply(void *arg, const struct rules_op *ops, size_t count,
	void (*done)(void *data, int error), void *data)
{
	(void)arg, (void)ops, (void)done, (void)data;
	assert(count > 0 && count <= 8);
	batches++;
	return -ENOMEM;
}

static void push(void *arg, const struct hole *hole, const void *data, size_t len)
{
	struct stun stun;

	(void)arg;
	assert(endpoint_equal(&hole->client, &source) && endpoint_equal(&hole->punch, &local));
	assert(stun_parse(data, len, &stun) == 0 && stun.integrity256 && stun.peer.p);
}

static void table_make(void)
{
	const struct broker_config config = {
		.table = &table, .consent_ms = 45000, .apply = apply, .send = push};

	static const bool four[STREAM_FAMILIES] = {true, false};
	char why[SPEC_WHY];
	struct spec spec;

	assert(stream_table_init(&table, four, 45000) == 0);
	assert(spec_init(&spec, "cam1", why) == 0);
	assert(spec_set_listen(&spec, "9099-9100", why) == 0);
	assert(spec_set_key(&spec, KEY, why) == 0);
	spec.peers = 4;
	assert(stream_add(&table, &spec, 1, &stream, why) == 0);
	assert(broker_open(&config, &broker) == 0);
}

/* As after a start, with secrets that are the same in every run. */
static void begin(void)
{
	if (!stream)
		table_make();
	for (size_t i = 0; i < stream->slot_count; i++) {
		struct slot *slot = stream->slots[i];

		slot_release(&table, slot);
		slot->sequence = slot->nonce_ms = 0;
		memset(slot->tid, 0, sizeof(slot->tid));
	}
	/* Its lanes are closed, and then forgotten. */
	broker_forget(broker, stream);
	broker_tick(broker, NOW + FORGOTTEN_MS);
	broker_tick(broker, NOW);
	punch_init(&punch, &table, "relayd", NOW);
	punch.broker = broker;
	memset(punch.nonce.secret, SEED, sizeof(punch.nonce.secret));
	punch.limit.seed = SEED;
}

static void answer_check(const uint8_t *data, size_t len, const struct punch_answer *answer)
{
	struct stun request, reply;

	if (!answer->len)
		return;
	assert(stun_parse(data, len, &request) == 0);
	assert(request.type == STUN_REQUEST);
	assert(answer->len <= PUNCH_ANSWER_MAX);
	assert(stun_parse(answer->data, answer->len, &reply) == 0);
	assert(reply.type == STUN_SUCCESS || reply.type == STUN_ERROR);
	assert((reply.type == STUN_ERROR) == (reply.error != 0));
	assert(memcmp(reply.tid, request.tid, STUN_TID) == 0);
}

static bool is_signed(const struct punch_answer *answer)
{
	struct stun reply;

	return answer->len && stun_parse(answer->data, answer->len, &reply) == 0 &&
	       (reply.integrity || reply.integrity256);
}

static void unproven_check(const struct punch_answer *answer)
{
	assert(!answer->slot && !answer->failure_len && !is_signed(answer));
	assert(table.holes == 0 && TAILQ_EMPTY(&table.consents));
	assert(!broker_has_hole(broker, &source));
}

/* A hole is where the datagram came from, and nowhere else. */
static void proven_check(const struct punch_answer *answer)
{
	assert(table.holes + broker_has_hole(broker, &source) <= 1);
	if (!answer->slot)
		return;
	assert(answer->slot->stream == stream && table.holes == 1);
	assert(endpoint_equal(&answer->slot->want.client, &source));
	assert(endpoint_equal(&answer->slot->want.punch, &local));
	assert(is_signed(answer) && answer->failure_len);
}

static void handle(const uint8_t *data, size_t len, bool unproven)
{
	struct punch_packet packet = {data, len, source, local, NULL};
	static struct punch_answer answer;
	unsigned int larger = 0;

	for (int i = 0; i < TIMES; i++) {
		punch_handle(&punch, &packet, NOW, &answer);
		answer_check(data, len, &answer);
		if (unproven)
			unproven_check(&answer);
		else
			proven_check(&answer);
		larger += answer.len > len && !is_signed(&answer);
	}
	assert(larger <= LARGER_MAX);
}

static void sign(struct buf *buf, uint8_t form)
{
	uint8_t data[STUN_MAX], key[STUN_KEY_MAX];
	struct stun stun;
	size_t len;

	/* Who and where it says it is, however it was changed. */
	buf_set_u16(buf, 2, (uint16_t)(buf->at - STUN_HEADER));
	memcpy(data, buf->data, buf->at);
	if (stun_parse(data, buf->at, &stun) < 0 || !stun.username.p || !stun.realm.p)
		return;
	len = stun_key(form & FORM_ALGORITHMS ? STUN_SHA256 : STUN_MD5, stun.username, stun.realm,
		KEY, key);
	if (form & FORM_SHA256)
		stun_put_integrity256(buf, key, len);
	else
		stun_put_integrity(buf, key, len);
	if (form & FORM_FINGERPRINT)
		stun_put_fingerprint(buf);
	stun_end(buf);
}

static void peer_write(struct buf *buf)
{
	struct peer_hello hello = {.role = PEER_CLIENT, .rtt_ms = 40, .host_count = 1};
	uint8_t message[PEER_WIRE];

	memset(hello.lane, SEED, PEER_LANE);
	hello.hosts[0] = source;
	stun_put_peer(buf, message, peer_hello_encode(&hello, message));
}

/* All of a valid request but its proof. */
static void request_write(struct buf *buf, uint8_t form)
{
	const struct nonce_binding binding = {source, local};
	char nonce[NONCE_TEXT];

	nonce_make(&punch.nonce, &binding, form & FORM_ALGORITHMS, NOW, nonce);
	stun_begin(buf, STUN_REQUEST, (const uint8_t *)"transactions");
	stun_put_text(buf, STUN_USERNAME, form & FORM_NAME ? "cam1" : "cam1:9100");
	stun_put_text(buf, STUN_REALM, "relayd");
	stun_put_text(buf, STUN_NONCE, nonce);
	if (form & FORM_ALGORITHMS) {
		stun_put_algorithms(buf);
		stun_put_algorithm(buf, STUN_SHA256);
	}
	if (!(form & FORM_NO_SEQUENCE))
		stun_put_sequence(buf, 1000);
	if (form & FORM_PEER)
		peer_write(buf);
	if (form & FORM_PADDED)
		stun_put_padding(buf, PADDED, PROOF_MAX);
}

/* One of: another bit or byte, cut, longer, shorter, some of it again, a length that fits. */
static void change(struct buf *buf, const uint8_t *how)
{
	size_t at = (size_t)(how[1] << 8 | how[2]) % (buf->at + 1), len = how[3];
	size_t left = buf->at - at;

	switch (how[0] % 7) {
	case 0:
		if (left)
			buf->data[at] ^= how[3];
		break;
	case 1:
		if (left)
			buf->data[at] = how[3];
		break;
	case 2:
		buf->at = at;
		break;
	case 3:
		if (buf->at == buf->size)
			break;
		memmove(buf->data + at + 1, buf->data + at, left);
		buf->data[at] = how[3];
		buf->at++;
		break;
	case 4:
		len = len < left ? len : left;
		memmove(buf->data + at, buf->data + at + len, left - len);
		buf->at -= len;
		break;
	case 5:
		len = len < left ? len : left;
		if (len > buf->size - buf->at)
			break;
		memcpy(buf->data + buf->at, buf->data + at, len);
		buf->at += len;
		break;
	case 6:
		if (buf->at >= STUN_HEADER)
			buf_set_u16(buf, 2, (uint16_t)(buf->at - STUN_HEADER));
		break;
	}
}

static void change_all(struct buf *buf, const uint8_t *how, size_t size)
{
	for (int i = 0; i < CHANGES_MAX && size >= 4; i++, how += 4, size -= 4)
		change(buf, how);
}

/* A valid request and something behind its proof is one: but for the length, it is not covered. */
static bool is_covered(const struct buf *buf, const uint8_t *valid, size_t len)
{
	return buf->at < len || memcmp(buf->data, valid, 2) != 0 ||
	       memcmp(buf->data + 4, valid + 4, len - 4) != 0;
}

static void request_changed(uint8_t form, const uint8_t *how, size_t size)
{
	uint8_t data[STUN_MAX], valid[STUN_MAX];
	struct buf buf;
	size_t len;

	/* Without what may follow the proof. */
	buf_init(&buf, data, sizeof(data));
	request_write(&buf, form);
	sign(&buf, form & ~FORM_FINGERPRINT);
	assert(!buf.bad);
	len = buf.at;
	memcpy(valid, data, len);
	if (form & FORM_FINGERPRINT) {
		stun_put_fingerprint(&buf);
		stun_end(&buf);
	}
	change_all(&buf, how, size);
	handle(data, buf.at, is_covered(&buf, valid, len));
}

static void request_signed(uint8_t form, const uint8_t *how, size_t size)
{
	uint8_t data[STUN_MAX];
	struct buf buf;

	buf_init(&buf, data, sizeof(data) - PROOF_MAX);
	request_write(&buf, form);
	change_all(&buf, how, size);
	buf.size = sizeof(data);
	if (buf.at >= STUN_HEADER)
		sign(&buf, form);
	handle(data, buf.at, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	begin();
	switch ((enum mode)(data[0] % MODES)) {
	case AS_IT_IS:
		handle(data + 1, size - 1, true);
		break;
	case CHANGED:
		request_changed(data[1], data + 2, size - 2);
		break;
	case SIGNED:
		request_signed(data[1], data + 2, size - 2);
		break;
	case MODES:
		break;
	}
	return 0;
}
