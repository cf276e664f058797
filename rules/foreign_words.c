/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include <linux/netfilter.h>

#include "rules/foreign_eval.h"

void foreign_words(
	const struct ruleset *ruleset, const struct foreign_result *result, char *out, size_t size)
{
	(void)ruleset;
	if (!result->at.chain)
		snprintf(out, size, "%s", result->doubt);
	else if (!result->at.rule)
		snprintf(out, size, "policy %s",
			result->at.chain->policy == NF_DROP ? "drop" : "accept");
	else if (*result->doubt)
		snprintf(out, size, "rule %zu: not understood: %s", result->at.number,
			result->doubt);
	else
		snprintf(out, size, "rule %zu", result->at.number);
}
