/* SPDX-License-Identifier: GPL-2.0-or-later */
/* foreign_order: base chains in the order in which the kernel asks them, and whose they are. */
#ifndef RULES_FOREIGN_ORDER_H
#define RULES_FOREIGN_ORDER_H

#include "rules/foreign.h"
#include "rules/ruleset.h"

/* Where the kernel's own work stands among the chains of a hook. */
#define PRIORITY_CONNTRACK (-200)
#define PRIORITY_NAT_DST   (-100)
#define PRIORITY_NAT_SRC   100

struct order_list {
	const struct ruleset_chain **chains;
	size_t count;
};

/*
 * Base chains at the hook (NF_INET_*) for packets of this family, in order; `device` is where the
 * packet comes in, for ingress. The caller frees list.chains. 0 or -ENOMEM.
 */
int order_chains(const struct ruleset *ruleset, uint8_t family, uint32_t hook, const char *device,
	struct order_list *list);
/* All nat chains are asked at one place among the others, whatever their own priorities. */
int32_t order_priority(const struct ruleset_chain *chain);
bool order_is_nat(const struct ruleset_chain *chain);

/* `at`: the chain in which it was decided. */
enum foreign_owner order_owner(const struct ruleset *ruleset, const struct ruleset_chain *base,
	const struct ruleset_chain *at);

#endif
