/* SPDX-License-Identifier: GPL-2.0-or-later */
/* foreign_xt: one extension of iptables as it is being evaluated. */
#ifndef RULES_FOREIGN_XT_H
#define RULES_FOREIGN_XT_H

#include "rules/foreign_eval.h"

struct xt {
	struct foreign_rule *rule;
	const struct foreign_state *state;
	uint32_t rev;
	const void *info;
	size_t len;
};

struct xt_eval {
	const char *name;
	enum truth (*eval)(const struct xt *xt);
};

/* Copies the info, if all of it is there. */
bool xt_info(const struct xt *xt, void *out, size_t size);
/* By name; MAYBE when the list does not have it. */
enum truth xt_eval(struct foreign_rule *rule, const struct nlattr *expr, const struct xt_eval *list,
	size_t count);

#endif
