/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nonces, and the algorithms that are offered with them. */
#include <string.h>

#include "tests/punch_ask.h"
#include "tests/stun_text.h"
#include "tests/suite.h"

#define ROTATE_MS (10 * 60 * 1000)

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

static Suite *punch_nonce_suite(void)
{
	Suite *suite = suite_create("punch_nonce");
	TCase *tcase = tcase_create("punch_nonce");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, test_nonce_of_another, 0, COUNT(places));
	tcase_add_test(tcase, test_nonce_expired);
	tcase_add_test(tcase, test_nonce_unpadded);
	tcase_add_test(tcase, test_nonce_rotated);
	tcase_add_loop_test(tcase, test_bid_down, 0, COUNT(bids));
	tcase_add_test(tcase, test_bid_down_nonce);
	tcase_add_test(tcase, test_replayed_elsewhere);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(punch_nonce_suite());
}
