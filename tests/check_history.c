/* SPDX-License-Identifier: GPL-2.0-or-later */
/* the ring of an hour, the rings of all streams, and what the page reads. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/state.h"
#include "tests/suite.h"

#define T0 1000000 /* a whole step */

static struct ring ring;
static struct history history;
static struct state state;

static void setup(void)
{
	memset(&ring, 0, sizeof(ring));
	memset(&history, 0, sizeof(history));
	state_init(&state, T0);
}

static void teardown(void)
{
	history_fini(&history);
	state_fini(&state);
}

START_TEST(test_ring_spreads)
{
	const struct tally more = {1000, 100, 6, 4};

	ck_assert_ptr_null(ring_at(&ring, 0, T0));
	ring_add(&ring, &more, T0, T0 + 10000);
	ck_assert_uint_eq(ring_at(&ring, 2, T0 + 10000)->bytes, 500);
	ck_assert_uint_eq(ring_at(&ring, 1, T0 + 10000)->bytes, 500);
	ck_assert_uint_eq(ring_at(&ring, 1, T0 + 10000)->packets, 50);
	ck_assert_uint_eq(ring_at(&ring, 1, T0 + 10000)->lost, 5);
	ck_assert_ptr_null(ring_at(&ring, 0, T0 + 10000));
	ck_assert_ptr_null(ring_at(&ring, 3, T0 + 10000));
	/* What does not divide evenly is not lost. */
	ring_add(&ring, &(struct tally){7, 0, 0, 0}, T0 + 10000, T0 + 24000);
	ck_assert_uint_eq(ring_at(&ring, 2, T0 + 24000)->bytes +
				  ring_at(&ring, 1, T0 + 24000)->bytes +
				  ring_at(&ring, 0, T0 + 24000)->bytes,
		7);
}
END_TEST

START_TEST(test_ring_begins_whole)
{
	const struct tally more = {500, 0, 0, 0};

	ring_add(&ring, &more, T0 + 2000, T0 + 4000);
	ck_assert_ptr_null(ring_at(&ring, 0, T0 + 4000));
	ring_add(&ring, &more, T0 + 4000, T0 + 6000);
	ck_assert_ptr_null(ring_at(&ring, 1, T0 + 6000));
	ck_assert_uint_eq(ring_at(&ring, 0, T0 + 6000)->bytes, 250);
	ring_add(&ring, &more, T0 + 6000, T0 + 8000);
	ck_assert_uint_eq(ring_at(&ring, 0, T0 + 8000)->bytes, 750);
}
END_TEST

START_TEST(test_ring_forgets)
{
	const int64_t hour = (int64_t)RING_STEPS * RING_STEP_MS;

	ring_add(&ring, &(struct tally){5, 5, 5, 5}, T0, T0 + 5000);
	ring_add(&ring, &(struct tally){6, 6, 6, 6}, T0 + hour - 5000, T0 + hour);
	ck_assert_ptr_null(ring_at(&ring, RING_STEPS, T0 + hour));
	ck_assert_ptr_null(ring_at(&ring, 5, T0 + hour));
	ck_assert_uint_eq(ring_at(&ring, 1, T0 + hour)->bytes, 6);
	/* A look from far later, a pause of hours, and times that go back do no harm. */
	ck_assert_ptr_null(ring_at(&ring, 1, T0 + 3 * hour));
	ring_add(&ring, &(struct tally){7, 7, 7, 7}, T0 + hour, T0 + 9 * hour);
	ck_assert_uint_le(ring_at(&ring, 1, T0 + 9 * hour)->bytes, 7);
	ring_add(&ring, &(struct tally){7, 7, 7, 7}, T0 + 9 * hour, T0 + 8 * hour);
	ring_add(&ring, &(struct tally){7, 7, 7, 7}, T0, T0 + 5000);
	ring_add(&ring, &(struct tally){UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX},
		T0 + 9 * hour, T0 + 9 * hour + 5000);
	ck_assert_uint_eq(ring_at(&ring, 1, T0 + 9 * hour + 5000)->packets, UINT32_MAX);
}
END_TEST

static int take(const char *name, uint64_t bytes, int64_t now_ms)
{
	return history_take(&history, name, &(struct tally){bytes, 0, 0, 0}, now_ms);
}

static uint64_t bytes_at(const struct ring *of, size_t ago, int64_t now_ms)
{
	const struct ring_step *step = ring_at(of, ago, now_ms);

	return step ? step->bytes : UINT64_MAX;
}

START_TEST(test_history_counts)
{
	ck_assert_int_eq(take("b", 1000, T0), 0);
	ck_assert_int_eq(take("a", 50, T0), 0);
	history_done(&history, T0);
	take("a", 80, T0 + 5000);
	take("b", 1500, T0 + 5000);
	history_done(&history, T0 + 5000);
	/* What was counted before the first look is not of this hour. */
	ck_assert_uint_eq(bytes_at(history_find(&history, "a"), 1, T0 + 5000), 30);
	ck_assert_uint_eq(bytes_at(history_find(&history, "b"), 1, T0 + 5000), 500);
	ck_assert_uint_eq(bytes_at(&history.total, 1, T0 + 5000), 530);
	/* A counter that began anew. */
	take("b", 40, T0 + 10000);
	ck_assert_uint_eq(bytes_at(history_find(&history, "b"), 1, T0 + 10000), 40);
	ck_assert_ptr_null(history_find(&history, "c"));
}
END_TEST

START_TEST(test_history_gap)
{
	take("a", 0, T0);
	history_done(&history, T0);
	take("a", 900, T0 + RING_GAP_MS + 1);
	history_done(&history, T0 + RING_GAP_MS + 1);
	ck_assert_uint_eq(
		bytes_at(history_find(&history, "a"), 1, T0 + RING_GAP_MS + 1), UINT64_MAX);
	ck_assert_uint_eq(bytes_at(&history.total, 1, T0 + RING_GAP_MS + 1), UINT64_MAX);
}
END_TEST

START_TEST(test_history_silence)
{
	history_done(&history, T0);
	history_done(&history, T0 + 5000);
	ck_assert_uint_eq(bytes_at(&history.total, 1, T0 + 5000), 0);
}
END_TEST

START_TEST(test_history_is_bounded)
{
	char name[HISTORY_NAME + 1];

	for (int i = 0; i < HISTORY_STREAMS; i++) {
		snprintf(name, sizeof(name), "stream%04d", i);
		ck_assert_int_eq(take(name, 0, T0), 0);
	}
	ck_assert_int_eq(take("other", 0, T0), -ENOSPC);
	/* One goes, and another one gets its place. */
	for (int i = 1; i < HISTORY_STREAMS; i++) {
		snprintf(name, sizeof(name), "stream%04d", i);
		take(name, 0, T0 + RING_GAP_MS + 1);
	}
	ck_assert_int_eq(take("other", 0, T0 + RING_GAP_MS + 1), 0);
	ck_assert_ptr_null(history_find(&history, "stream0000"));
	ck_assert_ptr_nonnull(history_find(&history, "other"));
	ck_assert_ptr_nonnull(history_find(&history, "stream0999"));
	memset(name, 'x', HISTORY_NAME);
	name[HISTORY_NAME] = '\0';
	ck_assert_int_eq(take(name, 0, T0), -ENAMETOOLONG);
	history_done(&history, T0 + 3 * 3600000);
	ck_assert_uint_eq(history.count, 0);
}
END_TEST

static void state_list(const char *text, int64_t now_ms)
{
	json_t *reply = json_loads(text, 0, NULL);

	ck_assert_ptr_nonnull(reply);
	state_take(&state, reply, now_ms);
	json_decref(reply);
}

static json_t *read_back(char *text)
{
	json_t *object = json_loads(text, 0, NULL);

	ck_assert_ptr_nonnull(object);
	free(text);
	return object;
}

/* What is lost is refused by its source, or over the limit; each of the counters begins anew by
 * itself. */
START_TEST(test_history_lost)
{
	history_take(&history, "a", &(struct tally){0, 0, 100, 50}, T0);
	history_take(&history, "a", &(struct tally){0, 0, 110, 52}, T0 + 5000);
	ck_assert_uint_eq(ring_at(history_find(&history, "a"), 1, T0 + 5000)->lost, 12);
	history_take(&history, "a", &(struct tally){0, 0, 111, 4}, T0 + 10000);
	ck_assert_uint_eq(ring_at(history_find(&history, "a"), 1, T0 + 10000)->lost, 5);
}
END_TEST

static json_int_t newest(const char *name, const char *what, int64_t now_ms)
{
	json_t *view = read_back(state_view_history(&state, name, now_ms));
	json_t *steps = json_object_get(view, what);
	json_t *last = json_array_get(steps, json_array_size(steps) - 1);
	json_int_t value = json_is_integer(last) ? json_integer_value(last) : -1;

	ck_assert_uint_eq(json_array_size(steps), RING_STEPS - 1);
	json_decref(view);
	return value;
}

START_TEST(test_state)
{
	json_t *view;

	state_list("{\"ok\":true,\"left_out\":3,\"streams\":[{\"name\":\"a\",\"bytes\":100,"
		   "\"packets\":1,\"refused\":0}]}",
		T0);
	state_list("{\"ok\":true,\"left_out\":3,\"streams\":[{\"name\":\"a\",\"bytes\":600,"
		   "\"packets\":2,\"refused\":3,\"limited\":4}]}",
		T0 + 5000);
	ck_assert(state.up);
	ck_assert_int_eq(newest("a", "bytes", T0 + 5000), 500);
	ck_assert_int_eq(newest("a", "lost", T0 + 5000), 7);
	ck_assert_int_eq(newest(NULL, "bytes", T0 + 5000), 500);
	ck_assert_int_eq(state.history.done_ms, T0 + 5000);
	view = read_back(state_view(&state, false, T0 + 7000));
	ck_assert(json_is_true(json_object_get(view, "up")));
	ck_assert_int_eq(json_integer_value(json_object_get(view, "left_out")), 3);
	ck_assert(json_real_value(json_object_get(view, "age")) == 2.0);
	view = (json_decref(view), read_back(state_view_history(&state, "none", T0)));
	ck_assert(json_is_false(json_object_get(view, "ok")));
	json_decref(view);
}
END_TEST

START_TEST(test_state_lost)
{
	json_t *view = read_back(state_view(&state, false, T0));

	ck_assert(json_is_null(json_object_get(view, "age")));
	json_decref(view);
	state_list("{\"ok\":true,\"streams\":[{\"name\":\"a\"}]}", T0);
	state_fail(&state, "gone", T0 + 1000);
	state_fail(&state, "gone", T0 + 2000);
	ck_assert_uint_eq(state.losses, 1);
	view = read_back(state_view(&state, false, T0 + 3000));
	ck_assert_str_eq(json_string_value(json_object_get(view, "error")), "gone");
	ck_assert(json_real_value(json_object_get(view, "since")) == 2.0);
	ck_assert_uint_eq(json_array_size(json_object_get(view, "streams")), 1);
	json_decref(view);
	state_list("{\"ok\":true,\"streams\":7}", T0 + 4000);
	ck_assert(!state.up);
	/* What makes no sense is no stream of the history. */
	state_list("{\"ok\":true,\"streams\":[7,{\"name\":8},{}]}", T0 + 4000);
	ck_assert(state.up);
	free(state_view(&state, false, T0 + 4000));
	ck_assert_uint_eq(state.history.count, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("history");
	TCase *tcase = tcase_create("history");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_ring_spreads);
	tcase_add_test(tcase, test_ring_begins_whole);
	tcase_add_test(tcase, test_ring_forgets);
	tcase_add_test(tcase, test_history_counts);
	tcase_add_test(tcase, test_history_gap);
	tcase_add_test(tcase, test_history_silence);
	tcase_add_test(tcase, test_history_is_bounded);
	tcase_add_test(tcase, test_history_lost);
	tcase_add_test(tcase, test_state);
	tcase_add_test(tcase, test_state_lost);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
