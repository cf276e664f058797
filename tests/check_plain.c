/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The exporter's metrics: relayd's and its own, as OpenMetrics and as the older text format. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/metrics.h"
#include "exporter/plain.h"
#include "tests/suite.h"

static const struct metrics counts = {.up = true, .losses = 2, .served = 7};

static void assert_plain(const char *openmetrics, const char *want)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	plain_write(out, openmetrics);
	fclose(out);
	ck_assert_str_eq(text, want);
	free(text);
}

START_TEST(test_plain)
{
	assert_plain("", "");
	assert_plain("# TYPE a counter\n# UNIT a bytes\n# HELP a What it is.\na_total{b=\"c d\"} "
		     "1\n# EOF\n",
		"# TYPE a_total counter\n# HELP a_total What it is.\na_total{b=\"c d\"} 1\n");
	assert_plain(
		"# TYPE a info\n# HELP a X\na_info{v=\"1\"} 1\n# TYPE g gauge\n# HELP g Y\ng 2\n",
		"# TYPE a_info gauge\n# HELP a_info X\na_info{v=\"1\"} 1\n"
		"# TYPE g gauge\n# HELP g Y\ng 2\n");
}
END_TEST

START_TEST(test_plain_nonsense)
{
	assert_plain("#", "#\n");
	assert_plain("\n\n", "\n\n");
	assert_plain("# TYPE", "# TYPE  \n");
	assert_plain("# EOF of something", "# EOF of something\n");
	assert_plain("a 1", "a 1\n");
}
END_TEST

START_TEST(test_metrics)
{
	char *text = metrics_view("x 1\n# EOF\n", &counts, true);

	ck_assert_ptr_eq(strstr(text, "x 1\n# TYPE relayd_up gauge\n"), text);
	ck_assert_ptr_nonnull(strstr(text, "\nrelayd_up 1\n"));
	ck_assert_ptr_nonnull(strstr(text, "# TYPE relayd_losses counter\n"));
	ck_assert_ptr_nonnull(strstr(text, "\nrelayd_losses_total 2\n"));
	ck_assert_str_eq(strstr(text, "# EOF"), "# EOF\n");
	free(text);
	text = metrics_view("x 1\n# EOF\n", &counts, false);
	ck_assert_ptr_nonnull(strstr(text, "# TYPE relayd_losses_total counter\n"));
	ck_assert_ptr_null(strstr(text, "EOF"));
	free(text);
}
END_TEST

START_TEST(test_metrics_alone)
{
	const struct metrics down = {.up = false};
	char *text = metrics_view(NULL, &down, true);

	ck_assert_ptr_eq(strstr(text, "# TYPE relayd_up gauge\n"), text);
	ck_assert_ptr_nonnull(strstr(text, "\nrelayd_up 0\n"));
	free(text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("plain");
	TCase *tcase = tcase_create("plain");

	tcase_add_test(tcase, test_plain);
	tcase_add_test(tcase, test_plain_nonsense);
	tcase_add_test(tcase, test_metrics);
	tcase_add_test(tcase, test_metrics_alone);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
