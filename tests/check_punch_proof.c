/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The proof: keys, hashes and users. */
#include <string.h>
#include <sys/socket.h>

#include "tests/punch_ask.h"
#include "tests/stun_text.h"
#include "tests/suite.h"

#define KEY2 "ZmVkY2JhOTg3NjU0MzIxMA=="

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

static Suite *punch_proof_suite(void)
{
	Suite *suite = suite_create("punch_proof");
	TCase *tcase = tcase_create("punch_proof");

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
	tcase_add_test(tcase, test_unknown_attribute);
	tcase_add_test(tcase, test_removed_stream);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(punch_proof_suite());
}
