/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/foreign_eval.h"

enum truth foreign_xt_match(struct foreign_rule *rule, const struct nlattr *expr)
{
	(void)rule;
	(void)expr;
	return MAYBE;
}

enum truth foreign_xt_target(struct foreign_rule *rule, const struct nlattr *expr)
{
	(void)rule;
	(void)expr;
	return MAYBE;
}
