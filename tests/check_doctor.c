/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <check.h>
#include "punchctl/doctor.h"
START_TEST(test_names)
{
	ck_assert(doctor_is_name("eth0"));
	ck_assert(!doctor_is_name("$(id)"));
}
END_TEST
int main(void)
{
	TCase *tcase = tcase_create("doctor");
	Suite *suite = suite_create("doctor");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_names);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
