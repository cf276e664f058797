/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The slots of streams: claimed, moved, released, adopted and sampled. */
#include <errno.h>
#include <sys/socket.h>

#include "tests/stream_bed.h"
#include "tests/suite.h"

START_TEST(test_claim)
{
	struct stream *stream = add("cam1", "9099");
	struct slot *slot = stream->slots[0];
	struct hole here = hole("192.0.2.9:40123", "203.0.113.7:3478");

	settle();
	ck_assert_int_eq(slot_state(slot, NOW), STREAM_WAITING);
	ck_assert_int_eq(claim(slot, "192.0.2.9:40123", NOW), 0);
	ck_assert(!moved);
	assert_events("added:cam1 punched:cam1 ");
	ck_assert(endpoint_equal(&slot->want.client, &here.client));
	ck_assert(endpoint_equal(&slot->want.punch, &here.punch));
	ck_assert_uint_eq(slot->have.client.addr.family, 0);
	ck_assert_ptr_eq(slot_by_client(&table, &here.client), slot);
	ck_assert(slot->dirty);
	ck_assert(!slot->refresh);
	ck_assert_uint_eq(dirty_count(), 1);
	ck_assert_uint_eq(table.holes, 1);
	ck_assert_int_eq(slot_state(slot, NOW), STREAM_READY);
	ck_assert_int_eq(stream_state(stream, NOW), STREAM_READY);
}
END_TEST

START_TEST(test_claim_again)
{
	struct slot *slot = add("cam1", "9099")->slots[0];

	claim(slot, "192.0.2.9:40123", NOW);
	settle();
	slot->packets = 5;
	events[0] = '\0';
	ck_assert_int_eq(claim(slot, "192.0.2.9:40123", NOW + 10000), 0);
	ck_assert(!moved);
	ck_assert(slot->dirty);
	ck_assert(slot->refresh);
	ck_assert_int_eq(slot->punched_ms, NOW + 10000);
	ck_assert_uint_eq(slot->packets, 5);
	ck_assert_uint_eq(slot->moves, 0);
	ck_assert_uint_eq(table.holes, 1);
	assert_events("");
}
END_TEST

static const char *const elsewhere[][2] = {
	{"192.0.2.9:40124", "203.0.113.7:3478"},
	{"192.0.2.8:40123", "203.0.113.7:3478"},
	{"192.0.2.9:40123", "203.0.113.7:3479"},
	{"192.0.2.9:40123", "203.0.113.8:3478"},
};

START_TEST(test_move)
{
	struct slot *slot = add("cam1", "9099")->slots[0];
	struct hole old = hole("192.0.2.9:40123", "203.0.113.7:3478");
	struct hole new = hole(elsewhere[_i][0], elsewhere[_i][1]);

	claim(slot, "192.0.2.9:40123", NOW);
	settle();
	slot->packets = slot->bytes = 5;
	events[0] = '\0';
	ck_assert_int_eq(slot_claim(&table, slot, &new, NOW + 1, &moved), 0);
	ck_assert(moved);
	assert_events("moved:cam1 ");
	ck_assert_ptr_eq(slot_by_client(&table, &new.client), slot);
	if (!endpoint_equal(&old.client, &new.client))
		ck_assert_ptr_null(slot_by_client(&table, &old.client));
	ck_assert(endpoint_equal(&slot->want.punch, &new.punch));
	ck_assert(endpoint_equal(&slot->have.client, &old.client));
	ck_assert_uint_eq(slot->packets + slot->bytes, 0);
	ck_assert_uint_eq(slot->moves, 1);
	ck_assert_uint_eq(table.holes, 1);
	ck_assert_uint_eq(dirty_count(), 1);
}
END_TEST

/* One socket carries one port; the one that asks loses nothing by it. */
START_TEST(test_claim_taken)
{
	struct stream *stream = add("cam1", "9099-9100");
	struct slot *first = stream->slots[0], *second = stream->slots[2];
	struct hole there;

	claim(first, "192.0.2.9:40123", NOW);
	claim(second, "192.0.2.9:40124", NOW);
	settle();
	events[0] = '\0';
	moved = true;
	ck_assert_int_eq(claim(second, "192.0.2.9:40123", NOW + 1000), -EADDRINUSE);
	ck_assert(!moved);
	ck_assert_uint_eq(second->want.client.port, 40124);
	ck_assert_int_eq(second->punched_ms, NOW);
	ck_assert_uint_eq(first->want.client.port, 40123);
	ck_assert_int_eq(first->punched_ms, NOW);
	ck_assert_uint_eq(dirty_count(), 0);
	ck_assert_uint_eq(table.holes, 2);
	assert_events("");
	/* In the kernel a client's socket is one element, whatever the relay's end. */
	there = hole("192.0.2.9:40123", "203.0.113.8:3479");
	ck_assert_int_eq(slot_claim(&table, second, &there, NOW + 1000, &moved), -EADDRINUSE);
}
END_TEST

START_TEST(test_release)
{
	struct slot *slot = add("cam1", "9099")->slots[0];
	struct hole here = hole("192.0.2.9:40123", "203.0.113.7:3478");

	claim(slot, "192.0.2.9:40123", NOW);
	settle();
	slot_release(&table, slot);
	ck_assert_ptr_null(slot_by_client(&table, &here.client));
	ck_assert_uint_eq(slot->want.client.addr.family, 0);
	ck_assert_uint_eq(slot->have.client.addr.family, AF_INET);
	ck_assert_uint_eq(table.holes, 0);
	ck_assert(TAILQ_EMPTY(&table.consents));
	ck_assert_uint_eq(dirty_count(), 1);
	ck_assert_int_eq(slot_state(slot, NOW), STREAM_WAITING);
	settle();
	slot_release(&table, slot);
	ck_assert_uint_eq(table.holes, 0);
	ck_assert_uint_eq(dirty_count(), 0);
}
END_TEST

START_TEST(test_mark)
{
	struct slot *slot = add("cam1", "9099")->slots[0];

	settle();
	slot_mark(&table, slot);
	slot_mark(&table, slot);
	ck_assert_uint_eq(dirty_count(), 1);
	ck_assert_ptr_eq(TAILQ_FIRST(&table.dirty), slot);
}
END_TEST

START_TEST(test_expire)
{
	struct stream *stream = add("cam1", "9099-9101");
	struct slot *a = stream->slots[0], *b = stream->slots[2], *c = stream->slots[4];

	claim(a, "192.0.2.9:1", NOW);
	claim(b, "192.0.2.9:2", NOW + 1);
	claim(c, "192.0.2.9:3", NOW + 2);
	claim(a, "192.0.2.9:1", NOW + 3);
	claim(b, "192.0.2.9:22", NOW + 4);
	settle();
	events[0] = '\0';
	slot_expire(&table, NOW + 1 + CONSENT_MS);
	ck_assert_uint_eq(table.holes, 3);
	slot_expire(&table, NOW + 2 + CONSENT_MS);
	ck_assert_uint_eq(table.holes, 2);
	ck_assert_int_eq(slot_state(c, NOW), STREAM_STALE);
	assert_events("stale:cam1 ");
	ck_assert_uint_eq(dirty_count(), 1);
	slot_expire(&table, NOW + 4 + CONSENT_MS);
	ck_assert_uint_eq(table.holes, 0);
	assert_events("stale:cam1 stale:cam1 ");
	claim(c, "192.0.2.9:3", NOW + 5 + CONSENT_MS);
	ck_assert_int_eq(slot_state(c, NOW), STREAM_READY);
	slot_release(&table, c);
	ck_assert_int_eq(slot_state(c, NOW), STREAM_WAITING);
}
END_TEST

/* At a start the elements come in any order. */
START_TEST(test_adopt)
{
	static const int order[][3] = {
		{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	static const char *const clients[] = {"192.0.2.9:1", "192.0.2.9:2", "192.0.2.9:3"};
	struct stream *stream = add("cam1", "9099-9102");
	struct hole here;

	settle();
	for (int i = 0; i < 3; i++) {
		int which = order[_i][i];

		here = hole(clients[which], "203.0.113.7:3478");
		slot_adopt(&table, stream->slots[2 * which], &here, NOW + which);
	}
	ck_assert_int_eq(slots_order(&table), 0);
	ck_assert_uint_eq(dirty_count(), 0);
	ck_assert_uint_eq(table.holes, 3);
	ck_assert_uint_eq(stream->slots[0]->have.client.port, 1);
	for (int i = 0; i < 3; i++) {
		slot_expire(&table, NOW + CONSENT_MS + i);
		ck_assert_uint_eq(table.holes, 2 - i);
		ck_assert(stream->slots[2 * i]->stale);
	}
}
END_TEST

START_TEST(test_adopt_twice)
{
	struct stream *stream = add("cam1", "9099-9100");
	struct hole here = hole("192.0.2.9:1", "203.0.113.7:3478");
	struct hole there = hole("192.0.2.9:2", "203.0.113.7:3478");

	slot_adopt(&table, stream->slots[0], &here, NOW);
	slot_adopt(&table, stream->slots[2], &here, NOW);
	slot_adopt(&table, stream->slots[0], &there, NOW);
	ck_assert_uint_eq(table.holes, 1);
	ck_assert_uint_eq(stream->slots[0]->want.client.port, 1);
	ck_assert_uint_eq(stream->slots[2]->want.client.addr.family, 0);
	ck_assert_uint_eq(stream->slots[2]->have.client.addr.family, 0);
}
END_TEST

START_TEST(test_sample)
{
	struct slot *slot = add("cam1", "9099")->slots[0];

	claim(slot, "192.0.2.9:1", NOW);
	events[0] = '\0';
	slot_sample(&table, slot, 0, 0, NOW);
	ck_assert_int_eq(slot_state(slot, NOW), STREAM_READY);
	assert_events("");
	slot_sample(&table, slot, 10, 10000, NOW + 2000);
	ck_assert_uint_eq(slot->byte_rate, 5000);
	ck_assert_uint_eq(slot->stream->lock_packets, 10);
	ck_assert_int_eq(slot_state(slot, NOW + 2000), STREAM_LIVE);
	assert_events("live:cam1 ");
	slot_sample(&table, slot, 10, 10000, NOW + 3000);
	ck_assert_uint_eq(slot->byte_rate, 0);
	ck_assert_int_eq(slot_state(slot, NOW + 6999), STREAM_LIVE);
	assert_events("");
	slot_sample(&table, slot, 10, 10000, NOW + 7000);
	ck_assert_int_eq(slot_state(slot, NOW + 7000), STREAM_READY);
	assert_events("idle:cam1 ");
}
END_TEST

/* The counters begin anew with the element. */
START_TEST(test_sample_anew)
{
	struct slot *slot = add("cam1", "9099")->slots[0];

	claim(slot, "192.0.2.9:1", NOW);
	slot_sample(&table, slot, 1000, 1000000, NOW);
	slot_sample(&table, slot, 3, 300, NOW + 1000);
	ck_assert_uint_eq(slot->byte_rate, 300);
	ck_assert_uint_eq(slot->packets, 3);
	ck_assert_uint_eq(slot->stream->lock_packets, 1003);
	ck_assert_int_eq(slot->media_ms, NOW + 1000);
	/* Two samples in one millisecond: the rate stays. */
	slot_sample(&table, slot, 4, 400, NOW + 1000);
	ck_assert_uint_eq(slot->byte_rate, 300);
}
END_TEST

/* Of a client that is gone no rate is left, and the next one's media are live again. */
START_TEST(test_sample_gone)
{
	struct slot *slot = add("cam1", "9099")->slots[0];

	claim(slot, "192.0.2.9:1", NOW);
	slot_sample(&table, slot, 10, 10000, NOW + 1000);
	slot_expire(&table, NOW + CONSENT_MS);
	ck_assert_uint_eq(slot->byte_rate, 0);
	ck_assert_uint_eq(slot->bytes, 10000);
	events[0] = '\0';
	claim(slot, "192.0.2.9:2", NOW + CONSENT_MS);
	slot_sample(&table, slot, 10, 10000, NOW + CONSENT_MS + 1000);
	assert_events("punched:cam1 live:cam1 ");
}
END_TEST

START_TEST(test_full)
{
	struct stream *stream = add("cam1", "9099-9101");

	table.holes_max = 2;
	ck_assert_int_eq(claim(stream->slots[0], "192.0.2.9:1", NOW), 0);
	ck_assert_int_eq(claim(stream->slots[2], "192.0.2.9:2", NOW), 0);
	ck_assert_int_eq(claim(stream->slots[4], "192.0.2.9:3", NOW), -EUSERS);
	/* Who is there goes on, and moves. */
	ck_assert_int_eq(claim(stream->slots[0], "192.0.2.9:1", NOW), 0);
	ck_assert_int_eq(claim(stream->slots[0], "192.0.2.9:4", NOW), 0);
	slot_release(&table, stream->slots[2]);
	ck_assert_int_eq(claim(stream->slots[4], "192.0.2.9:3", NOW), 0);
}
END_TEST

/* Of several ports the most that can be said of one is said of the stream. */
START_TEST(test_state)
{
	struct stream *stream = add("cam1", "9099-9101");

	ck_assert_int_eq(stream_state(stream, NOW), STREAM_WAITING);
	claim(stream->slots[2], "192.0.2.9:2", NOW - CONSENT_MS);
	slot_expire(&table, NOW);
	ck_assert_int_eq(stream_state(stream, NOW), STREAM_STALE);
	claim(stream->slots[4], "192.0.2.9:3", NOW);
	ck_assert_int_eq(stream_state(stream, NOW), STREAM_READY);
	claim(stream->slots[0], "192.0.2.9:1", NOW);
	slot_sample(&table, stream->slots[0], 1, 100, NOW);
	ck_assert_int_eq(stream_state(stream, NOW), STREAM_LIVE);
	ck_assert_str_eq(stream_state_text(STREAM_WAITING), "waiting");
	ck_assert_str_eq(stream_state_text(STREAM_READY), "ready");
	ck_assert_str_eq(stream_state_text(STREAM_LIVE), "live");
	ck_assert_str_eq(stream_state_text(STREAM_STALE), "stale");
}
END_TEST

START_TEST(test_source)
{
	struct stream *stream = add("cam1", "9099");
	struct prefix source;

	ck_assert_uint_eq(slot_source(stream->slots[0]).bits, 0);
	stream->lock = endpoint("198.51.100.1:1").addr;
	source = slot_source(stream->slots[0]);
	ck_assert_uint_eq(source.bits, 32);
	ck_assert(addr_equal(&source.addr, &stream->lock));
	stream->lock = endpoint("[2001:db8::1]:1").addr;
	source = slot_source(stream->slots[1]);
	ck_assert_uint_eq(source.bits, 128);
	ck_assert(addr_equal(&source.addr, &stream->lock));
	stream->spec.source = SPEC_ANY;
	ck_assert_uint_eq(slot_source(stream->slots[0]).bits, 0);
	ck_assert_int_eq(spec_set_source(&stream->spec, "198.51.100.0/24", why), 0);
	source = slot_source(stream->slots[0]);
	ck_assert_uint_eq(source.bits, 24);
	ck_assert(addr_equal(&source.addr, &stream->spec.prefix.addr));
}
END_TEST

/* The other family's ports are then for nobody, which is not the same as for anybody. */
START_TEST(test_source_family)
{
	struct stream *stream = add("cam1", "9099");
	struct addr nobody[] = {{.family = AF_INET}, {.family = AF_INET6}};
	struct prefix source;

	stream->lock = endpoint("198.51.100.1:1").addr;
	source = slot_source(stream->slots[1]);
	ck_assert_uint_eq(source.bits, 128);
	ck_assert(addr_equal(&source.addr, &nobody[1]));
	ck_assert_int_eq(spec_set_source(&stream->spec, "2001:db8::/32", why), 0);
	source = slot_source(stream->slots[0]);
	ck_assert_uint_eq(source.bits, 32);
	ck_assert(addr_equal(&source.addr, &nobody[0]));
	ck_assert_uint_eq(slot_source(stream->slots[1]).bits, 32);
	ck_assert_int_eq(spec_set_source(&stream->spec, "0.0.0.0/0", why), 0);
	ck_assert_uint_eq(slot_source(stream->slots[0]).bits, 0);
	ck_assert_uint_eq(slot_source(stream->slots[1]).bits, 128);
}
END_TEST

static Suite *slot_suite(void)
{
	Suite *suite = suite_create("slot");
	TCase *tcase = tcase_create("slot");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_claim);
	tcase_add_test(tcase, test_claim_again);
	tcase_add_loop_test(tcase, test_move, 0, COUNT(elsewhere));
	tcase_add_test(tcase, test_claim_taken);
	tcase_add_test(tcase, test_release);
	tcase_add_test(tcase, test_mark);
	tcase_add_test(tcase, test_expire);
	tcase_add_loop_test(tcase, test_adopt, 0, 6);
	tcase_add_test(tcase, test_adopt_twice);
	tcase_add_test(tcase, test_sample);
	tcase_add_test(tcase, test_sample_anew);
	tcase_add_test(tcase, test_sample_gone);
	tcase_add_test(tcase, test_full);
	tcase_add_test(tcase, test_state);
	tcase_add_test(tcase, test_source);
	tcase_add_test(tcase, test_source_family);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(slot_suite());
}
