/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server's side of the punch protocol, from what a client sends to what it is answered. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "relayd/punch.h"
#include "tests/stun_text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW	     ((int64_t)100000000)
#define CONSENT_MS   45000
#define ROTATE_MS    (10 * 60 * 1000)
#define PADDED	     256
#define KEY	     "MDEyMzQ1Njc4OWFiY2RlZg=="
#define KEY2	     "ZmVkY2JhOTg3NjU0MzIxMA=="
#define RELAY	     "203.0.113.7:3478"
#define HOME	     "192.0.2.9:40123"
#define AWAY	     "198.51.100.9:50000"

/* RFC 8489, section 14.11: what the relay offers. */
static const uint8_t offer[] = {0, STUN_SHA256, 0, 0, 0, STUN_MD5, 0, 0};

/* A request: what is NULL or 0 is left out. */
struct ask {
	const char *source, *local;
	uint8_t tid; /* repeated */
	uint16_t type;
	const char *user;
	char realm[64], nonce[NONCE_TEXT];
	const uint8_t *algorithms;
	size_t algorithms_len;
	uint16_t algorithm;
	uint64_t sequence;
	uint16_t unknown;
	uint16_t spoilt; /* this attribute has another length */
	size_t spoilt_len;
	bool sha1, sha256;
	enum stun_algorithm hash; /* of the key */
	const char *key;
	size_t padded;
};

static struct stream_table table;
static struct stream *stream;
static struct slot *slot, *second, *slot6;
static struct punch punch;
static int64_t now;

/* Of the last datagram: the answer, what it is, and the counters before it. */
static struct punch_answer answer;
static struct stun reply;
static size_t asked;
static uint64_t before[PUNCH_COUNTS];

static struct endpoint endpoint(const char *text)
{
	struct endpoint out;

	ck_assert_int_eq(endpoint_parse(text, 0, &out), 0);
	return out;
}

static bool own(void *data, const struct addr *addr)
{
	const struct endpoint relay[] = {endpoint(RELAY), endpoint("[2001:db8::7]:3478")};

	ck_assert_ptr_eq(data, &punch);
	return addr_equal(addr, &relay[0].addr) || addr_equal(addr, &relay[1].addr);
}

/* Two ports in both families. */
static void set_up(void)
{
	static const bool both[STREAM_FAMILIES] = {true, true};
	char why[SPEC_WHY];
	struct spec spec;

	now = NOW;
	ck_assert_int_eq(stream_table_init(&table, both, CONSENT_MS), 0);
	ck_assert_int_eq(spec_init(&spec, "cam1", why), 0);
	ck_assert_int_eq(spec_set_listen(&spec, "9099-9100", why), 0);
	ck_assert_int_eq(spec_set_key(&spec, KEY, why), 0);
	spec.raw_punch = 8000;
	ck_assert_int_eq(stream_add(&table, &spec, 1, &stream, why), 0);
	slot = &stream->slots[0];
	slot6 = &stream->slots[1];
	second = &stream->slots[2];
	punch_init(&punch, &table, "relayd", now);
	punch.own = own;
	punch.own_data = &punch;
}

static void tear_down(void)
{
	stream_table_fini(&table);
}

/* In memory that has not a byte more, so that ASan sees each read behind it. */
static void handle(const uint8_t *data, size_t len, struct punch_packet *packet)
{
	uint8_t *copy = malloc(len ? len : 1);

	ck_assert_ptr_nonnull(copy);
	if (len)
		memcpy(copy, data, len);
	packet->data = copy;
	packet->len = len;
	memcpy(before, punch.counts, sizeof(before));
	memset(&answer, 0x55, sizeof(answer));
	punch_handle(&punch, packet, now, &answer);
	free(copy);
	memset(&reply, 0, sizeof(reply));
	asked = len;
	ck_assert_uint_le(answer.len, PUNCH_ANSWER_MAX);
	if (answer.len)
		ck_assert_int_eq(stun_parse(answer.data, answer.len, &reply), 0);
}

static void send_bytes(const char *source, const char *local, const uint8_t *data, size_t len)
{
	struct punch_packet packet = {.source = endpoint(source), .local = endpoint(local)};

	handle(data, len, &packet);
}

static void put(
	struct buf *buf, const struct ask *ask, uint16_t attr, const void *value, size_t len)
{
	uint8_t bytes[STUN_MAX] = {0};

	if (len)
		memcpy(bytes, value, len);
	stun_put(buf, attr, bytes, attr == ask->spoilt ? ask->spoilt_len : len);
}

static void put_text(struct buf *buf, const struct ask *ask, uint16_t attr, const char *text)
{
	if (text && *text)
		put(buf, ask, attr, text, strlen(text));
}

static size_t client_key(const struct ask *ask, uint8_t out[static STUN_KEY_MAX])
{
	struct stun_bytes user = {(const uint8_t *)ask->user, (uint16_t)strlen(ask->user)};
	struct stun_bytes realm = {(const uint8_t *)ask->realm, (uint16_t)strlen(ask->realm)};

	return stun_key(ask->hash, user, realm, ask->key, out);
}

static void put_proof(struct buf *buf, const struct ask *ask)
{
	uint8_t key[STUN_KEY_MAX];
	size_t len = ask->key ? client_key(ask, key) : 0;

	if (ask->sha1 && ask->spoilt == STUN_INTEGRITY)
		put(buf, ask, STUN_INTEGRITY, NULL, 0);
	else if (ask->sha1)
		stun_put_integrity(buf, key, len);
	if (ask->sha256 && ask->spoilt == STUN_INTEGRITY_SHA256)
		put(buf, ask, STUN_INTEGRITY_SHA256, NULL, 0);
	else if (ask->sha256)
		stun_put_integrity256(buf, key, len);
}

static size_t ask_write(const struct ask *ask, uint8_t out[static STUN_MAX])
{
	const uint8_t algorithm[] = {0, (uint8_t)ask->algorithm, 0, 0};
	uint8_t tid[STUN_TID], sequence[12] = {'P', 'N', 'C', 'H'};
	size_t proof = (ask->sha1 ? 24 : 0) + (ask->sha256 ? 36 : 0), len;
	struct buf buf;

	memset(tid, ask->tid, sizeof(tid));
	for (int i = 0; i < 8; i++)
		sequence[4 + i] = (uint8_t)(ask->sequence >> (56 - 8 * i));
	buf_init(&buf, out, STUN_MAX);
	stun_begin(&buf, ask->type, tid);
	put_text(&buf, ask, STUN_USERNAME, ask->user);
	put_text(&buf, ask, STUN_REALM, ask->realm);
	put_text(&buf, ask, STUN_NONCE, ask->nonce);
	if (ask->algorithms)
		put(&buf, ask, STUN_PASSWORD_ALGORITHMS, ask->algorithms, ask->algorithms_len);
	if (ask->algorithm)
		put(&buf, ask, STUN_PASSWORD_ALGORITHM, algorithm, sizeof(algorithm));
	if (ask->sequence)
		put(&buf, ask, STUN_PUNCH_SEQUENCE, sequence, sizeof(sequence));
	if (ask->unknown)
		stun_put_u32(&buf, ask->unknown, 0);
	stun_put_padding(&buf, ask->padded, proof);
	put_proof(&buf, ask);
	len = stun_end(&buf);
	ck_assert_uint_ne(len, 0);
	return len;
}

static void send_ask(const struct ask *ask)
{
	uint8_t data[STUN_MAX];

	send_bytes(ask->source, ask->local, data, ask_write(ask, data));
}

/* The first request: who, and nothing of a proof. */
static struct ask hello(const char *source, size_t padded)
{
	return (struct ask){.source = source,
		.local = *source == '[' ? "[2001:db8::7]:3478" : RELAY,
		.tid = 1,
		.type = STUN_REQUEST,
		.user = "cam1:9099",
		.padded = padded};
}

static void take_text(struct stun_bytes bytes, char *out, size_t size)
{
	ck_assert_uint_lt(bytes.len, size);
	memcpy(out, bytes.p, bytes.len);
	out[bytes.len] = '\0';
}

/* What our own client sends after the challenge; the next one has another transaction. */
static struct ask prepare(const char *source)
{
	struct ask ask = hello(source, PADDED);

	send_ask(&ask);
	ck_assert_uint_eq(reply.error, 401);
	take_text(reply.realm, ask.realm, sizeof(ask.realm));
	take_text(reply.nonce, ask.nonce, sizeof(ask.nonce));
	ask.tid = 2;
	ask.algorithms = offer;
	ask.algorithms_len = sizeof(offer);
	ask.algorithm = STUN_SHA256;
	ask.hash = STUN_SHA256;
	ask.sha256 = true;
	ask.key = KEY;
	ask.sequence = 1000;
	return ask;
}

static void assert_counted(enum punch_count count)
{
	for (enum punch_count i = 0; i < PUNCH_COUNTS; i++)
		ck_assert_msg(punch.counts[i] - before[i] == (i == count), "%s: %d",
			punch_count_text(i), (int)(punch.counts[i] - before[i]));
}

/* It was counted and not answered, as the answer would have been larger. */
static void assert_unpadded(enum punch_count count)
{
	ck_assert_uint_eq(answer.len, 0);
	ck_assert_uint_eq(punch.counts[PUNCH_UNPADDED] - before[PUNCH_UNPADDED], 1);
	before[PUNCH_UNPADDED]++;
	assert_counted(count);
}

static void assert_no_hole(void)
{
	ck_assert_ptr_null(answer.slot);
	ck_assert_uint_eq(answer.failure_len, 0);
	ck_assert_uint_eq(table.holes, 0);
}

static void assert_hole(const struct slot *of, const char *client)
{
	struct endpoint hole = endpoint(client);

	ck_assert(endpoint_equal(&of->want.client, &hole));
}

/* No word of it is signed, so a client of RFC 8489 believes none but 401 and 438. */
static void assert_unproven(uint16_t code, enum punch_count count)
{
	ck_assert_int_eq(reply.type, STUN_ERROR);
	ck_assert_uint_eq(reply.error, code);
	ck_assert(!reply.integrity && !reply.integrity256);
	ck_assert_ptr_null(answer.slot);
	ck_assert_uint_eq(answer.failure_len, 0);
	ck_assert_uint_le(answer.len, asked);
	assert_counted(count);
}

static void assert_signed(const struct ask *ask, const struct stun *stun)
{
	uint8_t key[STUN_KEY_MAX], tid[STUN_TID];
	size_t len = client_key(ask, key);

	ck_assert(stun_verify(stun, key, len));
	ck_assert_int_eq(stun->integrity256 != 0, ask->sha256);
	ck_assert_int_eq(stun->integrity != 0, !ask->sha256);
	memset(tid, ask->tid, sizeof(tid));
	ck_assert_mem_eq(stun->tid, tid, STUN_TID);
}

static void assert_refused(const struct ask *ask, uint16_t code, enum punch_count count)
{
	ck_assert_int_eq(reply.type, STUN_ERROR);
	ck_assert_uint_eq(reply.error, code);
	assert_signed(ask, &reply);
	ck_assert_ptr_null(answer.slot);
	ck_assert_uint_eq(answer.failure_len, 0);
	assert_counted(count);
}

/* The success, and what is sent instead when the kernel refuses. */
static void assert_success(const struct ask *ask, enum punch_count count)
{
	struct endpoint source = endpoint(ask->source);
	struct stun failure;

	ck_assert_int_eq(reply.type, STUN_SUCCESS);
	assert_signed(ask, &reply);
	ck_assert(endpoint_equal(&reply.mapped, &source));
	ck_assert_uint_eq(reply.consent, CONSENT_MS / 1000);
	ck_assert_int_eq(reply.has_sequence, ask->sequence != 0);
	ck_assert_uint_eq(reply.sequence, ask->sequence);
	ck_assert_ptr_nonnull(answer.slot);
	ck_assert_int_eq(stun_parse(answer.failure, answer.failure_len, &failure), 0);
	ck_assert_int_eq(failure.type, STUN_ERROR);
	ck_assert_uint_eq(failure.error, 500);
	assert_signed(ask, &failure);
	assert_counted(count);
}

/* The hole is there, and nothing is under way. */
static struct ask punched(const char *source)
{
	struct ask ask = prepare(source);

	send_ask(&ask);
	assert_success(&ask, PUNCH_ACCEPTED);
	return ask;
}

START_TEST(test_challenge_padded)
{
	struct ask ask = hello(HOME, PADDED);

	send_ask(&ask);
	assert_unproven(401, PUNCH_CHALLENGED);
	ck_assert(stun_bytes_equal(reply.realm, "relayd"));
	ck_assert_uint_eq(reply.nonce.len, NONCE_TEXT - 1);
	ck_assert_mem_eq(reply.nonce.p, "obMatJos2AAAB", 13);
	ck_assert_uint_eq(reply.algorithms.len, sizeof(offer));
	ck_assert_mem_eq(reply.algorithms.p, offer, sizeof(offer));
	for (int i = 0; i < 1000; i++) {
		send_ask(&ask);
		assert_unproven(401, PUNCH_CHALLENGED);
	}
	assert_no_hole();
}
END_TEST

START_TEST(test_challenge_unpadded)
{
	struct ask ask = hello(HOME, 0);

	for (int i = 0; i < 20; i++) {
		send_ask(&ask);
		ck_assert_uint_eq(reply.error, 401);
		ck_assert_ptr_null(reply.algorithms.p);
		ck_assert_mem_eq(reply.nonce.p, "obMatJos2AAAA", 13);
		ck_assert_uint_gt(answer.len, asked);
		assert_counted(PUNCH_CHALLENGED);
	}
	send_ask(&ask);
	assert_unpadded(PUNCH_CHALLENGED);
	ask.source = "192.0.2.77:1"; /* of the same prefix */
	send_ask(&ask);
	assert_unpadded(PUNCH_CHALLENGED);
	ask.padded = PADDED;
	send_ask(&ask);
	assert_unproven(401, PUNCH_CHALLENGED);
	ask.padded = 0;
	ask.source = HOME;
	now += 200;
	send_ask(&ask);
	ck_assert_uint_eq(reply.error, 401);
	send_ask(&ask);
	assert_unpadded(PUNCH_CHALLENGED);
	assert_no_hole();
}
END_TEST

/* At each size: with the algorithms if they are paid for, and never larger without a token. */
START_TEST(test_challenge_sizes)
{
	struct ask ask = hello(HOME, 0);
	bool with = false;

	punch.limit.all.full_ms = now + 1000000; /* nobody has a token */
	for (ask.padded = 0; ask.padded <= PADDED; ask.padded += 4) {
		send_ask(&ask);
		if (!answer.len) {
			assert_unpadded(PUNCH_CHALLENGED);
			ck_assert(!with);
			continue;
		}
		assert_unproven(401, PUNCH_CHALLENGED);
		ck_assert(!with || reply.algorithms.p);
		with = reply.algorithms.p;
	}
	ck_assert(with);
}
END_TEST

START_TEST(test_binding)
{
	static const char *const sources[] = {HOME, "[2001:db8:1::9]:40123"};
	struct endpoint source;
	struct ask ask;

	for (size_t i = 0; i < COUNT(sources); i++) {
		ask = hello(sources[i], 48);
		source = endpoint(sources[i]);
		ask.user = NULL;
		send_ask(&ask);
		ck_assert_int_eq(reply.type, STUN_SUCCESS);
		ck_assert(endpoint_equal(&reply.mapped, &source));
		ck_assert(!reply.integrity && !reply.integrity256);
		ck_assert_uint_le(answer.len, asked);
		ck_assert_uint_eq(reply.tid[0], ask.tid);
		assert_counted(PUNCH_BINDING);
	}
	/* As every STUN client sends it: it is served, but not for ever. */
	ask.padded = 0;
	for (int i = 0; i < 20; i++) {
		send_ask(&ask);
		ck_assert_int_eq(reply.type, STUN_SUCCESS);
	}
	send_ask(&ask);
	assert_unpadded(PUNCH_BINDING);
	assert_no_hole();
}
END_TEST

/* RFC 5780 needs a second address, and no answer is what says that there is none. See
 * check_behaviour.c for the rest. */
START_TEST(test_binding_change)
{
	struct ask ask = hello(HOME, PADDED);
	uint8_t data[STUN_MAX];
	size_t len;

	ask.user = NULL;
	ask.unknown = STUN_CHANGE_REQUEST;
	len = ask_write(&ask, data);
	send_bytes(HOME, RELAY, data, len);
	ck_assert_uint_eq(answer.len, STUN_HEADER + 12);
	data[STUN_HEADER + 7] = 6;
	send_bytes(HOME, RELAY, data, len);
	ck_assert_uint_eq(answer.len, 0);
	assert_counted(PUNCH_NOT_REQUEST);
	ask.unknown = STUN_RESPONSE_PORT;
	send_ask(&ask);
	ck_assert_uint_eq(reply.error, 400);
	assert_counted(PUNCH_INCOMPLETE);
	assert_no_hole();
}
END_TEST

START_TEST(test_sha256)
{
	struct ask ask = prepare(HOME);

	send_ask(&ask);
	assert_success(&ask, PUNCH_ACCEPTED);
	ck_assert_ptr_eq(answer.slot, slot);
	assert_hole(slot, HOME);
	ck_assert_uint_eq(slot->have.client.addr.family, 0);
	ck_assert(slot->dirty);
	ck_assert(!slot->raw);
	ck_assert_int_eq(slot->punched_ms, now);
	ck_assert_uint_eq(slot->want.punch.port, 3478);
	ck_assert_uint_eq(table.holes, 1);
}
END_TEST

/* RFC 5389 knows neither attribute; it may have got a challenge of either form. */
START_TEST(test_rfc5389)
{
	struct ask ask = hello(HOME, _i ? PADDED : 0);

	send_ask(&ask);
	ck_assert_int_eq(reply.algorithms.p != NULL, _i);
	take_text(reply.realm, ask.realm, sizeof(ask.realm));
	take_text(reply.nonce, ask.nonce, sizeof(ask.nonce));
	ask.tid = 2;
	ask.key = KEY;
	ask.hash = STUN_MD5;
	ask.sha1 = true;
	ask.padded = 0;
	send_ask(&ask);
	assert_success(&ask, PUNCH_ACCEPTED);
	assert_hole(slot, HOME);
	/* It has no sequence; the next one is as good with the same nonce. */
	ask.tid = 3;
	now += 15000;
	send_ask(&ask);
	assert_success(&ask, PUNCH_ACCEPTED);
	ck_assert_int_eq(slot->punched_ms, now);
}
END_TEST

static const struct {
	uint16_t algorithm;
	enum stun_algorithm hash;
	bool sha1, sha256, good;
} proofs[] = {
	{STUN_SHA256, STUN_SHA256, false, true, true},
	{STUN_SHA256, STUN_SHA256, true, false, true},
	{STUN_SHA256, STUN_SHA256, true, true, true},
	{STUN_MD5, STUN_MD5, false, true, true},
	{STUN_MD5, STUN_MD5, true, false, true},
	{STUN_MD5, STUN_SHA256, false, true, false},
	{STUN_SHA256, STUN_MD5, false, true, false},
	{STUN_SHA256, STUN_MD5, true, false, false},
};

/* RFC 8489 keeps the hash of the key and the hash of the message apart. */
START_TEST(test_proofs)
{
	struct ask ask = prepare(HOME);

	ask.algorithm = proofs[_i].algorithm;
	ask.hash = proofs[_i].hash;
	ask.sha1 = proofs[_i].sha1;
	ask.sha256 = proofs[_i].sha256;
	send_ask(&ask);
	if (proofs[_i].good)
		assert_success(&ask, PUNCH_ACCEPTED);
	else
		assert_unproven(401, PUNCH_WRONG_KEY);
	ck_assert_uint_eq(table.holes, proofs[_i].good);
}
END_TEST

START_TEST(test_success_v6)
{
	struct ask ask = punched("[2001:db8:1::9]:40123");

	ck_assert_ptr_eq(answer.slot, slot6);
	assert_hole(slot6, ask.source);
	ck_assert_uint_eq(slot->want.client.addr.family, 0);
}
END_TEST

static const struct {
	const char *user;
	uint16_t port; /* 0: there is none */
} users[] = {
	{"cam1", 9099},
	{"cam1:9099", 9099},
	{"cam1:9100", 9100},
	{"cam1:9101", 0},
	{"cam1:", 0},
	{"cam1:0", 0},
	{"cam1:09099", 0},
	{"cam1:99099", 0},
	{"cam1:9099-9099", 0},
	{"cam1:9099,9100", 0},
	{"cam1: 9099", 0},
	{"cam1::9099", 0},
	{"cam1:9099:", 0},
	{":9099", 0},
	{":", 0},
	{"cam", 0},
	{"cam11", 0},
	{"CAM1", 0},
	{"cam1 ", 0},
	{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0},
	{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:9099", 0},
};

START_TEST(test_users)
{
	struct ask ask = prepare(HOME);

	ask.user = users[_i].user;
	send_ask(&ask);
	if (!users[_i].port) {
		assert_unproven(401, PUNCH_UNKNOWN_USER);
		assert_no_hole();
		return;
	}
	assert_success(&ask, PUNCH_ACCEPTED);
	ck_assert_uint_eq(answer.slot->port, users[_i].port);
	ck_assert_uint_eq(answer.slot->family, AF_INET);
}
END_TEST

/* One port, not a list that begins with it. */
START_TEST(test_user_list)
{
	static const char *const names[] = {"cam2:80,81", "cam2:80-81", "cam2:81,80"};
	struct spec spec = stream->spec;
	char why[SPEC_WHY];
	struct ask ask = prepare(HOME);

	strcpy(spec.name, "cam2");
	spec.raw_punch = 0;
	ck_assert_int_eq(spec_set_listen(&spec, "80-81", why), 0);
	ck_assert_int_eq(stream_add(&table, &spec, 2, &stream, why), 0);
	for (size_t i = 0; i < COUNT(names); i++) {
		ask.user = names[i];
		send_ask(&ask);
		assert_unproven(401, PUNCH_UNKNOWN_USER);
		assert_no_hole();
	}
	ask.user = "cam2:80";
	send_ask(&ask);
	assert_success(&ask, PUNCH_ACCEPTED);
}
END_TEST

/* Zero bytes end no name. */
START_TEST(test_user_zero)
{
	static const char *const texts[] = {"cam1\0", "\0cam1", "cam1\0x", "cam\0:"};
	static const size_t lens[] = {5, 5, 6, 5};
	struct ask ask = prepare(HOME);
	uint8_t data[STUN_MAX], key[STUN_KEY_MAX], tid[STUN_TID] = {9};
	struct buf buf;

	for (size_t i = 0; i < COUNT(texts); i++) {
		struct stun_bytes user = {(const uint8_t *)texts[i], (uint16_t)lens[i]};
		struct stun_bytes realm = {(const uint8_t *)"relayd", 6};

		buf_init(&buf, data, sizeof(data));
		stun_begin(&buf, STUN_REQUEST, tid);
		stun_put(&buf, STUN_USERNAME, texts[i], lens[i]);
		stun_put_text(&buf, STUN_REALM, "relayd");
		stun_put_text(&buf, STUN_NONCE, ask.nonce);
		stun_put_padding(&buf, PADDED, 24);
		stun_put_integrity(&buf, key, stun_key(STUN_MD5, user, realm, KEY, key));
		send_bytes(HOME, RELAY, data, stun_end(&buf));
		assert_unproven(401, PUNCH_UNKNOWN_USER);
	}
	assert_no_hole();
}
END_TEST

/* Nobody can tell from the answers which streams there are. */
START_TEST(test_wrong_key)
{
	struct ask ask = prepare(HOME);
	uint8_t data[PUNCH_ANSWER_MAX];
	size_t len;

	ask.key = KEY2;
	ask.padded = _i ? PADDED : 0;
	ask.sequence = 0;
	ask.sha1 = true;
	ask.sha256 = false;
	send_ask(&ask);
	ck_assert_uint_eq(reply.error, 401);
	ck_assert(!reply.integrity && !reply.integrity256);
	assert_counted(PUNCH_WRONG_KEY);
	len = answer.len;
	memcpy(data, answer.data, len);
	ask.user = "cam2:9099";
	ask.key = KEY;
	send_ask(&ask);
	assert_counted(PUNCH_UNKNOWN_USER);
	ck_assert_uint_eq(answer.len, len);
	ck_assert_mem_eq(answer.data, data, len);
	/* What stands for the key of a stream that is not there is no key. */
	ask.key = "no such stream";
	send_ask(&ask);
	ck_assert_uint_eq(reply.error, 401);
	ck_assert_mem_eq(answer.data, data, len);
	assert_no_hole();
}
END_TEST

/* The realm is part of the key. */
START_TEST(test_wrong_realm)
{
	struct ask ask = prepare(HOME);
	uint8_t data[STUN_MAX];
	size_t len = ask_write(&ask, data);

	data[STUN_HEADER + 16 + 4] ^= 1;
	send_bytes(HOME, RELAY, data, len);
	assert_unproven(401, PUNCH_WRONG_KEY);
	assert_no_hole();
}
END_TEST

static const struct {
	const char *source, *local;
} places[] = {
	{"192.0.2.8:40123", RELAY},
	{AWAY, RELAY},
	{"192.0.2.9:40124", RELAY},
	{HOME, "203.0.113.8:3478"},
	{HOME, "203.0.113.7:3479"},
	{"[2001:db8:1::9]:40123", "[2001:db8::7]:3478"},
};

/* Who does not receive where the nonce went has none that is any good, whatever key he knows. */
START_TEST(test_nonce_of_another)
{
	struct ask ask = prepare(HOME);

	ask.source = places[_i].source;
	ask.local = places[_i].local;
	send_ask(&ask);
	assert_unproven(438, PUNCH_STALE_NONCE);
	assert_no_hole();
	ck_assert(stun_bytes_equal(reply.realm, "relayd"));
	ck_assert_uint_eq(reply.algorithms.len, sizeof(offer));
	take_text(reply.nonce, ask.nonce, sizeof(ask.nonce));
	send_ask(&ask);
	assert_success(&ask, PUNCH_ACCEPTED);
}
END_TEST

START_TEST(test_nonce_expired)
{
	struct ask ask = prepare(HOME);

	now += NONCE_LIFE_MS + 1;
	send_ask(&ask);
	assert_unproven(438, PUNCH_STALE_NONCE);
	assert_no_hole();
	take_text(reply.nonce, ask.nonce, sizeof(ask.nonce));
	send_ask(&ask);
	assert_success(&ask, PUNCH_ACCEPTED);
}
END_TEST

/* An unpadded one with a stale nonce costs a token too. */
START_TEST(test_nonce_unpadded)
{
	struct ask ask = prepare(HOME);

	ask.algorithms = NULL;
	ask.algorithm = 0;
	ask.sha256 = false;
	ask.sha1 = true;
	ask.sequence = 0;
	ask.padded = 0;
	strcpy(ask.nonce, "x");
	for (int i = 0; i < 20; i++) {
		send_ask(&ask);
		ck_assert_uint_eq(reply.error, 438);
		ck_assert_uint_gt(answer.len, asked);
	}
	send_ask(&ask);
	assert_unpadded(PUNCH_STALE_NONCE);
	assert_no_hole();
}
END_TEST

START_TEST(test_nonce_rotated)
{
	struct ask ask;

	now = NOW + ROTATE_MS - 1;
	ask = prepare(HOME);
	now++;
	prepare(AWAY);
	ck_assert_uint_eq(punch.nonce.current, 1);
	send_ask(&ask);
	assert_success(&ask, PUNCH_ACCEPTED);
}
END_TEST

/* A retransmission, as the answer may be lost: the same again, and no new consent. */
START_TEST(test_repeated)
{
	struct ask ask = punched(HOME);
	uint8_t data[PUNCH_ANSWER_MAX];
	size_t len = answer.len;

	memcpy(data, answer.data, len);
	now += 500;
	send_ask(&ask);
	assert_success(&ask, PUNCH_REPEATED);
	ck_assert_ptr_eq(answer.slot, slot);
	ck_assert_uint_eq(answer.len, len);
	ck_assert_mem_eq(answer.data, data, len);
	ck_assert_int_eq(slot->punched_ms, now - 500);
	ck_assert(!slot->refresh);
}
END_TEST

/* Once the hole is closed, a captured request does not open it again. */
START_TEST(test_replayed_later)
{
	struct ask ask = punched(HOME);

	now += CONSENT_MS;
	slot_expire(&table, now);
	ck_assert_uint_eq(table.holes, 0);
	send_ask(&ask);
	assert_refused(&ask, 400, PUNCH_REPLAYED);
	assert_no_hole();
}
END_TEST

START_TEST(test_sequence)
{
	static const uint64_t old[] = {1, 999, 1000};
	struct ask ask = punched(HOME);

	for (size_t i = 0; i < COUNT(old); i++) {
		ask.tid++;
		ask.sequence = old[i];
		now += 1000;
		send_ask(&ask);
		assert_refused(&ask, 400, PUNCH_REPLAYED);
		ck_assert_uint_eq(reply.sequence, 1000);
		ck_assert_int_eq(slot->punched_ms, NOW);
		assert_hole(slot, HOME);
	}
	ask.sequence = 1001;
	send_ask(&ask);
	assert_success(&ask, PUNCH_ACCEPTED);
	ck_assert_int_eq(slot->punched_ms, now);
	ck_assert(slot->refresh || slot->have.client.addr.family == 0);
}
END_TEST

START_TEST(test_replayed_elsewhere)
{
	struct ask ask = punched(HOME);

	for (size_t i = 0; i < COUNT(places); i++) {
		ask.source = places[i].source;
		ask.local = places[i].local;
		send_ask(&ask);
		assert_unproven(438, PUNCH_STALE_NONCE);
		assert_hole(slot, HOME);
		ck_assert_uint_eq(slot->moves, 0);
		ck_assert_uint_eq(table.holes, 1);
	}
}
END_TEST

/* The client moves; what it sent from its old place does not bring the stream back there. */
START_TEST(test_move)
{
	struct ask old = punched(HOME), new;

	now += 10;
	new = prepare(AWAY);
	new.sequence = old.sequence + 1;
	send_ask(&new);
	assert_success(&new, PUNCH_ACCEPTED);
	assert_hole(slot, AWAY);
	ck_assert_uint_eq(slot->moves, 1);
	now += 10;
	send_ask(&old);
	assert_refused(&old, 400, PUNCH_REPLAYED);
	assert_hole(slot, AWAY);
	/* When it really is there again, it says so. */
	old.sequence = new.sequence + 1;
	old.tid = 9;
	send_ask(&old);
	assert_success(&old, PUNCH_ACCEPTED);
	assert_hole(slot, HOME);
}
END_TEST

/* Without a sequence the age of the nonce tells. */
START_TEST(test_move_rfc5389)
{
	struct ask old = prepare(HOME), new;

	old.sequence = 0;
	send_ask(&old);
	assert_success(&old, PUNCH_ACCEPTED);
	now += 10;
	new = prepare(AWAY);
	new.sequence = 0;
	send_ask(&new);
	assert_success(&new, PUNCH_ACCEPTED);
	now += 10;
	for (old.tid = 2; old.tid < 4; old.tid++) {
		send_ask(&old);
		ck_assert_uint_eq(reply.type, STUN_ERROR);
		assert_counted(PUNCH_REPLAYED);
		assert_hole(slot, AWAY);
	}
	/* With a nonce of now it is no replay. */
	old = prepare(HOME);
	old.sequence = 0;
	send_ask(&old);
	assert_success(&old, PUNCH_ACCEPTED);
	assert_hole(slot, HOME);
}
END_TEST

static const struct {
	const char *clients, *source;
	bool good;
} clients[] = {
	{"192.0.2.0/24", HOME, true},
	{"192.0.2.9", HOME, true},
	{"192.0.2.0/29", HOME, false},
	{"198.51.100.0/24", HOME, false},
	{"2001:db8::/32", HOME, false},
	{"2001:db8:1::/48", "[2001:db8:1::9]:40123", true},
	{"2001:db8:2::/48", "[2001:db8:1::9]:40123", false},
	{"192.0.2.0/24", "[2001:db8:1::9]:40123", false},
	{"0.0.0.0/0", "[2001:db8:1::9]:40123", true},
	{"any", "10.0.0.1:1", true},
};

START_TEST(test_clients)
{
	struct ask ask = prepare(clients[_i].source);
	char why[SPEC_WHY];

	ck_assert_int_eq(spec_set_clients(&stream->spec, clients[_i].clients, why), 0);
	send_ask(&ask);
	if (clients[_i].good) {
		assert_success(&ask, PUNCH_ACCEPTED);
		return;
	}
	assert_refused(&ask, 403, PUNCH_FORBIDDEN);
	assert_no_hole();
}
END_TEST

static const char *const nowhere[] = {
	"203.0.113.7:5004", /* the relay itself */
	"[2001:db8::7]:5004",
	"127.0.0.1:5004",
	"0.0.0.0:5004",
	"224.0.0.1:5004",
	"239.255.255.250:1900",
	"255.255.255.255:5004",
	"169.254.1.1:5004",
	"[::1]:5004",
	"[::]:5004",
	"[ff02::1]:5004",
	"[fe80::1]:5004",
};

/* Whoever has the key: the stream does not go to a place where no client can be. */
START_TEST(test_nowhere)
{
	struct ask ask = prepare(nowhere[_i]);

	send_ask(&ask);
	assert_refused(&ask, 403, PUNCH_FORBIDDEN);
	assert_no_hole();
}
END_TEST

/* A datagram may say that it comes from port 0; none can be sent there. */
START_TEST(test_port_zero)
{
	struct punch_packet packet = {.source = endpoint(HOME), .local = endpoint(RELAY)};
	struct ask ask = hello(HOME, PADDED);
	uint8_t data[STUN_MAX];

	packet.source.port = 0;
	handle(data, ask_write(&ask, data), &packet);
	take_text(reply.nonce, ask.nonce, sizeof(ask.nonce));
	strcpy(ask.realm, "relayd");
	ask.key = KEY;
	ask.hash = STUN_MD5;
	ask.sha1 = true;
	handle(data, ask_write(&ask, data), &packet);
	assert_refused(&ask, 403, PUNCH_FORBIDDEN);
	assert_no_hole();
}
END_TEST

/* One socket carries one port. */
START_TEST(test_claimed)
{
	struct ask ask = punched(HOME);

	ask.user = "cam1:9100";
	ask.tid++;
	ask.sequence++;
	send_ask(&ask);
	assert_refused(&ask, 437, PUNCH_CLAIMED);
	assert_hole(slot, HOME);
	ck_assert_uint_eq(second->want.client.addr.family, 0);
	ck_assert_uint_eq(second->sequence, 0);
	ck_assert_uint_eq(table.holes, 1);
	/* From another socket, and from this one when the first port has given it up. */
	slot_release(&table, slot);
	send_ask(&ask);
	assert_success(&ask, PUNCH_ACCEPTED);
	ck_assert_ptr_eq(answer.slot, second);
}
END_TEST

/* Cut anywhere, with the length in the header left as it was or made to fit. */
START_TEST(test_truncated)
{
	struct ask ask = prepare(HOME);
	uint8_t data[STUN_MAX];
	size_t len;

	ask.sha1 = true;
	len = ask_write(&ask, data);
	for (size_t cut = 0; cut < len; cut++) {
		send_bytes(HOME, RELAY, data, cut);
		ck_assert_uint_eq(answer.len, 0);
		assert_counted(PUNCH_MALFORMED);
		assert_no_hole();
	}
	/* Without the second integrity the first is whole. */
	len -= 36;
	for (size_t cut = STUN_HEADER; cut < len; cut++) {
		data[2] = (uint8_t)((cut - STUN_HEADER) >> 8);
		data[3] = (uint8_t)(cut - STUN_HEADER);
		send_bytes(HOME, RELAY, data, cut);
		ck_assert(reply.type != STUN_SUCCESS || (!reply.integrity && !reply.integrity256));
		assert_no_hole();
	}
}
END_TEST

/* Datagrams behind the end of the message. */
START_TEST(test_extended)
{
	struct ask ask = prepare(HOME);
	uint8_t data[STUN_MAX] = {0};
	size_t len = ask_write(&ask, data);

	for (size_t more = 1; more <= 40; more++) {
		send_bytes(HOME, RELAY, data, len + more);
		assert_counted(PUNCH_MALFORMED);
		ck_assert_uint_eq(answer.len, 0);
	}
	assert_no_hole();
}
END_TEST

static const struct {
	uint16_t attr;
	size_t len;
	/* Lengths from..to mean the same as the right one, or as if it were not there. */
	size_t from, to;
} lengths[] = {
	{STUN_USERNAME, 9, 9, 9},
	{STUN_REALM, 6, 6, 6},
	{STUN_NONCE, NONCE_TEXT - 1, NONCE_TEXT - 1, NONCE_TEXT - 1},
	{STUN_PASSWORD_ALGORITHMS, 8, 8, 8},
	{STUN_PASSWORD_ALGORITHM, 4, 4, 7}, /* some count the padding */
	{STUN_PUNCH_SEQUENCE, 12, 0, 3},
	{STUN_INTEGRITY, 20, 20, 20},
	{STUN_INTEGRITY_SHA256, 32, 32, 32},
};

/* Every attribute at every wrong length, the message being well-formed and the key right. */
START_TEST(test_lengths)
{
	struct ask ask = prepare(HOME);

	ask.spoilt = lengths[_i].attr;
	ask.sha1 = ask.spoilt == STUN_INTEGRITY;
	ask.sha256 = !ask.sha1;
	for (ask.spoilt_len = 0; ask.spoilt_len < 200; ask.spoilt_len++) {
		if (ask.spoilt_len == lengths[_i].len ||
			(ask.spoilt_len >= lengths[_i].from && ask.spoilt_len <= lengths[_i].to))
			continue;
		ask.padded = PADDED + ask.spoilt_len;
		send_ask(&ask);
		ck_assert_msg(!answer.slot, "length %zu", ask.spoilt_len);
		ck_assert_uint_ne(reply.type, STUN_SUCCESS);
		ck_assert_uint_le(answer.len, asked);
		assert_no_hole();
	}
}
END_TEST

/* The length field alone, at every value: what follows is then read as something else. */
START_TEST(test_length_fields)
{
	struct ask ask = prepare(HOME);
	uint8_t data[STUN_MAX];
	size_t len = ask_write(&ask, data), size;

	for (size_t at = STUN_HEADER; at < len; at += 4 + ((size + 3) & ~(size_t)3)) {
		uint8_t was[2] = {data[at + 2], data[at + 3]};

		size = (size_t)(was[0] << 8 | was[1]);
		for (size_t value = 0; value <= UINT16_MAX; value += value < 600 ? 1 : 997) {
			if (value == size)
				continue;
			data[at + 2] = (uint8_t)(value >> 8);
			data[at + 3] = (uint8_t)value;
			send_bytes(HOME, RELAY, data, len);
			ck_assert_ptr_null(answer.slot);
			ck_assert_uint_le(answer.len, asked);
		}
		memcpy(data + at + 2, was, 2);
	}
	assert_no_hole();
	send_bytes(HOME, RELAY, data, len);
	assert_success(&ask, PUNCH_ACCEPTED);
}
END_TEST

/* Every bit of it is under the integrity. */
START_TEST(test_bits)
{
	struct ask ask = prepare(HOME);
	uint8_t data[STUN_MAX];
	size_t len = ask_write(&ask, data);

	for (size_t bit = 0; bit < 8 * len; bit++) {
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		send_bytes(HOME, RELAY, data, len);
		ck_assert_msg(!answer.slot, "bit %zu", bit);
		ck_assert_uint_le(answer.len, asked);
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_no_hole();
}
END_TEST

START_TEST(test_unknown_attribute)
{
	struct ask ask = prepare(HOME);

	ask.unknown = 0x7fff;
	send_ask(&ask);
	assert_refused(&ask, 420, PUNCH_UNKNOWN_ATTRIBUTE);
	assert_no_hole();
	ask.unknown = 0xffff; /* comprehension-optional */
	send_ask(&ask);
	assert_success(&ask, PUNCH_ACCEPTED);
}
END_TEST

START_TEST(test_unknown_attribute_unproven)
{
	static const uint8_t list[] = {0, 10, 0, 2, 0x7f, 0xff, 0, 0};
	struct ask ask = hello(HOME, PADDED);

	ask.unknown = 0x7fff;
	send_ask(&ask);
	assert_unproven(420, PUNCH_UNKNOWN_ATTRIBUTE);
	ck_assert_mem_eq(answer.data + answer.len - sizeof(list), list, sizeof(list));
	ask.user = NULL;
	ask.padded = 0;
	for (int i = 0; i < 20; i++) {
		send_ask(&ask);
		ck_assert_uint_eq(reply.error, 420);
		ck_assert_uint_gt(answer.len, asked);
	}
	send_ask(&ask);
	assert_unpadded(PUNCH_UNKNOWN_ATTRIBUTE);
	assert_no_hole();
}
END_TEST

static const uint8_t offer_md5[] = {0, STUN_MD5, 0, 0};
static const uint8_t offer_swapped[] = {0, STUN_MD5, 0, 0, 0, STUN_SHA256, 0, 0};
static const uint8_t offer_more[] = {0, STUN_SHA256, 0, 0, 0, STUN_MD5, 0, 0, 0, 3, 0, 0};
static const uint8_t offer_long[] = {0, STUN_SHA256, 0, 0, 0, STUN_MD5, 0, 4};

static const struct {
	const uint8_t *algorithms;
	size_t len;
	uint16_t algorithm;
} bids[] = {
	{offer_md5, sizeof(offer_md5), STUN_MD5},
	{offer_swapped, sizeof(offer_swapped), STUN_MD5},
	{offer_swapped, sizeof(offer_swapped), STUN_SHA256},
	{offer_more, sizeof(offer_more), STUN_SHA256},
	{offer_long, sizeof(offer_long), STUN_SHA256},
	{offer, 4, STUN_SHA256},
	{NULL, 0, STUN_MD5},
	{NULL, 0, STUN_SHA256},
	{offer, sizeof(offer), 0},
	{offer, sizeof(offer), 3},
};

/* RFC 8489, section 9.2.4: the client tells what it was offered, so nobody can have taken from it.
 */
START_TEST(test_bid_down)
{
	struct ask ask = prepare(HOME);

	ask.algorithms = bids[_i].algorithms;
	ask.algorithms_len = bids[_i].len;
	ask.algorithm = bids[_i].algorithm;
	ask.hash = ask.algorithm == STUN_SHA256 ? STUN_SHA256 : STUN_MD5;
	send_ask(&ask);
	assert_unproven(400, PUNCH_INCOMPLETE);
	assert_no_hole();
}
END_TEST

/* Nor can the feature bit be taken out of the nonce. */
START_TEST(test_bid_down_nonce)
{
	struct ask ask = prepare(HOME);

	ask.nonce[12] = 'A';
	ask.algorithms = NULL;
	ask.algorithm = 0;
	ask.hash = STUN_MD5;
	send_ask(&ask);
	assert_unproven(438, PUNCH_STALE_NONCE);
	assert_no_hole();
}
END_TEST

START_TEST(test_incomplete)
{
	struct ask ask = prepare(HOME);
	uint8_t data[STUN_MAX];
	struct buf buf;

	for (int left_out = 0; left_out < 3; left_out++) {
		buf_init(&buf, data, sizeof(data));
		stun_begin(&buf, STUN_REQUEST, (const uint8_t *)"abcdefghijkl");
		if (left_out != 0)
			stun_put_text(&buf, STUN_USERNAME, ask.user);
		if (left_out != 1)
			stun_put_text(&buf, STUN_REALM, ask.realm);
		if (left_out != 2)
			stun_put_text(&buf, STUN_NONCE, ask.nonce);
		stun_put_integrity(&buf, (const uint8_t *)"key", 3);
		send_bytes(HOME, RELAY, data, stun_end(&buf));
		assert_unproven(400, PUNCH_INCOMPLETE);
	}
	/* Half an integrity is half a proof. */
	for (size_t len = 16; len < 32; len += 4) {
		ask.spoilt = STUN_INTEGRITY_SHA256;
		ask.spoilt_len = len;
		send_ask(&ask);
		assert_unproven(400, PUNCH_INCOMPLETE);
	}
	assert_no_hole();
}
END_TEST

/* A truncated integrity that is right as far as it goes. */
START_TEST(test_truncated_integrity)
{
	struct ask ask = prepare(HOME);
	uint8_t data[STUN_MAX], key[STUN_KEY_MAX], mac[MAC_SHA256];
	size_t len;

	ask.spoilt = STUN_INTEGRITY_SHA256;
	ask.spoilt_len = 16;
	len = ask_write(&ask, data);
	mac_hmac_sha256(key, client_key(&ask, key), &(struct mac_part){data, len - 20}, 1, mac);
	memcpy(data + len - 16, mac, 16);
	send_bytes(HOME, RELAY, data, len);
	assert_unproven(400, PUNCH_INCOMPLETE);
	assert_no_hole();
}
END_TEST

static const uint16_t types[] = {STUN_INDICATION, STUN_SUCCESS, STUN_ERROR, 0x0003, 0x0002, 0x3fff};

/* Two programs that answer answers would never end. */
START_TEST(test_no_request)
{
	struct ask ask = prepare(HOME);

	ask.type = types[_i];
	send_ask(&ask);
	ck_assert_uint_eq(answer.len, 0);
	ask = hello(HOME, PADDED);
	ask.type = types[_i];
	send_ask(&ask);
	ck_assert_uint_eq(answer.len, 0);
	assert_no_hole();
}
END_TEST

START_TEST(test_malformed)
{
	static const char *const bytes[] = {"", "x", "hello, is this a STUN server I wonder"};
	uint8_t rtp[172] = {0x80, 96};

	for (size_t i = 0; i < COUNT(bytes); i++) {
		send_bytes(HOME, RELAY, (const uint8_t *)bytes[i], strlen(bytes[i]));
		ck_assert_uint_eq(answer.len, 0);
		assert_counted(PUNCH_MALFORMED);
	}
	send_bytes(HOME, RELAY, rtp, sizeof(rtp));
	ck_assert_uint_eq(answer.len, 0);
	assert_counted(PUNCH_MALFORMED);
	assert_no_hole();
}
END_TEST

START_TEST(test_removed_stream)
{
	struct ask ask = punched(HOME);

	stream_remove(&table, stream);
	ask.tid++;
	ask.sequence++;
	send_ask(&ask);
	assert_unproven(401, PUNCH_UNKNOWN_USER);
	assert_no_hole();
}
END_TEST

static void send_raw(struct slot *to, const char *source)
{
	struct punch_packet packet = {.source = endpoint(source), .raw = to};

	packet.local = endpoint(to->family == AF_INET ? "203.0.113.7:8000" : "[2001:db8::7]:8000");
	packet.local.port = (uint16_t)(packet.local.port + to->index);
	handle((const uint8_t *)"punch", 5, &packet);
	ck_assert_uint_eq(answer.len, 0);
	ck_assert_uint_eq(answer.failure_len, 0);
}

static void assert_nothing(void)
{
	ck_assert_ptr_null(answer.slot);
	ck_assert_mem_eq(before, punch.counts, sizeof(before));
}

START_TEST(test_raw)
{
	struct punch_packet packet = {
		.source = endpoint(AWAY), .local = endpoint("203.0.113.7:8001")};

	send_raw(slot, HOME);
	assert_counted(PUNCH_RAW);
	ck_assert_ptr_eq(answer.slot, slot);
	ck_assert(slot->raw);
	assert_hole(slot, HOME);
	ck_assert_uint_eq(slot->want.punch.port, 8000);
	/* Any datagram, even an empty one, or one that would have been answered elsewhere. */
	packet.raw = second;
	handle(NULL, 0, &packet);
	assert_counted(PUNCH_RAW);
	assert_hole(second, AWAY);
	send_raw(slot6, "[2001:db8:1::9]:40123");
	assert_counted(PUNCH_RAW);
	ck_assert_uint_eq(table.holes, 3);
}
END_TEST

START_TEST(test_raw_rate)
{
	send_raw(slot, HOME);
	for (now++; now < NOW + 1000; now += 37) {
		send_raw(slot, HOME);
		assert_nothing();
	}
	ck_assert_int_eq(slot->punched_ms, NOW);
	now = NOW + 1000;
	send_raw(slot, HOME);
	assert_counted(PUNCH_RAW);
	ck_assert_int_eq(slot->punched_ms, now);
	ck_assert(slot->refresh);
	ck_assert_uint_eq(slot->moves, 0);
}
END_TEST

START_TEST(test_raw_move)
{
	send_raw(slot, HOME);
	now += 999;
	send_raw(slot, AWAY);
	assert_counted(PUNCH_CLAIMED);
	ck_assert_ptr_null(answer.slot);
	assert_hole(slot, HOME);
	now += 1;
	send_raw(slot, AWAY);
	assert_counted(PUNCH_RAW);
	assert_hole(slot, AWAY);
	ck_assert_uint_eq(slot->moves, 1);
	send_raw(slot, HOME);
	assert_counted(PUNCH_CLAIMED);
	assert_hole(slot, AWAY);
}
END_TEST

static const char *const others[] = {AWAY, "192.0.2.9:40124", HOME};

/* Not even the address of who proved it moves a proven hole: anybody can have written it there. */
START_TEST(test_raw_proven)
{
	punched(HOME);
	for (int i = 0; i < 30; i++) {
		now += 1000;
		send_raw(slot, others[_i]);
		assert_counted(PUNCH_CLAIMED);
		ck_assert_ptr_null(answer.slot);
		assert_hole(slot, HOME);
		ck_assert_uint_eq(slot->want.punch.port, 3478);
		ck_assert(!slot->raw);
		ck_assert_int_eq(slot->punched_ms, NOW);
	}
	/* When its consent is over, it is free. */
	slot_expire(&table, NOW + CONSENT_MS);
	now = NOW + CONSENT_MS;
	send_raw(slot, others[_i]);
	assert_counted(PUNCH_RAW);
	assert_hole(slot, others[_i]);
}
END_TEST

START_TEST(test_raw_displaced)
{
	struct ask ask = prepare(AWAY);

	send_raw(slot, HOME);
	send_ask(&ask);
	assert_success(&ask, PUNCH_ACCEPTED);
	assert_hole(slot, AWAY);
	ck_assert(!slot->raw);
	now += 5000;
	send_raw(slot, HOME);
	assert_counted(PUNCH_CLAIMED);
	assert_hole(slot, AWAY);
}
END_TEST

START_TEST(test_raw_clients)
{
	char why[SPEC_WHY];

	ck_assert_int_eq(spec_set_clients(&stream->spec, "198.51.100.0/24", why), 0);
	send_raw(slot, HOME);
	assert_counted(PUNCH_FORBIDDEN);
	assert_no_hole();
	send_raw(slot6, "[2001:db8:1::9]:40123");
	assert_counted(PUNCH_FORBIDDEN);
	assert_no_hole();
	send_raw(slot, AWAY);
	assert_counted(PUNCH_RAW);
}
END_TEST

START_TEST(test_raw_nowhere)
{
	struct punch_packet packet = {
		.source = endpoint(HOME), .local = endpoint("203.0.113.7:8000")};

	for (size_t i = 0; i < COUNT(nowhere); i++) {
		send_raw(nowhere[i][0] == '[' ? slot6 : slot, nowhere[i]);
		assert_counted(PUNCH_FORBIDDEN);
		assert_no_hole();
	}
	packet.raw = slot;
	packet.source.port = 0;
	handle(NULL, 0, &packet);
	assert_counted(PUNCH_FORBIDDEN);
	assert_no_hole();
}
END_TEST

/* At another of the relay's raw ports the same socket is another hole; at the same, it is taken. */
START_TEST(test_raw_claimed)
{
	struct punch_packet packet = {
		.source = endpoint(HOME), .local = endpoint("203.0.113.7:8000")};

	send_raw(slot, HOME);
	packet.raw = second;
	handle(NULL, 0, &packet);
	assert_counted(PUNCH_CLAIMED);
	ck_assert_ptr_null(answer.slot);
	ck_assert_uint_eq(second->want.client.addr.family, 0);
	ck_assert(!second->raw);
}
END_TEST

/* The socket may still be open when the stream is gone: a hole would outlive it. */
START_TEST(test_raw_removed)
{
	stream_remove(&table, stream);
	send_raw(slot, HOME);
	assert_no_hole();
	ck_assert_uint_eq(slot->want.client.addr.family, 0);
}
END_TEST

START_TEST(test_count_texts)
{
	for (enum punch_count i = 0; i < PUNCH_COUNTS; i++) {
		const char *text = punch_count_text(i);

		ck_assert_ptr_nonnull(text);
		ck_assert_uint_eq(strspn(text, "abcdefghijklmnopqrstuvwxyz_"), strlen(text));
		for (enum punch_count j = 0; j < i; j++)
			ck_assert_str_ne(text, punch_count_text(j));
	}
}
END_TEST

static TCase *case_unproven(void)
{
	TCase *tcase = tcase_create("unproven");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_challenge_padded);
	tcase_add_test(tcase, test_challenge_unpadded);
	tcase_add_test(tcase, test_challenge_sizes);
	tcase_add_test(tcase, test_binding);
	tcase_add_test(tcase, test_binding_change);
	tcase_add_test(tcase, test_unknown_attribute_unproven);
	tcase_add_test(tcase, test_incomplete);
	tcase_add_test(tcase, test_truncated_integrity);
	tcase_add_loop_test(tcase, test_no_request, 0, COUNT(types));
	tcase_add_test(tcase, test_malformed);
	tcase_add_test(tcase, test_truncated);
	tcase_add_test(tcase, test_extended);
	tcase_add_loop_test(tcase, test_lengths, 0, COUNT(lengths));
	tcase_add_test(tcase, test_length_fields);
	tcase_add_test(tcase, test_bits);
	tcase_add_test(tcase, test_count_texts);
	return tcase;
}

static TCase *case_proof(void)
{
	TCase *tcase = tcase_create("proof");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_sha256);
	tcase_add_loop_test(tcase, test_rfc5389, 0, 2);
	tcase_add_loop_test(tcase, test_proofs, 0, COUNT(proofs));
	tcase_add_test(tcase, test_success_v6);
	tcase_add_loop_test(tcase, test_users, 0, COUNT(users));
	tcase_add_test(tcase, test_user_list);
	tcase_add_test(tcase, test_user_zero);
	tcase_add_loop_test(tcase, test_wrong_key, 0, 2);
	tcase_add_test(tcase, test_wrong_realm);
	tcase_add_loop_test(tcase, test_nonce_of_another, 0, COUNT(places));
	tcase_add_test(tcase, test_nonce_expired);
	tcase_add_test(tcase, test_nonce_unpadded);
	tcase_add_test(tcase, test_nonce_rotated);
	tcase_add_test(tcase, test_unknown_attribute);
	tcase_add_loop_test(tcase, test_bid_down, 0, COUNT(bids));
	tcase_add_test(tcase, test_bid_down_nonce);
	tcase_add_test(tcase, test_removed_stream);
	return tcase;
}

static TCase *case_hole(void)
{
	TCase *tcase = tcase_create("hole");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_repeated);
	tcase_add_test(tcase, test_replayed_later);
	tcase_add_test(tcase, test_sequence);
	tcase_add_test(tcase, test_replayed_elsewhere);
	tcase_add_test(tcase, test_move);
	tcase_add_test(tcase, test_move_rfc5389);
	tcase_add_loop_test(tcase, test_clients, 0, COUNT(clients));
	tcase_add_loop_test(tcase, test_nowhere, 0, COUNT(nowhere));
	tcase_add_test(tcase, test_port_zero);
	tcase_add_test(tcase, test_claimed);
	return tcase;
}

static TCase *case_raw(void)
{
	TCase *tcase = tcase_create("raw");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_raw);
	tcase_add_test(tcase, test_raw_rate);
	tcase_add_test(tcase, test_raw_move);
	tcase_add_loop_test(tcase, test_raw_proven, 0, COUNT(others));
	tcase_add_test(tcase, test_raw_displaced);
	tcase_add_test(tcase, test_raw_clients);
	tcase_add_test(tcase, test_raw_nowhere);
	tcase_add_test(tcase, test_raw_claimed);
	tcase_add_test(tcase, test_raw_removed);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("punch");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, case_unproven());
	suite_add_tcase(suite, case_proof());
	suite_add_tcase(suite, case_hole());
	suite_add_tcase(suite, case_raw());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
