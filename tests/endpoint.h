/* SPDX-License-Identifier: GPL-2.0-or-later */
/* endpoint: an endpoint that a test has as text. */
#ifndef TESTS_ENDPOINT_H
#define TESTS_ENDPOINT_H

#include <check.h>

#include "common/addr.h"

/* NULL: none. */
static inline struct endpoint endpoint(const char *text)
{
	struct endpoint out = {0};

	if (text)
		ck_assert_int_eq(endpoint_parse(text, 0, &out), 0);
	return out;
}

#endif
