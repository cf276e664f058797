/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a lane says to the relay, and what it makes of the words it is told. */
#include <string.h>

#include "tests/lane_fake.h"
#include "tests/suite.h"

START_TEST(test_hello)
{
	fake_start(PEER_CLIENT);
	fake_run(10);
	ck_assert_uint_eq(fake.event_count, 1);
	ck_assert_int_eq(event_last()->type, LANE_WAITING);
	/* The word is heard at once. */
	ck_assert_uint_eq(fake.hellos, 2);
	ck_assert_uint_eq(fake.hello.heard, 10);
	ck_assert_int_eq(fake.hello.role, PEER_CLIENT);
	/* Nothing is said any more but that the lane is still there. */
	fake_run(60000);
	ck_assert_uint_ge(fake.hellos, 2 + 3);
	ck_assert_uint_le(fake.hellos, 2 + 5);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

START_TEST(test_bye)
{
	fake_pair(PEER_SERVICE);
	fake.mute = true;
	lane_close(fake.lane, fake.now_ms);
	fake.refuse = 0;
	for (unsigned int i = 0; i < fake.sent_count; i++) {
		struct stun request;

		if (fake.sent[i].seen)
			continue;
		ck_assert_int_eq(stun_parse(fake.sent[i].data, fake.sent[i].len, &request), 0);
		ck_assert_int_eq(
			peer_hello_decode(request.peer.p, request.peer.len, &fake.hello), 0);
	}
	ck_assert(fake.hello.bye);
}
END_TEST

START_TEST(test_changes_are_said)
{
	struct nat_report nat = {.mapping = NAT_MAPPING_ENDPOINT};

	fake_pair(PEER_CLIENT);
	lane_set_nat(fake.lane, &nat);
	lane_set_hosts(fake.lane, &fake.other, 1);
	ck_assert_int_le(lane_deadline(fake.lane), fake.now_ms);
	fake_run(1);
	ck_assert_int_eq(fake.hello.nat.mapping, NAT_MAPPING_ENDPOINT);
	ck_assert_uint_eq(fake.hello.host_count, 1);
	ck_assert_mem_eq(fake.hello.peer, fake.peer, PEER_LANE);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

START_TEST(test_silent)
{
	fake_pair(PEER_CLIENT);
	fake.mute = true;
	lane_network(fake.lane, fake.now_ms);
	fake_run(2990);
	ck_assert_int_eq(event_last()->type, LANE_PAIRED);
	fake_run(100);
	ck_assert_int_eq(event_last()->type, LANE_SILENT);
	fake.mute = false;
	fake_run(6000);
	ck_assert_int_eq(event_last()->type, LANE_BACK);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

START_TEST(test_refused)
{
	fake_start(PEER_CLIENT);
	fake.refuse = 508;
	fake_run(20000);
	ck_assert_uint_eq(fake.event_count, 1);
	ck_assert_int_eq(event_last()->type, LANE_REFUSED);
	ck_assert_uint_eq(event_last()->code, 508);
	ck_assert_uint_le(fake.hellos, 10);
	fake.refuse = 0;
	fake_run(6000);
	ck_assert_int_eq(event_last()->type, LANE_WAITING);
	lane_close(fake.lane, fake.now_ms);
	fake_start(PEER_CLIENT);
	fake.refuse = 437;
	fake_run(1000);
	ck_assert_int_eq(event_last()->type, LANE_REFUSED);
	fake_run(10000);
	ck_assert_uint_eq(fake.event_count, 2);
	ck_assert_int_eq(event_last()->type, LANE_CLOSED);
	lane_close(fake.lane, fake.now_ms);
	fake_start(PEER_CLIENT);
	fake.refuse = 403;
	fake_run(20000);
	ck_assert_int_eq(event_last()->type, LANE_FAILED);
	ck_assert_uint_eq(fake.hellos, 1);
	ck_assert_int_eq(lane_deadline(fake.lane), INT64_MAX);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

START_TEST(test_clock_went_back)
{
	fake_start(PEER_CLIENT);
	fake.refuse = 400;
	fake.sequence = 1u << 30;
	lane_tick(fake.lane, fake.now_ms);
	relay_take_all();
	fake.refuse = 0;
	fake_run(2000);
	ck_assert_int_eq(event_last()->type, LANE_WAITING);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* Somebody else says hello as this lane, and is always ahead: a new one is needed. */
START_TEST(test_outrun)
{
	uint64_t first;

	fake_pair(PEER_SERVICE);
	first = fake.newest;
	lane_close(fake.lane, fake.now_ms);
	fake_pair(PEER_SERVICE);
	/* Where it begins cannot be guessed. */
	ck_assert(fake.newest < first - 1000000 || fake.newest > first + 1000000);
	fake.refuse = 400;
	fake.sequence = UINT64_MAX;
	lane_network(fake.lane, fake.now_ms);
	fake_run(20000);
	ck_assert_int_eq(lane_state(fake.lane), PEER_CLOSED);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* An old word, one that is not signed, one that is signed by another key. */
START_TEST(test_words)
{
	fake_pair(PEER_CLIENT);
	ck_assert_uint_eq(fake.hello.heard, 11);
	fake.word.serial = 10;
	fake.word.state = PEER_CLOSED;
	memset(fake.word.peer, 0, PEER_LANE);
	relay_say();
	ck_assert_int_eq(lane_state(fake.lane), PEER_PAIRED);
	fake.word.serial = 12;
	fake.key[0] ^= 1;
	relay_say();
	ck_assert_int_eq(lane_state(fake.lane), PEER_PAIRED);
	fake.key[0] ^= 1;
	/* Of another lane of the stream. */
	fake.newest += 1000;
	relay_say();
	fake.newest -= 2000;
	relay_say();
	fake.newest += 1000;
	ck_assert_int_eq(lane_state(fake.lane), PEER_PAIRED);
	relay_say();
	ck_assert_int_eq(lane_state(fake.lane), PEER_CLOSED);
	ck_assert_uint_eq(fake.hello.heard, 12);
	ck_assert_int_eq(event_last()->type, LANE_CLOSED);
	/* A relay that has begun anew counts from one: its answers are believed. */
	fake.word.serial = 1;
	fake.word.state = PEER_WAITING;
	relay_say();
	ck_assert_int_eq(lane_state(fake.lane), PEER_CLOSED);
	lane_network(fake.lane, fake.now_ms);
	fake_run(1);
	ck_assert_int_eq(lane_state(fake.lane), PEER_WAITING);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* A repeated word says that our hello was lost. */
START_TEST(test_word_again)
{
	unsigned int hellos;

	fake_pair(PEER_CLIENT);
	hellos = fake.hellos;
	relay_say();
	ck_assert_uint_eq(fake.hellos, hellos);
	fake_run(100);
	relay_say();
	relay_say();
	ck_assert_uint_eq(fake.hellos, hellos + 1);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

START_TEST(test_wants_direct)
{
	struct lane_path path;

	fake_start(PEER_CLIENT);
	fake_run(1);
	ck_assert(!lane_output(fake.lane, 1, fake.now_ms, &path));
	lane_close(fake.lane, fake.now_ms);
	fake_pair(PEER_CLIENT);
	/* A question and its answer. */
	ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path));
	ck_assert(!path.direct && path.socket == 0 && endpoint_equal(&path.peer, &fake.relay));
	ck_assert_int_eq(fake_input(0, &fake.relay, media, sizeof(media)), LANE_DATA);
	fake_run(20000);
	ck_assert(!fake.hello.wants_direct);
	/* One way only, and not for long. */
	for (unsigned int i = 0; i < 100; i++) {
		lane_output(fake.lane, 1, fake.now_ms, &path);
		fake_run(10);
	}
	ck_assert(!fake.hello.wants_direct);
	fake_input(0, &fake.relay, media, sizeof(media));
	fake_run(10);
	ck_assert(fake.hello.wants_direct);
	ck_assert_int_eq(lane_used_ms(fake.lane), fake.now_ms - 10);
	fake_run(9000);
	ck_assert(fake.hello.wants_direct);
	fake_run(2000);
	ck_assert(!fake.hello.wants_direct);
	/* Media that nobody answers; and one that calls in vain. */
	for (unsigned int i = 0; i < 110; i++) {
		fake_input(0, &fake.relay, media, sizeof(media));
		fake_run(10);
	}
	ck_assert(fake.hello.wants_direct);
	fake_run(11000);
	for (unsigned int i = 0; i < 15; i++) {
		lane_output(fake.lane, 1, fake.now_ms, &path);
		fake_run(1000);
	}
	ck_assert(!fake.hello.wants_direct);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* For so long data go out, ten a second. */
static void lane_talk(int64_t ms)
{
	struct lane_path path;

	for (; ms > 0; ms -= 100) {
		lane_output(fake.lane, 1, fake.now_ms, &path);
		fake_run(100);
	}
}

/* What was answered, and is not any more. */
START_TEST(test_lonely)
{
	unsigned int hellos;

	fake_pair(PEER_CLIENT);
	lane_talk(5000);
	ck_assert(!fake.hello.lonely); /* nothing was ever answered */
	fake_input(0, &fake.relay, media, sizeof(media));
	lane_talk(3000);
	ck_assert(!fake.hello.lonely);
	hellos = fake.hellos;
	lane_talk(100);
	ck_assert(fake.hello.lonely);
	ck_assert_uint_eq(fake.hellos, hellos + 1);
	/* It is said again, and not too often. */
	lane_talk(12000);
	ck_assert_uint_ge(fake.hellos, hellos + 3);
	ck_assert_uint_le(fake.hellos, hellos + 4);
	fake_input(0, &fake.relay, media, sizeof(media));
	lane_talk(2900);
	lane_set_nat(fake.lane, &(struct nat_report){.mapping = NAT_MAPPING_ENDPOINT});
	fake_run(1);
	ck_assert(!fake.hello.lonely);
	/* Another one has to answer first. */
	memset(fake.word.peer, 0x66, PEER_LANE);
	fake.word.serial++;
	relay_say();
	lane_talk(10000);
	ck_assert(!fake.hello.lonely);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* Whose socket is shared says so, and nothing holds its lane. */
START_TEST(test_shared)
{
	fake_shared = true;
	fake_pair(PEER_SERVICE);
	fake_shared = false;
	fake_run(10);
	ck_assert(fake.hello.shared && !fake.hello.wants_direct);
	ck_assert_int_eq(event_last()->type, LANE_PAIRED);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

static Suite *lane_word_suite(void)
{
	Suite *suite = suite_create("lane_word");
	TCase *tcase = tcase_create("lane_word");

	tcase_add_test(tcase, test_hello);
	tcase_add_test(tcase, test_bye);
	tcase_add_test(tcase, test_changes_are_said);
	tcase_add_test(tcase, test_silent);
	tcase_add_test(tcase, test_refused);
	tcase_add_test(tcase, test_clock_went_back);
	tcase_add_test(tcase, test_outrun);
	tcase_add_test(tcase, test_words);
	tcase_add_test(tcase, test_word_again);
	tcase_add_test(tcase, test_wants_direct);
	tcase_add_test(tcase, test_lonely);
	tcase_add_test(tcase, test_shared);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(lane_word_suite());
}
