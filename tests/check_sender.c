/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "relayd/sender.h"
#include "tests/sender_bed.h"
#include "tests/suite.h"

#define SILENT_MS  2000
#define UNHEARD_MS 3000

START_TEST(test_first)
{
	packet(A, false, NOW);
	assert_sender(A);
	assert_events("sender ");
	ck_assert_int_eq(slot->handed_ms, NOW);
	ck_assert(!slot->flush);
	ck_assert_uint_eq(stream->lock.family, 0);
	ck_assert_uint_eq(stream->slots[1]->sender.addr.family, 0);
	packet(A, false, NOW + 10);
	assert_events("");
	ck_assert_int_eq(slot->handed_ms, NOW);
}
END_TEST

START_TEST(test_own_host)
{
	packet("203.0.113.7:7000", true, NOW);
	assert_events("refused ");
	ck_assert_ptr_nonnull(strstr(text, "on the relay itself"));
}
END_TEST

/*
 * Another port of the host had its packet between the deletion and the next of ours: the flow is
 * that one's, which may not have it back so soon, and it would keep us out until it times out.
 */
START_TEST(test_overtaken)
{
	packet(A2, false, NOW);
	slot->media_ms = NOW + 50;
	packet(A, false, NOW + 100);
	ck_assert(slot->flush);
	settle();
	packet(A2, false, NOW + 110);
	assert_sender(A);
	ck_assert(!slot->flush);
	packet(A, false, NOW + 120);
	ck_assert(!slot->flush);
	packet(A, false, NOW + 140);
	ck_assert(slot->flush);
	settle();
	packet(A, false, NOW + 160);
	ck_assert(!slot->flush);
	packet(A, false, NOW + 160 + 5000);
	ck_assert(!slot->flush);
}
END_TEST

/* The same program, started again: it has another port, and the old flow is in its way. */
START_TEST(test_restart)
{
	packet(A, false, NOW);
	slot->media_ms = NOW + 50;
	events[0] = '\0';
	packet(A2, false, NOW + 100);
	assert_sender(A2);
	assert_events("sender ");
	ck_assert(slot->flush);
	ck_assert_uint_eq(dirty_count(), 1);
	ck_assert(slot->dirty);
}
END_TEST

/* Two programs on one host do not take turns. */
START_TEST(test_rematch)
{
	packet(A, false, NOW);
	packet(A2, false, NOW + 100);
	settle();
	slot->media_ms = NOW + 110;
	events[0] = '\0';
	packet(A, false, NOW + 120);
	assert_sender(A2);
	ck_assert(!slot->flush);
	assert_events("");
	packet(A, false, NOW + 100 + SILENT_MS - 1);
	assert_sender(A2);
	slot->media_ms = NOW + 100 + SILENT_MS;
	packet(A, false, NOW + 100 + SILENT_MS);
	assert_sender(A);
	ck_assert(slot->flush);
}
END_TEST

START_TEST(test_rival_silent)
{
	packet(A, false, NOW);
	slot->media_ms = NOW + 5000;
	settle();
	events[0] = '\0';
	packet(B, false, NOW + 5001);
	packet(B, false, NOW + 5000 + SILENT_MS);
	assert_sender(A);
	assert_events("");
	ck_assert_uint_eq(dirty_count(), 0);
	packet(B, false, NOW + 5001 + SILENT_MS);
	assert_sender(B);
	assert_events("sender ");
	ck_assert(slot->flush);
}
END_TEST

/* A sender that has just been given the hole has not been counted yet. */
START_TEST(test_rival_handed)
{
	packet(A, false, NOW);
	packet(B, false, NOW + SILENT_MS);
	assert_sender(A);
	packet(B, false, NOW + SILENT_MS + 1);
	assert_sender(B);
	packet(A, false, NOW + 2 * SILENT_MS);
	assert_sender(B);
}
END_TEST

/* Where anybody may send, too, the port is kept for one address as long as it sends. */
START_TEST(test_holder)
{
	packet(A, false, NOW);
	ck_assert(addr_equal(&slot->holder, &slot->sender.addr));
	ck_assert_uint_eq(slot_source(slot).bits, 32);
	ck_assert_uint_eq(dirty_count(), 1);
	ck_assert_uint_eq(slot_source(stream->slots[1]).bits, 0);
	settle();
	sender_tick(&table, NOW + SILENT_MS);
	slot->media_ms = NOW + 5000;
	sender_tick(&table, NOW + 5000 + SILENT_MS);
	ck_assert_uint_ne(slot->holder.family, 0);
	ck_assert_uint_eq(dirty_count(), 0);
	sender_tick(&table, NOW + 5001 + SILENT_MS);
	ck_assert_uint_eq(slot->holder.family, 0);
	ck_assert_uint_eq(slot_source(slot).bits, 0);
	ck_assert_uint_eq(dirty_count(), 1);
	settle();
	sender_tick(&table, NOW + 100000);
	ck_assert_uint_eq(dirty_count(), 0);
	packet(B, false, NOW + 100000);
	ck_assert(addr_equal(&slot->holder, &slot->sender.addr));
	assert_sender(B);
}
END_TEST

/* Who was silent and goes on has its flow still: nothing but the counters tells of it. */
START_TEST(test_holder_again)
{
	const int64_t idle = NOW + 5001, later = idle + SILENT_MS + 1;

	packet(A, false, NOW);
	sender_tick(&table, idle);
	ck_assert_uint_eq(slot->holder.family, 0);
	settle();
	slot->media_ms = idle;
	sender_heard(&table, slot, idle);
	ck_assert_uint_eq(slot->holder.family, 0);
	sender_heard(&table, slot, later);
	ck_assert_uint_eq(slot->holder.family, 0);
	slot->media_ms = later;
	sender_heard(&table, slot, later);
	ck_assert(addr_equal(&slot->holder, &slot->sender.addr));
	ck_assert_uint_eq(dirty_count(), 1);
	settle();
	/* Or its flow has ended, and begins anew. */
	sender_tick(&table, later + 5000);
	ck_assert_uint_eq(slot->holder.family, 0);
	packet(A, false, later + 6000);
	ck_assert(addr_equal(&slot->holder, &slot->sender.addr));
}
END_TEST

/* Nobody told of the flow: it is opened again, until somebody does. */
START_TEST(test_unheard)
{
	const int64_t later = NOW + UNHEARD_MS;

	slot->media_ms = NOW;
	sender_heard(&table, slot, NOW);
	sender_heard(&table, slot, later);
	slot->media_ms = later - 1;
	sender_heard(&table, slot, later - 1);
	ck_assert_uint_eq(dirty_count(), 0);
	for (int64_t now = later; now <= later + UNHEARD_MS; now += UNHEARD_MS) {
		slot->media_ms = now;
		sender_heard(&table, slot, now);
		ck_assert(slot->flush);
		ck_assert_uint_eq(dirty_count(), 1);
		settle();
	}
	packet(A, false, later + UNHEARD_MS);
	settle();
	slot->media_ms = later + 3 * UNHEARD_MS;
	sender_heard(&table, slot, slot->media_ms);
	ck_assert(!slot->flush);
}
END_TEST

/* Another port of the same address changes nothing for the kernel. */
/* Media from before the source was another do not give back the port to who sent them. */
START_TEST(test_holder_barred)
{
	char why[SPEC_WHY];

	packet(A, false, NOW);
	ck_assert_int_eq(spec_set_source(&stream->spec, "203.0.113.0/24", why), 0);
	slot->holder.family = 0;
	slot->media_ms = NOW + 5000;
	sender_heard(&table, slot, NOW + 5000);
	ck_assert_uint_eq(slot->holder.family, 0);
	ck_assert_uint_eq(slot_source(slot).bits, 24);
}
END_TEST

START_TEST(test_holder_restart)
{
	packet(A, false, NOW);
	settle();
	packet(A2, false, NOW + 100);
	ck_assert(addr_equal(&slot->holder, &slot->sender.addr));
	slot->flush = false;
	settle();
	sender_tick(&table, NOW + 100 + SILENT_MS);
	ck_assert_uint_ne(slot->holder.family, 0);
	ck_assert_uint_eq(dirty_count(), 0);
}
END_TEST

START_TEST(test_no_hole)
{
	slot_release(&table, slot);
	settle();
	stream->spec.source = SPEC_FIRST;
	packet(A, false, NOW);
	ck_assert_uint_eq(slot->sender.addr.family, 0);
	ck_assert_uint_eq(stream->lock.family, 0);
	packet(A, true, NOW);
	assert_events("refused ");
	ck_assert_str_eq(text, "nobody has punched for it");
}
END_TEST

static void assert_refused(const char *from, const char *why)
{
	packet(from, true, NOW);
	assert_events(why ? "refused " : "");
	if (why)
		ck_assert_str_eq(text, why);
}

/* Who may send is refused only when consent has run out, and of that another line tells. */
START_TEST(test_refusals)
{
	assert_refused(A, NULL);
	packet(A, false, NOW);
	assert_events("sender ");
	assert_refused(A2, NULL);
	assert_refused(B, "another sender has the port");
	stream->spec.source = SPEC_PREFIX;
	stream->spec.prefix = (struct prefix){slot->sender.addr, 32};
	assert_refused(A, NULL);
	assert_refused(B, "not allowed by source");
	stream->spec.source = SPEC_FIRST;
	stream->lock = slot->sender.addr;
	stream->lock_ms = NOW;
	assert_refused(A, NULL);
	assert_refused(B, "locked to its first sender");
	slot_release(&table, slot);
	assert_refused(A, "nobody has punched for it");
}
END_TEST

/* Each newcomer is told of once, not each of its packets. */
START_TEST(test_refused)
{
	stream->spec.source = SPEC_PREFIX;
	stream->spec.prefix = (struct prefix){endpoint("198.51.100.9:1").addr, 32};
	for (int i = 0; i < 100; i++)
		packet(B, true, NOW + i);
	assert_events("refused ");
	ck_assert_str_eq(text, "not allowed by source");
	ck_assert_uint_eq(slot->sender.addr.family, 0);
	ck_assert_uint_eq(stream->lock.family, 0);
	ck_assert_uint_eq(dirty_count(), 0);
	packet(A, true, NOW);
	assert_events("refused ");
}
END_TEST

START_TEST(test_foreign)
{
	struct rules_event event = {.sender = endpoint(A), .listen = endpoint("203.0.113.7:9098")};

	sender_event(&table, &event, NOW);
	event.listen = endpoint("[2001:db8::7]:9099");
	sender_event(&table, &event, NOW);
	stream_remove(&table, stream);
	events[0] = '\0';
	packet(A, false, NOW);
	packet(A, true, NOW);
	assert_events("");
	ck_assert_uint_eq(slot->sender.addr.family, 0);
}
END_TEST

static Suite *sender_suite(void)
{
	Suite *suite = suite_create("sender");
	TCase *tcase = tcase_create("sender");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_first);
	tcase_add_test(tcase, test_own_host);
	tcase_add_test(tcase, test_overtaken);
	tcase_add_test(tcase, test_restart);
	tcase_add_test(tcase, test_rematch);
	tcase_add_test(tcase, test_rival_silent);
	tcase_add_test(tcase, test_rival_handed);
	tcase_add_test(tcase, test_holder);
	tcase_add_test(tcase, test_holder_again);
	tcase_add_test(tcase, test_unheard);
	tcase_add_test(tcase, test_holder_barred);
	tcase_add_test(tcase, test_holder_restart);
	tcase_add_test(tcase, test_no_hole);
	tcase_add_test(tcase, test_refusals);
	tcase_add_test(tcase, test_refused);
	tcase_add_test(tcase, test_foreign);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(sender_suite());
}
