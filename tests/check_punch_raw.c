/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Raw punches: any datagram to the port that is for them. */
#include <string.h>
#include <sys/socket.h>

#include "tests/punch_ask.h"
#include "tests/suite.h"

static void send_raw(struct slot *to, const char *source)
{
	struct punch_packet packet = {.source = endpoint(source), .raw = to};

	packet.local = endpoint(to->family == AF_INET ? "203.0.113.7:8000" : "[2001:db8::7]:8000");
	packet.local.port = (uint16_t)(packet.local.port + to->port - slot->port);
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

static Suite *punch_raw_suite(void)
{
	Suite *suite = suite_create("punch_raw");
	TCase *tcase = tcase_create("punch_raw");

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
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(punch_raw_suite());
}
