/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/foreign_order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter.h>

#include "rules/foreign_eval.h"

bool order_is_nat(const struct ruleset_chain *chain)
{
	return chain->type && !strcmp(chain->type, "nat");
}

int32_t order_priority(const struct ruleset_chain *chain)
{
	if (!order_is_nat(chain))
		return chain->priority;
	return chain->hook == NF_INET_PRE_ROUTING || chain->hook == NF_INET_LOCAL_OUT
		       ? PRIORITY_NAT_DST
		       : PRIORITY_NAT_SRC;
}

/* Of chains with the same priority the one that came last is asked first. */
static int chain_compare(const void *a, const void *b)
{
	const struct ruleset_chain *x = *(const struct ruleset_chain *const *)a;
	const struct ruleset_chain *y = *(const struct ruleset_chain *const *)b;

	if (order_priority(x) != order_priority(y))
		return order_priority(x) < order_priority(y) ? -1 : 1;
	if (order_is_nat(x) != order_is_nat(y))
		return order_is_nat(x) ? 1 : -1;
	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	return x > y ? -1 : 1;
}

static bool chain_applies(
	const struct ruleset_chain *chain, uint8_t family, uint32_t hook, const char *device)
{
	if (!chain->type)
		return false;
	if (hook == NF_INET_INGRESS) {
		if (chain->family == NFPROTO_NETDEV)
			return chain->hook == NF_NETDEV_INGRESS && chain->device &&
			       !strcmp(chain->device, device);
		return chain->family == NFPROTO_INET && chain->hook == NF_INET_INGRESS &&
		       chain->device && !strcmp(chain->device, device);
	}
	return chain->hook == hook && (chain->family == NFPROTO_INET || chain->family == family);
}

int order_chains(const struct ruleset *ruleset, uint8_t family, uint32_t hook, const char *device,
	struct order_list *list)
{
	*list = (struct order_list){
		.chains = calloc(ruleset->chain_count + 1, sizeof(struct ruleset_chain *))};
	if (!list->chains)
		return -ENOMEM;
	for (size_t i = 0; i < ruleset->chain_count; i++)
		if (chain_applies(&ruleset->chains[i], family, hook, device))
			list->chains[list->count++] = &ruleset->chains[i];
	qsort(list->chains, list->count, sizeof(struct ruleset_chain *), chain_compare);
	return 0;
}

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static bool chain_jumps(
	const struct ruleset *ruleset, const struct ruleset_chain *chain, const char *prefix)
{
	for (size_t i = 0; i < chain->count; i++) {
		const struct nlattr *exprs = ruleset->rules[chain->first + i].exprs, *expr;

		if (!exprs)
			continue;
		mnl_attr_for_each_nested(expr, exprs)
		{
			const struct nlattr *data =
				attr_in(attr_in(expr, NFTA_EXPR_DATA), NFTA_IMMEDIATE_DATA);
			const char *name = attr_in_text(expr, NFTA_EXPR_NAME), *target;

			if (!name || strcmp(name, "immediate"))
				continue;
			target = attr_in_text(attr_in(data, NFTA_DATA_VERDICT), NFTA_VERDICT_CHAIN);
			if (target && begins(target, prefix))
				return true;
		}
	}
	return false;
}

static bool table_is_iptables(const struct ruleset_chain *base)
{
	static const char *const tables[] = {"filter", "nat", "mangle", "raw", "security"};
	static const char *const names[] = {
		"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"};

	if (base->family == NFPROTO_INET || base->family == NFPROTO_NETDEV)
		return false;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++)
			if (!strcmp(base->table, tables[i]) && !strcmp(base->name, names[j]))
				return true;
	return false;
}

static bool name_owner(const char *name, enum foreign_owner *out)
{
	if (begins(name, "ufw-") || begins(name, "ufw6-"))
		*out = FOREIGN_UFW;
	else if (begins(name, "DOCKER") || begins(name, "docker"))
		*out = FOREIGN_DOCKER;
	else
		return false;
	return true;
}

/* ufw and Docker share the chains of iptables, and both set policies: of the two ufw's is meant. */
enum foreign_owner order_owner(const struct ruleset *ruleset, const struct ruleset_chain *base,
	const struct ruleset_chain *at)
{
	enum foreign_owner owner;

	if (base->family == NFPROTO_INET && !strcmp(base->table, "relayd"))
		return FOREIGN_OURS;
	if (!strcmp(base->table, "firewalld"))
		return FOREIGN_FIREWALLD;
	if (name_owner(base->table, &owner) || (at && name_owner(at->name, &owner)))
		return owner;
	if (chain_jumps(ruleset, base, "ufw"))
		return FOREIGN_UFW;
	if (chain_jumps(ruleset, base, "DOCKER"))
		return FOREIGN_DOCKER;
	return table_is_iptables(base) ? FOREIGN_IPTABLES : FOREIGN_NFTABLES;
}
