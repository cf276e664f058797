/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "relayd/tally.h"
#include "tests/suite.h"

static struct tally tally;
static char text[TALLY_TEXT];

START_TEST(test_few)
{
	for (int i = 0; i < TALLY_LINES; i++)
		ck_assert(tally_take(&tally, "punched"));
	ck_assert_ptr_null(tally_end(&tally, text));
	ck_assert(tally_take(&tally, "punched"));
}
END_TEST

START_TEST(test_many)
{
	for (int i = 0; i < TALLY_LINES; i++)
		tally_take(&tally, "live");
	for (int i = 0; i < 1000; i++)
		ck_assert(!tally_take(&tally, i % 10 ? "punched" : "moved"));
	ck_assert_str_eq(tally_end(&tally, text), "1000 more: 100 moved, 900 punched");
	ck_assert_ptr_null(tally_end(&tally, text));
}
END_TEST

/* More kinds than there is room for are in the sum. */
START_TEST(test_kinds)
{
	static char names[2 * TALLY_KINDS][32];

	for (int i = 0; i < TALLY_LINES; i++)
		tally_take(&tally, "live");
	for (int i = 0; i < 2 * TALLY_KINDS; i++) {
		snprintf(names[i], sizeof(names[i]), "an event of the kind %d", i);
		tally_take(&tally, names[i]);
	}
	ck_assert_str_eq(strtok((char *)tally_end(&tally, text), ":"), "48 more");
	ck_assert_uint_lt(strlen(text), sizeof(text));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tally");
	TCase *tcase = tcase_create("tally");

	tcase_add_test(tcase, test_few);
	tcase_add_test(tcase, test_many);
	tcase_add_test(tcase, test_kinds);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
