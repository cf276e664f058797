/* SPDX-License-Identifier: GPL-2.0-or-later */
/* suite: what every test program ends with. */
#ifndef TESTS_SUITE_H
#define TESTS_SUITE_H

#include <stdlib.h>

#include <check.h>

/* Returns the exit status. */
static inline int suite_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
