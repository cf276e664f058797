/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests without a proof, and what is no request at all. */
#include <string.h>

#include "tests/punch_ask.h"
#include "tests/stun_text.h"
#include "tests/suite.h"

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

static Suite *punch_unproven_suite(void)
{
	Suite *suite = suite_create("punch_unproven");
	TCase *tcase = tcase_create("punch_unproven");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_challenge_padded);
	tcase_add_test(tcase, test_challenge_unpadded);
	tcase_add_test(tcase, test_challenge_sizes);
	tcase_add_test(tcase, test_binding);
	tcase_add_test(tcase, test_binding_change);
	tcase_add_test(tcase, test_unknown_attribute_unproven);
	tcase_add_test(tcase, test_incomplete);
	tcase_add_loop_test(tcase, test_no_request, 0, COUNT(types));
	tcase_add_test(tcase, test_malformed);
	tcase_add_test(tcase, test_count_texts);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(punch_unproven_suite());
}
