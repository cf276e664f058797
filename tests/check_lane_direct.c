/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The direct path: found, pinned, doubted and lost. */
#include <string.h>

#include "tests/lane_fake.h"
#include "tests/suite.h"

/* From the other's first check to data on the direct path. */
static void fake_direct(enum peer_role role)
{
	fake_pair(role);
	fake_round(PEER_PUNCH, 0, true);
	fake_run(150);
	ck_assert_int_eq(other_check(0, &fake.other, role == PEER_SERVICE), LANE_TAKEN);
	ck_assert(!lane_is_direct(fake.lane));
	ck_assert_int_eq(other_answer(sent_to(&fake.other), &fake.other), LANE_TAKEN);
	if (role == PEER_CLIENT) {
		ck_assert(!lane_is_direct(fake.lane));
		ck_assert_int_eq(other_answer(sent_to(&fake.other), &fake.other), LANE_TAKEN);
	}
	ck_assert(lane_is_direct(fake.lane));
	ck_assert_int_eq(event_last()->type, LANE_DIRECT);
	fake_run(1);
	ck_assert_int_eq(fake.hello.progress, PEER_DIRECT);
	ck_assert_uint_eq(fake.hello.round, fake.word.round.number);
}

START_TEST(test_direct)
{
	struct lane_path path;

	fake_direct(_i ? PEER_SERVICE : PEER_CLIENT);
	ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path));
	ck_assert(path.direct && endpoint_equal(&path.peer, &fake.other));
	/* Data may come either way. */
	ck_assert_int_eq(fake_input(0, &fake.other, media, sizeof(media)), LANE_DATA);
	ck_assert_int_eq(fake_input(0, &fake.relay, media, sizeof(media)), LANE_DATA);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* The other's checks are answered, but ours are not any more. */
START_TEST(test_dead)
{
	struct lane_path path;
	int64_t began_ms;

	fake_direct(PEER_CLIENT);
	began_ms = fake.now_ms;
	while (lane_is_direct(fake.lane) && fake.now_ms < began_ms + 5000) {
		lane_output(fake.lane, 1, fake.now_ms, &path);
		other_check(0, &fake.other, false);
		fake_run(50);
	}
	ck_assert_int_le(fake.now_ms - began_ms, LANE_DEAD_MS + LANE_CHECK_MS);
	ck_assert_int_eq(event_last()->type, LANE_LOST);
	ck_assert_int_eq(fake.hello.progress, PEER_FAILED);
	ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path));
	ck_assert(!path.direct);
	/* What is still on its way is taken. */
	ck_assert_int_eq(fake_input(0, &fake.other, media, sizeof(media)), LANE_DATA);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* Paired with one who shares its socket. */
static void fake_pair_pinned(void)
{
	fake_start(PEER_CLIENT);
	fake_run(10);
	fake.word.serial++;
	fake.word.state = PEER_PAIRED;
	fake.word.pinned = true;
	memcpy(fake.word.peer, fake.peer, PEER_LANE);
	relay_say();
	fake_run(1);
	ck_assert(fake.hello.wants_direct);
	ck_assert_int_eq(lane_state(fake.lane), PEER_WAITING);
}

static void fake_found(void)
{
	fake_round(PEER_PUNCH, 0, true);
	fake_run(150);
	other_check(0, &fake.other, false);
	other_answer(sent_to(&fake.other), &fake.other);
	other_answer(sent_to(&fake.other), &fake.other);
}

/* Until the next check of the direct path. */
static void fake_run_to_check(void)
{
	uint8_t tid[STUN_TID];

	memcpy(tid, sent_to(&fake.other)->data + 8, sizeof(tid));
	for (int i = 0; i < 2000 && !memcmp(tid, sent_to(&fake.other)->data + 8, sizeof(tid)); i++)
		fake_run(10);
}

/* Data wait for the direct path, and stay there, even after a pause; when it is lost, they stay
 * away. */
START_TEST(test_pinned)
{
	struct lane_path path;

	fake_pair_pinned();
	ck_assert(!lane_output(fake.lane, 1, fake.now_ms, &path));
	fake_found();
	ck_assert_uint_ge(fake.event_count, 2);
	ck_assert_int_eq(fake.events[fake.event_count - 2].type, LANE_PAIRED);
	ck_assert_int_eq(event_last()->type, LANE_DIRECT);
	ck_assert_int_eq(lane_state(fake.lane), PEER_PAIRED);
	ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path) && path.direct);
	for (unsigned int i = 0; i < 300; i++) {
		fake_run(100);
		other_answer(sent_to(&fake.other), &fake.other);
	}
	/* From now on nothing is checked for long. */
	fake_run_to_check();
	other_answer(sent_to(&fake.other), &fake.other);
	fake_run(LANE_DEAD_MS + 1);
	if (!lane_is_direct(fake.lane))
		ck_abort_msg("lost while it was idle");
	ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path) && path.direct);
	ck_assert(fake.hello.wants_direct);
	fake_run(LANE_DEAD_MS + LANE_CHECK_MS);
	ck_assert_int_eq(event_last()->type, LANE_LOST);
	ck_assert(!fake.hello.wants_direct);
	ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path) && !path.direct);
	fake_found();
	fake_run(10);
	ck_assert(!lane_is_direct(fake.lane));
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* Without one within a second they go by the relay. */
START_TEST(test_pinned_relayed)
{
	struct lane_path path;

	fake_pair_pinned();
	fake_run(1000 - 20);
	ck_assert_int_eq(lane_state(fake.lane), PEER_WAITING);
	fake_run(40);
	ck_assert_int_eq(event_last()->type, LANE_PAIRED);
	/* Nothing has gone yet: a path is still welcome. */
	ck_assert(fake.hello.wants_direct);
	if (_i)
		fake_found();
	ck_assert_int_eq(lane_is_direct(fake.lane), _i);
	ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path));
	ck_assert_int_eq(path.direct, _i);
	fake_run(10);
	ck_assert_int_eq(fake.hello.wants_direct, _i);
	if (!_i) {
		/* It was looked for too late. */
		fake_round(PEER_PUNCH, 0, true);
		fake_run(10);
		ck_assert_int_eq(fake.hello.progress, PEER_FAILED);
		ck_assert_int_eq(other_check(0, &fake.other, false), LANE_FOREIGN);
	}
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* A failure is known before the second is over. */
START_TEST(test_pinned_failed)
{
	fake_pair_pinned();
	fake.word.round.limit_ms = 300;
	fake_round(PEER_PUNCH, 0, true);
	fake_run(500);
	ck_assert_int_eq(lane_state(fake.lane), PEER_PAIRED);
	ck_assert_int_eq(event_last()->type, LANE_NO_PATH);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* The first check that is not answered in time sends data by the relay; its answer, back again. */
START_TEST(test_doubt)
{
	struct lane_path path;

	fake_direct(PEER_CLIENT);
	if (_i) { /* the relay is silent as well: there is nowhere to go */
		fake.mute = true;
		lane_network(fake.lane, fake.now_ms);
		for (unsigned int i = 0; i < 40; i++) {
			fake_run(100);
			other_answer(sent_to(&fake.other), &fake.other);
		}
		ck_assert_int_eq(event_last()->type, LANE_SILENT);
		fake_run(1);
	}
	ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path));
	fake_run(1);
	other_answer(sent_to(&fake.other), &fake.other);
	for (unsigned int i = 0; i < LANE_CHECK_MS; i += 50) {
		ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path));
		ck_assert(path.direct);
		fake_run(50);
	}
	fake_run(LANE_DOUBT_MS);
	ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path));
	ck_assert_int_eq(path.direct, _i);
	ck_assert(endpoint_equal(&path.peer, _i ? &fake.other : &fake.relay));
	ck_assert(lane_is_direct(fake.lane));
	other_answer(sent_to(&fake.other), &fake.other);
	ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path));
	ck_assert(path.direct);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* A path whose answers take long is not in doubt for that. */
START_TEST(test_doubt_far)
{
	struct lane_path path;

	fake_direct(PEER_CLIENT);
	for (unsigned int i = 0; i < 200; i++) {
		for (unsigned int n = 0; n < fake.sent_count; n++) {
			const struct sent *sent = &fake.sent[n];

			if (endpoint_equal(&sent->to, &fake.other) && sent->data[0] == 0 &&
				sent->at_ms > START_MS + 200 && fake.now_ms - sent->at_ms >= 300 &&
				fake.now_ms - sent->at_ms < 310)
				other_answer(sent, &fake.other);
		}
		fake_run(10);
		ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path));
		ck_assert(path.direct || i < 100);
	}
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* Only the relay: what is direct is left, nothing is said that leads to us, no check is answered.
 */
START_TEST(test_relayed)
{
	struct nat_report nat = {.mapping = NAT_MAPPING_ENDPOINT};
	struct lane_path path;
	unsigned int first;

	fake_direct(_i ? PEER_SERVICE : PEER_CLIENT);
	lane_set_nat(fake.lane, &nat);
	lane_set_hosts(fake.lane, &fake.mapped, 1);
	lane_set_relayed(fake.lane, true, fake.now_ms);
	ck_assert_int_eq(event_last()->type, LANE_LOST);
	fake_run(100);
	ck_assert_int_eq(fake.hello.progress, PEER_FAILED);
	ck_assert(fake.hello.nat.blocked);
	ck_assert_uint_eq(fake.hello.host_count, 0);
	ck_assert(lane_output(fake.lane, 1, fake.now_ms, &path));
	ck_assert(!path.direct);
	/* The other does not know yet. */
	ck_assert_int_eq(fake_input(0, &fake.other, media, sizeof(media)), LANE_DATA);
	first = fake.sent_count;
	ck_assert_int_eq(other_check(0, &fake.other, true), LANE_FOREIGN);
	fake_round(PEER_PUNCH, 0, true);
	fake_run(3000);
	ck_assert_uint_eq(sent_count(first, &fake.other.addr), 0);
	ck_assert_int_eq(fake.hello.progress, PEER_FAILED);
	lane_set_relayed(fake.lane, false, fake.now_ms);
	fake_run(100);
	ck_assert(!fake.hello.nat.blocked);
	ck_assert_uint_eq(fake.hello.host_count, 1);
	fake_round(PEER_PUNCH, 0, true);
	fake_run(150);
	ck_assert_uint_gt(sent_count(first, &fake.other.addr), 0);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

START_TEST(test_idle)
{
	unsigned int first;

	fake_direct(PEER_SERVICE);
	fake_run(LANE_CHECK_MS + 1);
	other_answer(sent_to(&fake.other), &fake.other);
	first = fake.sent_count;
	for (unsigned int i = 0; i < 600; i++) {
		fake_run(100);
		other_answer(sent_to(&fake.other), &fake.other);
	}
	ck_assert(lane_is_direct(fake.lane));
	ck_assert_uint_ge(sent_count(first, &fake.other.addr), 3);
	ck_assert_uint_le(sent_count(first, &fake.other.addr), 6);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

static Suite *lane_direct_suite(void)
{
	Suite *suite = suite_create("lane_direct");
	TCase *tcase = tcase_create("lane_direct");

	tcase_add_loop_test(tcase, test_direct, 0, 2);
	tcase_add_test(tcase, test_dead);
	tcase_add_test(tcase, test_pinned);
	tcase_add_loop_test(tcase, test_pinned_relayed, 0, 2);
	tcase_add_test(tcase, test_pinned_failed);
	tcase_add_loop_test(tcase, test_doubt, 0, 2);
	tcase_add_test(tcase, test_doubt_far);
	tcase_add_loop_test(tcase, test_relayed, 0, 2);
	tcase_add_test(tcase, test_idle);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(lane_direct_suite());
}
