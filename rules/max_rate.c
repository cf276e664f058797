/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/max_rate.h"

#include <errno.h>
#include <string.h>

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "rules/chain.h"
#include "rules/expr.h"
#include "rules/rules.h"

static int expr_take(struct nftnl_expr *expr, void *data)
{
	struct max_rate *out = data;
	const char *name = nftnl_expr_get_str(expr, NFTNL_EXPR_NAME);

	if (!strcmp(name, "limit"))
		out->rate = nftnl_expr_get_u64(expr, NFTNL_EXPR_LIMIT_RATE);
	else if (!strcmp(name, "counter"))
		out->cut = nftnl_expr_get_u64(expr, NFTNL_EXPR_CTR_PACKETS);
	return 0;
}

/* Older kernels send the rules of all chains. */
static void rule_take(void *data, const struct nlmsghdr *nlh)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();

	if (rule && nftnl_rule_nlmsg_parse(nlh, rule) >= 0 &&
		!strcmp(nftnl_rule_get_str(rule, NFTNL_RULE_TABLE), RULES_TABLE) &&
		!strcmp(nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN), CHAIN_MAX_RATE))
		nftnl_expr_foreach(rule, expr_take, data);
	if (rule)
		nftnl_rule_free(rule);
}

static void none_yet(void *data)
{
	*(struct max_rate *)data = (struct max_rate){0};
}

int max_rate_read(struct nl *nl, struct max_rate *out)
{
	char request[NL_REQUEST];
	struct nlmsghdr *nlh =
		nl_request(request, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE, NFPROTO_INET);
	int err;

	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, RULES_TABLE);
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, CHAIN_MAX_RATE);
	err = nl_dump(nl, nlh, none_yet, rule_take, out);
	return err == -ENOENT ? 0 : err;
}

void max_rate_add(struct batch *batch, uint64_t rate)
{
	static const struct chain_spec chain = {CHAIN_MAX_RATE,
		"all together as fast as max-rate allows", "filter", NF_INET_FORWARD, -11};
	struct expr_rule rule;

	chain_add(batch, &chain);
	chain_clear(batch, CHAIN_MAX_RATE);
	expr_begin(&rule, CHAIN_MAX_RATE);
	expr_is_marked(&rule, true);
	expr_limit_over(&rule, rate);
	expr_counter(&rule);
	expr_verdict(&rule, NF_DROP, NULL);
	expr_end(&rule, batch);
}

void max_rate_delete(struct batch *batch)
{
	chain_clear(batch, CHAIN_MAX_RATE);
	chain_delete(batch, CHAIN_MAX_RATE);
}
