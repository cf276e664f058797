/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "relayd/loop.h"
#include "relayd/sender.h"
#include "tests/sender_bed.h"
#include "tests/suite.h"

/* What would come back closes the hole; who is behind the client's NAT may send. */
START_TEST(test_loop)
{
	packet("192.0.2.9:40123", false, NOW);
	assert_events("loop ");
	ck_assert_str_eq(text, "a loop: the sender is the client");
	ck_assert_uint_eq(slot->want.client.addr.family, 0);
	ck_assert_uint_eq(slot->sender.addr.family, 0);

	punch(slot, "192.0.2.9:40123");
	events[0] = '\0';
	packet("192.0.2.9:40124", false, NOW);
	assert_events("sender ");
	assert_sender("192.0.2.9:40124");
}
END_TEST

/* Who could be the client's echo has a probe sent, and not one after the other. */
START_TEST(test_probe)
{
	packet(A, false, NOW);
	packet(A2, false, NOW + 10);
	packet(B, true, NOW + 20);
	packet("192.0.2.9:3478", true, NOW + 30);
	ck_assert_uint_eq(probes, 1);
	packet("192.0.2.9:3478", true, NOW + 5020);
	ck_assert_uint_eq(probes, 2);
}
END_TEST

static void returns(uint16_t type, const uint8_t *tid, int64_t now_ms)
{
	struct rules_event event = {.refused = true, .sender = endpoint(B)};
	struct buf buf;

	event.listen = endpoint("203.0.113.7:9099");
	buf_init(&buf, event.first, sizeof event.first);
	stun_begin(&buf, type, tid);
	sender_event(&table, &event, now_ms);
}

/* What comes back is proof if it is what was sent, and only while it is on its way. */
START_TEST(test_probe_returns)
{
	const struct endpoint client = slot->want.client;
	const uint8_t nothing[STUN_TID] = {0};

	slot->holder = endpoint(A).addr;
	returns(STUN_INDICATION, nothing, NOW);
	returns(STUN_SUCCESS, nothing, NOW);
	assert_events("refused ");
	packet(A, false, NOW + 10);
	packet(B, true, NOW + 10);
	events[0] = '\0';
	returns(STUN_REQUEST, slot->probe, NOW + 20);
	returns(STUN_INDICATION, nothing, NOW + 20);
	returns(STUN_SUCCESS, slot->probe, NOW + 20);
	assert_events("");
	ck_assert(!loop_is_known(slot, &client, NOW + 20));
	returns(STUN_INDICATION, slot->probe, NOW + 20);
	assert_events("loop ");
	ck_assert_str_eq(text, "a loop: what is sent to the client comes back");
	ck_assert_uint_eq(slot->want.client.addr.family, 0);
	ck_assert(loop_is_known(slot, &client, NOW + 20));
	ck_assert(!loop_is_known(slot, &client, NOW + 20 + LOOP_MS));
	ck_assert(!loop_is_known(slot, &slot->sender, NOW + 20));
}
END_TEST

/* So is the answer to the client's punch, which goes to it as the first of all. */
START_TEST(test_answer_returns)
{
	memset(slot->tid, 7, STUN_TID);
	returns(STUN_INDICATION, slot->tid, NOW);
	ck_assert_uint_ne(slot->want.client.addr.family, 0);
	events[0] = '\0';
	returns(STUN_SUCCESS, slot->tid, NOW);
	assert_events("loop ");
}
END_TEST

static Suite *loop_suite(void)
{
	Suite *suite = suite_create("loop");
	TCase *tcase = tcase_create("loop");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_loop);
	tcase_add_test(tcase, test_probe);
	tcase_add_test(tcase, test_probe_returns);
	tcase_add_test(tcase, test_answer_returns);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(loop_suite());
}
