/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests with a proof of which something is missing, too much or changed. */
#include <string.h>

#include "tests/punch_ask.h"
#include "tests/suite.h"

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

static Suite *punch_spoilt_suite(void)
{
	Suite *suite = suite_create("punch_spoilt");
	TCase *tcase = tcase_create("punch_spoilt");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_truncated_integrity);
	tcase_add_test(tcase, test_truncated);
	tcase_add_test(tcase, test_extended);
	tcase_add_loop_test(tcase, test_lengths, 0, COUNT(lengths));
	tcase_add_test(tcase, test_length_fields);
	tcase_add_test(tcase, test_bits);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(punch_spoilt_suite());
}
