/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/sender.h"
#include "tests/sender_bed.h"
#include "tests/suite.h"

/* A packet that was let through before the kernel knew of the lock changes nothing. */
START_TEST(test_lock_race)
{
	stream->spec.source = SPEC_FIRST;
	packet(A, false, NOW);
	events[0] = '\0';
	packet(B, false, NOW + 1);
	assert_sender(A);
	assert_events("");
}
END_TEST

START_TEST(test_lock)
{
	struct prefix source;

	stream->spec.source = SPEC_FIRST;
	packet(A, false, NOW);
	ck_assert(addr_equal(&stream->lock, &slot->sender.addr));
	ck_assert_int_eq(stream->lock_ms, NOW);
	ck_assert_uint_eq(stream->lock_packets, 0);
	/* It holds for all ports of the stream. */
	ck_assert_uint_eq(dirty_count(), 2);
	source = slot_source(stream->slots[1]);
	ck_assert_uint_eq(source.bits, 32);
	settle();
	packet(A2, false, NOW + 1);
	ck_assert_int_eq(stream->lock_ms, NOW);
	sender_unlock(&table, stream);
	ck_assert_uint_eq(stream->lock.family, 0);
	ck_assert_uint_eq(dirty_count(), 2);
	settle();
	sender_unlock(&table, stream);
	ck_assert_uint_eq(dirty_count(), 0);
}
END_TEST

/* Whoever has the lock has the ports, however short ago another one sent to them. */
START_TEST(test_lock_takes)
{
	stream->spec.source = SPEC_FIRST;
	packet(A, false, NOW);
	slot->media_ms = NOW + 1000;
	sender_unlock(&table, stream);
	settle();
	packet(B, false, NOW + 1001);
	assert_sender(B);
	ck_assert(addr_equal(&stream->lock, &slot->sender.addr));
	ck_assert(slot->flush);
}
END_TEST

static const struct {
	const char *source;
	bool locks;
} sources[] = {{"any", false}, {"198.51.100.0/24", false}, {"first", true}};

START_TEST(test_lock_sources)
{
	char why[SPEC_WHY];

	ck_assert_int_eq(spec_set_source(&stream->spec, sources[_i].source, why), 0);
	packet(A, false, NOW);
	assert_sender(A);
	ck_assert_int_eq(stream->lock.family != 0, sources[_i].locks);
	ck_assert_int_eq(slot->holder.family != 0, !sources[_i].locks);
	ck_assert_uint_eq(slot_source(slot).bits, 32);
}
END_TEST

/* A stray packet has the lock only shortly; who has sent more keeps it over a pause. */
START_TEST(test_tick)
{
	stream->spec.source = SPEC_FIRST;
	packet(A, false, NOW);
	sender_tick(&table, NOW + 3000);
	ck_assert_uint_ne(stream->lock.family, 0);
	stream->slots[1]->media_ms = NOW + 10000;
	stream->lock_packets = 15;
	sender_tick(&table, NOW + 13000);
	ck_assert_uint_ne(stream->lock.family, 0);
	settle();
	sender_tick(&table, NOW + 13001);
	ck_assert_uint_eq(stream->lock.family, 0);
	ck_assert_uint_eq(dirty_count(), 2);
	packet(A2, false, NOW + 20000);
	ck_assert_uint_eq(stream->lock_packets, 0);
	stream->lock_packets = 16;
	sender_tick(&table, NOW + 20000 + 300000);
	ck_assert_uint_ne(stream->lock.family, 0);
	sender_tick(&table, NOW + 20000 + 300001);
	ck_assert_uint_eq(stream->lock.family, 0);
}
END_TEST

START_TEST(test_tick_unlocked)
{
	sender_tick(&table, NOW + 1000000);
	ck_assert_uint_eq(dirty_count(), 0);
	assert_events("");
}
END_TEST

static Suite *sender_lock_suite(void)
{
	Suite *suite = suite_create("sender_lock");
	TCase *tcase = tcase_create("sender_lock");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_lock_race);
	tcase_add_test(tcase, test_lock);
	tcase_add_test(tcase, test_lock_takes);
	tcase_add_loop_test(tcase, test_lock_sources, 0, COUNT(sources));
	tcase_add_test(tcase, test_tick);
	tcase_add_test(tcase, test_tick_unlocked);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(sender_lock_suite());
}
