/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What punchctl top knows between two looks: who is there, in which order, since when. */
#include <stdio.h>
#include <string.h>

#include "punchctl/top.h"
#include "tests/suite.h"

static struct top top;

static void setup(void)
{
	top_init(&top);
}

static void teardown(void)
{
	top_fini(&top);
}

static void add(const char *name, const char *state, int rate, double idle)
{
	json_t *stream = json_pack("{s:s, s:s, s:s, s:[{s:s, s:s, s:n, s:i, s:f}]}", "name", name,
		"state", state, "listen", "9099", "ports", "listen", "203.0.113.7:9099", "client",
		"192.0.2.9:40001", "sender", "rate", rate, "idle", idle);

	ck_assert_ptr_nonnull(stream);
	top_add(&top, stream);
	json_decref(stream);
}

/* The names as they are shown, parted by spaces. */
static const char *shown(void)
{
	static char text[512];

	*text = '\0';
	for (size_t i = 0; i < top.shown_count; i++) {
		if (i)
			strcat(text, " ");
		strcat(text, top.shown[i]->name);
	}
	return text;
}

static void look(void)
{
	add("cam2", "ready", 0, 3);
	add("cam10", "live", 2000, 0.1);
	add("cam1", "waiting", 1000, 0.2);
	top_end(&top);
}

START_TEST(test_order)
{
	look();
	ck_assert_str_eq(shown(), "cam10 cam1 cam2");
	top.reverse = true;
	top_arrange(&top);
	ck_assert_str_eq(shown(), "cam2 cam1 cam10");
	top.reverse = false;
	top_sort_by(&top, 1); /* idle */
	ck_assert_str_eq(shown(), "cam10 cam1 cam2");
	top_sort_by(&top, 1); /* name: numbers in it count as such */
	ck_assert_str_eq(shown(), "cam1 cam2 cam10");
	top_sort_by(&top, 1); /* state */
	ck_assert_str_eq(shown(), "cam10 cam2 cam1");
	top_sort_by(&top, -1);
	ck_assert_int_eq(top.sort, TOP_COL_NAME);
	top_sort_by(&top, -1);
	ck_assert_int_eq(top.sort, TOP_COL_IDLE);
}
END_TEST

START_TEST(test_come_and_go)
{
	look();
	ck_assert_uint_eq(top.sorted, 3);
	ck_assert_uint_eq(top.states[TOP_LIVE], 1);
	ck_assert_uint_eq(top.states[TOP_READY], 1);
	ck_assert_uint_eq(top.states[TOP_WAITING], 1);
	add("cam1", "live", 500, 0);
	add("new", "of tomorrow", 0, 0);
	top_end(&top);
	ck_assert_str_eq(shown(), "cam1 new");
	ck_assert_uint_eq(top.states[TOP_LIVE], 1);
	ck_assert_uint_eq(top.states[TOP_READY], 0);
	ck_assert_uint_eq(top.states[TOP_WAITING], 1);
	ck_assert_double_eq(top_rate(&top.shown[0]->history, 0), 500);
	ck_assert_double_eq(top_rate(&top.shown[0]->history, 1), 1000);
	ck_assert_double_eq(top_rate(&top.shown[0]->history, 2), 0);
	ck_assert_double_eq(top_rate(&top.total, 0), 500);
	ck_assert_double_eq(top_rate(&top.total, 1), 3000);
	top_end(&top);
	ck_assert_str_eq(shown(), "");
	ck_assert_ptr_null(top_selected(&top));
	top_move(&top, 1);
	ck_assert_ptr_null(top_selected(&top));
}
END_TEST

START_TEST(test_cursor)
{
	look();
	ck_assert_str_eq(top_selected(&top)->name, "cam10");
	top_move(&top, 1);
	ck_assert_str_eq(top_selected(&top)->name, "cam1");
	/* It stays on its stream, not at its place. */
	top.reverse = true;
	top_sort_by(&top, 2);
	ck_assert_str_eq(shown(), "cam10 cam2 cam1");
	ck_assert_str_eq(top_selected(&top)->name, "cam1");
	top_move(&top, 100);
	ck_assert_str_eq(top_selected(&top)->name, "cam1");
	top_move(&top, -100);
	ck_assert_str_eq(top_selected(&top)->name, "cam10");
	/* Of a stream that is gone, the place stays. */
	top_move(&top, 1);
	add("cam1", "waiting", 0, -1);
	add("cam10", "waiting", 0, -1);
	top_end(&top);
	ck_assert_str_eq(top_selected(&top)->name, "cam1");
}
END_TEST

START_TEST(test_filter)
{
	look();
	strcpy(top.filter, "AM1");
	top_arrange(&top);
	ck_assert_str_eq(shown(), "cam10 cam1");
	strcpy(top.filter, "ready");
	top_arrange(&top);
	ck_assert_str_eq(shown(), "cam2");
	strcpy(top.filter, "192.0.2.9");
	top_arrange(&top);
	ck_assert_uint_eq(top.shown_count, 3);
	strcpy(top.filter, "nobody");
	top_arrange(&top);
	ck_assert_uint_eq(top.shown_count, 0);
	*top.filter = '\0';
	top_arrange(&top);
	ck_assert_uint_eq(top.shown_count, 3);
}
END_TEST

/* The ring is full, and what is older than it is gone. */
START_TEST(test_history)
{
	const struct top_history *history;

	for (int i = 1; i <= TOP_HISTORY + 5; i++) {
		add("cam1", "live", i == 7 ? 1000 : i, 0);
		top_end(&top);
	}
	history = &top.shown[0]->history;
	ck_assert_double_eq(top_rate(history, 0), TOP_HISTORY + 5);
	ck_assert_double_eq(top_rate(history, TOP_HISTORY - 1), 6);
	ck_assert_double_eq(top_rate(history, TOP_HISTORY), 0);
	ck_assert_double_eq(top_peak(history, TOP_HISTORY), 1000);
	ck_assert_double_eq(top_peak(history, 10), TOP_HISTORY + 5);
}
END_TEST

START_TEST(test_many)
{
	char name[16];

	for (int look = 0; look < 2; look++) {
		for (int i = 0; i < 3000; i++) {
			snprintf(name, sizeof(name), "s%d", i * 7919 % 3000);
			add(name, "live", i, 0);
		}
		top_end(&top);
		ck_assert_uint_eq(top.shown_count, 3000);
		ck_assert_double_eq(top_rate(&top.total, 0), 3000 * 2999 / 2);
	}
	ck_assert_double_eq(top_rate(&top.shown[0]->history, 1), 2999);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("top");
	TCase *tcase = tcase_create("top");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_order);
	tcase_add_test(tcase, test_come_and_go);
	tcase_add_test(tcase, test_cursor);
	tcase_add_test(tcase, test_filter);
	tcase_add_test(tcase, test_history);
	tcase_add_test(tcase, test_many);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
