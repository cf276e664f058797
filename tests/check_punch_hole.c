/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hole that a proof opens, and moves. */
#include <string.h>

#include "tests/punch_ask.h"
#include "tests/suite.h"

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

static Suite *punch_hole_suite(void)
{
	Suite *suite = suite_create("punch_hole");
	TCase *tcase = tcase_create("punch_hole");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_repeated);
	tcase_add_test(tcase, test_replayed_later);
	tcase_add_test(tcase, test_sequence);
	tcase_add_test(tcase, test_move);
	tcase_add_test(tcase, test_move_rfc5389);
	tcase_add_loop_test(tcase, test_clients, 0, COUNT(clients));
	tcase_add_loop_test(tcase, test_nowhere, 0, COUNT(nowhere));
	tcase_add_test(tcase, test_port_zero);
	tcase_add_test(tcase, test_claimed);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(punch_hole_suite());
}
