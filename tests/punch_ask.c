/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/punch_ask.h"

#include <stdlib.h>
#include <string.h>

#include "tests/stun_text.h"

const uint8_t offer[8] = {0, STUN_SHA256, 0, 0, 0, STUN_MD5, 0, 0};

const char *const nowhere[12] = {
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

struct stream_table table;
struct stream *stream;
struct slot *slot, *second, *slot6;
struct punch punch;
int64_t now;

struct punch_answer answer;
struct stun reply;
size_t asked;
uint64_t before[PUNCH_COUNTS];

static bool own(void *data, const struct addr *addr)
{
	const struct endpoint relay[] = {endpoint(RELAY), endpoint("[2001:db8::7]:3478")};

	ck_assert_ptr_eq(data, &punch);
	return addr_equal(addr, &relay[0].addr) || addr_equal(addr, &relay[1].addr);
}

void set_up(void)
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
	slot = stream->slots[0];
	slot6 = stream->slots[1];
	second = stream->slots[2];
	punch_init(&punch, &table, "relayd", now);
	punch.own = own;
	punch.own_data = &punch;
}

void tear_down(void)
{
	stream_table_fini(&table);
}

void handle(const uint8_t *data, size_t len, struct punch_packet *packet)
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

void send_bytes(const char *source, const char *local, const uint8_t *data, size_t len)
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

size_t client_key(const struct ask *ask, uint8_t out[static STUN_KEY_MAX])
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

size_t ask_write(const struct ask *ask, uint8_t out[static STUN_MAX])
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

void send_ask(const struct ask *ask)
{
	uint8_t data[STUN_MAX];

	send_bytes(ask->source, ask->local, data, ask_write(ask, data));
}

struct ask hello(const char *source, size_t padded)
{
	return (struct ask){.source = source,
		.local = *source == '[' ? "[2001:db8::7]:3478" : RELAY,
		.tid = 1,
		.type = STUN_REQUEST,
		.user = "cam1:9099",
		.padded = padded};
}

void take_text(struct stun_bytes bytes, char *out, size_t size)
{
	ck_assert_uint_lt(bytes.len, size);
	memcpy(out, bytes.p, bytes.len);
	out[bytes.len] = '\0';
}

struct ask prepare(const char *source)
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

void assert_counted(enum punch_count count)
{
	for (enum punch_count i = 0; i < PUNCH_COUNTS; i++)
		ck_assert_msg(punch.counts[i] - before[i] == (i == count), "%s: %d",
			punch_count_text(i), (int)(punch.counts[i] - before[i]));
}

void assert_unpadded(enum punch_count count)
{
	ck_assert_uint_eq(answer.len, 0);
	ck_assert_uint_eq(punch.counts[PUNCH_UNPADDED] - before[PUNCH_UNPADDED], 1);
	before[PUNCH_UNPADDED]++;
	assert_counted(count);
}

void assert_no_hole(void)
{
	ck_assert_ptr_null(answer.slot);
	ck_assert_uint_eq(answer.failure_len, 0);
	ck_assert_uint_eq(table.holes, 0);
}

void assert_hole(const struct slot *of, const char *client)
{
	struct endpoint hole = endpoint(client);

	ck_assert(endpoint_equal(&of->want.client, &hole));
}

void assert_unproven(uint16_t code, enum punch_count count)
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

void assert_refused(const struct ask *ask, uint16_t code, enum punch_count count)
{
	ck_assert_int_eq(reply.type, STUN_ERROR);
	ck_assert_uint_eq(reply.error, code);
	assert_signed(ask, &reply);
	ck_assert_ptr_null(answer.slot);
	ck_assert_uint_eq(answer.failure_len, 0);
	assert_counted(count);
}

void assert_success(const struct ask *ask, enum punch_count count)
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

struct ask punched(const char *source)
{
	struct ask ask = prepare(source);

	send_ask(&ask);
	assert_success(&ask, PUNCH_ACCEPTED);
	return ask;
}
