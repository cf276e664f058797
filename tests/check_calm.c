/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/calm.h"
#include "tests/suite.h"

static struct calm calm;

/* The first is repaired at once, and so is one after a long quiet. */
START_TEST(test_first)
{
	ck_assert_int_eq(calm_due(&calm, 1000), 1000);
	ck_assert(!calm_done(&calm, 1000));
	ck_assert_int_eq(calm_due(&calm, 100000), 100000);
}
END_TEST

START_TEST(test_later)
{
	ck_assert_int_eq(calm_due(&calm, 0), 0);
	calm_done(&calm, 0);
	ck_assert_int_eq(calm_due(&calm, 1), CALM_FIRST_MS);
	ck_assert_int_eq(calm_due(&calm, CALM_FIRST_MS), CALM_FIRST_MS);
	calm_done(&calm, CALM_FIRST_MS);
	ck_assert_int_eq(calm_due(&calm, CALM_FIRST_MS), 3 * CALM_FIRST_MS);
}
END_TEST

/* Who does it all the time is met every few seconds, and named once. */
START_TEST(test_fight)
{
	int64_t now = 0;
	int told = 0, done = 0;

	while (now < 60000) {
		now = calm_due(&calm, now);
		told += calm_done(&calm, now);
		done++;
	}
	ck_assert_int_eq(told, 1);
	ck_assert_int_lt(done, 30);
	ck_assert_int_eq(calm_due(&calm, now), now + CALM_MOST_MS);
}
END_TEST

START_TEST(test_quiet)
{
	int64_t now = 0;

	for (int i = 0; i < 20; i++) {
		now = calm_due(&calm, now);
		calm_done(&calm, now);
	}
	now += CALM_MOST_MS + CALM_AFTER_MS + 1;
	ck_assert_int_eq(calm_due(&calm, now), now);
	calm_done(&calm, now);
	ck_assert_int_eq(calm_due(&calm, now), now + CALM_FIRST_MS);
}
END_TEST

static void set_up(void)
{
	calm = (struct calm){.begun = false};
}

static Suite *calm_suite(void)
{
	Suite *suite = suite_create("calm");
	TCase *tcase = tcase_create("calm");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, test_first);
	tcase_add_test(tcase, test_later);
	tcase_add_test(tcase, test_fight);
	tcase_add_test(tcase, test_quiet);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(calm_suite());
}
