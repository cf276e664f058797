/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "rules/expr.h"
#include "rules/skeleton.h"
#include "rules/trace_inner.h"

#define CHAIN_MARK "mark"
#define CHAIN_STOP "stop"
/* Behind defragmentation, before everything that may touch the packet. */
#define PRIORITY_MARK (-399)
/* The last place but that of conntrack's confirmation. */
#define PRIORITY_STOP (INT32_MAX - 1)
/* Packets a second that are traced; we follow one of them. */
#define TRACE_RATE 2

static void add_chain(struct batch *batch, const char *name, uint32_t hook, int32_t priority)
{
	struct nlmsghdr *nlh = batch_add(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE, -1);
	struct nlattr *nest;

	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, TRACE_TABLE);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, name);
	nest = mnl_attr_nest_start(nlh, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(nlh, NFTA_HOOK_HOOKNUM, htonl(hook));
	mnl_attr_put_u32(nlh, NFTA_HOOK_PRIORITY, htonl((uint32_t)priority));
	mnl_attr_nest_end(nlh, nest);
	mnl_attr_put_u32(nlh, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
	mnl_attr_put_strz(nlh, NFTA_CHAIN_TYPE, "filter");
}

static void rule_begin(struct expr_rule *rule, const char *chain)
{
	expr_begin(rule, chain);
	if (!rule->failed && nftnl_rule_set_str(rule->rule, NFTNL_RULE_TABLE, TRACE_TABLE))
		rule->failed = true;
}

/* meta nftrace set 1 */
static void add_mark(struct expr_rule *rule)
{
	static const uint8_t one = 1;
	struct nftnl_expr *value = rule->failed ? NULL : nftnl_expr_alloc("immediate");
	struct nftnl_expr *meta = value ? nftnl_expr_alloc("meta") : NULL;

	if (value)
		nftnl_rule_add_expr(rule->rule, value);
	if (!meta || nftnl_expr_set_data(value, NFTNL_EXPR_IMM_DATA, &one, sizeof(one))) {
		rule->failed = true;
		if (meta)
			nftnl_expr_free(meta);
		return;
	}
	nftnl_expr_set_u32(value, NFTNL_EXPR_IMM_DREG, EXPR_REG);
	nftnl_expr_set_u32(meta, NFTNL_EXPR_META_KEY, NFT_META_NFTRACE);
	nftnl_expr_set_u32(meta, NFTNL_EXPR_META_SREG, EXPR_REG);
	nftnl_rule_add_expr(rule->rule, meta);
}

static void is_endpoint(struct expr_rule *rule, const struct endpoint *at, bool dest)
{
	const bool v4 = at->addr.family == AF_INET;
	const uint32_t size = (uint32_t)addr_size(at->addr.family);
	const uint16_t port = htons(at->port);

	if (size) {
		expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, (v4 ? 12 : 8) + (dest ? size : 0),
			size, EXPR_REG);
		expr_cmp(rule, NFT_CMP_EQ, at->addr.bytes, size);
	}
	if (at->port) {
		expr_payload(
			rule, NFT_PAYLOAD_TRANSPORT_HEADER, dest ? 2 : 0, sizeof(port), EXPR_REG);
		expr_cmp(rule, NFT_CMP_EQ, &port, sizeof(port));
	}
}

static int table_commit(struct trace *trace)
{
	int err = batch_commit(&trace->batch, &trace->nl, NULL);

	batch_clear(&trace->batch);
	return err;
}

/* Alone, for the kernel to say why it does not take it: another's table of this name is EPERM. */
static int table_make(struct trace *trace)
{
	struct nlmsghdr *nlh =
		batch_add(&trace->batch, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, -1);
	int err;

	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, TRACE_TABLE);
	mnl_attr_put_u32(nlh, NFTA_TABLE_FLAGS, htonl(NFT_TABLE_F_OWNER));
	err = table_commit(trace);
	return err == -EEXIST || err == -EPERM ? -EBUSY : err == -EINVAL ? -EOPNOTSUPP : err;
}

int trace_table_add(struct trace *trace)
{
	const struct trace_target *target = &trace->target;
	const uint8_t family =
		target->dest.addr.family ? target->dest.addr.family : target->source.addr.family;
	struct expr_rule rule;
	int err = table_make(trace);

	if (err)
		return err;
	add_chain(&trace->batch, CHAIN_MARK, target->out ? NF_INET_LOCAL_OUT : NF_INET_PRE_ROUTING,
		PRIORITY_MARK);
	rule_begin(&rule, CHAIN_MARK);
	if (family)
		expr_is_family(&rule, family);
	expr_is_proto(&rule, IPPROTO_UDP);
	is_endpoint(&rule, &target->source, false);
	is_endpoint(&rule, &target->dest, true);
	expr_limit(&rule, TRACE_RATE);
	add_mark(&rule);
	expr_end(&rule, &trace->batch);
	return table_commit(trace);
}

int trace_table_stop(struct trace *trace)
{
	const uint32_t index = trace->index;
	struct expr_rule rule;

	add_chain(&trace->batch, CHAIN_STOP, NF_INET_POST_ROUTING, PRIORITY_STOP);
	rule_begin(&rule, CHAIN_STOP);
	expr_meta(&rule, NFT_META_IIF);
	expr_cmp(&rule, NFT_CMP_EQ, &index, sizeof(index));
	expr_verdict(&rule, NF_DROP, NULL);
	expr_end(&rule, &trace->batch);
	return table_commit(trace);
}
