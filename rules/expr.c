/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/expr.h"

#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <libnftnl/expr.h>

void expr_begin(struct expr_rule *rule, const char *chain)
{
	rule->rule = nftnl_rule_alloc();
	rule->failed = !rule->rule;
	if (rule->failed)
		return;
	nftnl_rule_set_u32(rule->rule, NFTNL_RULE_FAMILY, NFPROTO_INET);
	if (nftnl_rule_set_str(rule->rule, NFTNL_RULE_TABLE, RULES_TABLE) ||
		nftnl_rule_set_str(rule->rule, NFTNL_RULE_CHAIN, chain))
		rule->failed = true;
}

void expr_end(struct expr_rule *rule, struct batch *batch)
{
	struct nlmsghdr *nlh;

	if (rule->failed) {
		batch->failed = true;
	} else {
		nlh = batch_add(batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, -1);
		nftnl_rule_nlmsg_build_payload(nlh, rule->rule);
	}
	if (rule->rule)
		nftnl_rule_free(rule->rule);
	rule->rule = NULL;
}

/* A new expression at the rule's end, which owns it; NULL when memory is short. */
static struct nftnl_expr *rule_extend(struct expr_rule *rule, const char *name)
{
	struct nftnl_expr *expr = rule->failed ? NULL : nftnl_expr_alloc(name);

	if (!expr)
		rule->failed = true;
	else
		nftnl_rule_add_expr(rule->rule, expr);
	return expr;
}

static void set_u32(struct nftnl_expr *expr, uint16_t attr, uint32_t value)
{
	if (expr)
		nftnl_expr_set_u32(expr, attr, value);
}

static void set_text(
	struct expr_rule *rule, struct nftnl_expr *expr, uint16_t attr, const char *value)
{
	if (expr && nftnl_expr_set_str(expr, attr, value))
		rule->failed = true;
}

static void set_data(struct expr_rule *rule, struct nftnl_expr *expr, uint16_t attr,
	const void *data, uint32_t len)
{
	if (expr && nftnl_expr_set_data(expr, attr, data, len))
		rule->failed = true;
}

void expr_meta(struct expr_rule *rule, uint32_t key)
{
	struct nftnl_expr *expr = rule_extend(rule, "meta");

	set_u32(expr, NFTNL_EXPR_META_KEY, key);
	set_u32(expr, NFTNL_EXPR_META_DREG, EXPR_REG);
}

void expr_payload(
	struct expr_rule *rule, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg)
{
	struct nftnl_expr *expr = rule_extend(rule, "payload");

	set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
	set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, len);
	set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, reg);
}

void expr_cmp(struct expr_rule *rule, uint32_t op, const void *data, uint32_t len)
{
	struct nftnl_expr *expr = rule_extend(rule, "cmp");

	set_u32(expr, NFTNL_EXPR_CMP_SREG, EXPR_REG);
	set_u32(expr, NFTNL_EXPR_CMP_OP, op);
	set_data(rule, expr, NFTNL_EXPR_CMP_DATA, data, len);
}

void expr_bitwise(struct expr_rule *rule, const void *mask, uint32_t len)
{
	static const uint8_t zero[16];
	struct nftnl_expr *expr = rule_extend(rule, "bitwise");

	set_u32(expr, NFTNL_EXPR_BITWISE_SREG, EXPR_REG);
	set_u32(expr, NFTNL_EXPR_BITWISE_DREG, EXPR_REG);
	set_u32(expr, NFTNL_EXPR_BITWISE_LEN, len);
	set_u32(expr, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	set_data(rule, expr, NFTNL_EXPR_BITWISE_MASK, mask, len);
	set_data(rule, expr, NFTNL_EXPR_BITWISE_XOR, zero, len);
}

void expr_ct(struct expr_rule *rule, uint32_t key)
{
	struct nftnl_expr *expr = rule_extend(rule, "ct");

	set_u32(expr, NFTNL_EXPR_CT_KEY, key);
	set_u32(expr, NFTNL_EXPR_CT_DREG, EXPR_REG);
}

/* The register behind an address of this family, where its port lies. */
static uint32_t port_register(uint8_t family)
{
	return NFT_REG32_00 + (family == AF_INET ? 1 : 4);
}

static void ct_original(struct expr_rule *rule, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *expr = rule_extend(rule, "ct");

	set_u32(expr, NFTNL_EXPR_CT_KEY, key);
	set_u32(expr, NFTNL_EXPR_CT_DREG, reg);
	if (expr)
		nftnl_expr_set_u8(expr, NFTNL_EXPR_CT_DIR, IP_CT_DIR_ORIGINAL);
}

void expr_ct_original(struct expr_rule *rule, uint8_t family, bool source)
{
	const bool v4 = family == AF_INET;
	const uint32_t port = port_register(family);
	const uint32_t behind = port + 1;

	if (source) {
		ct_original(rule, v4 ? NFT_CT_SRC_IP : NFT_CT_SRC_IP6, EXPR_REG);
		ct_original(rule, NFT_CT_PROTO_SRC, port);
	}
	ct_original(rule, v4 ? NFT_CT_DST_IP : NFT_CT_DST_IP6, source ? behind : EXPR_REG);
	ct_original(rule, NFT_CT_PROTO_DST, source ? behind + (v4 ? 1 : 4) : port);
}

void expr_ct_set(struct expr_rule *rule, uint32_t key)
{
	struct nftnl_expr *expr = rule_extend(rule, "ct");

	set_u32(expr, NFTNL_EXPR_CT_KEY, key);
	set_u32(expr, NFTNL_EXPR_CT_SREG, EXPR_REG);
}

void expr_lookup(struct expr_rule *rule, const char *set, bool map)
{
	struct nftnl_expr *expr = rule_extend(rule, "lookup");

	set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, EXPR_REG);
	if (map)
		set_u32(expr, NFTNL_EXPR_LOOKUP_DREG, EXPR_REG);
	set_text(rule, expr, NFTNL_EXPR_LOOKUP_SET, set);
}

void expr_lookup_verdict(struct expr_rule *rule, const char *set)
{
	struct nftnl_expr *expr = rule_extend(rule, "lookup");

	set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, EXPR_REG);
	set_u32(expr, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
	set_text(rule, expr, NFTNL_EXPR_LOOKUP_SET, set);
}

void expr_verdict(struct expr_rule *rule, int verdict, const char *chain)
{
	struct nftnl_expr *expr = rule_extend(rule, "immediate");

	set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	set_u32(expr, NFTNL_EXPR_IMM_VERDICT, (uint32_t)verdict);
	if (chain)
		set_text(rule, expr, NFTNL_EXPR_IMM_CHAIN, chain);
}

void expr_nat(struct expr_rule *rule, uint32_t type, uint8_t family)
{
	struct nftnl_expr *expr = rule_extend(rule, "nat");

	set_u32(expr, NFTNL_EXPR_NAT_TYPE, type);
	set_u32(expr, NFTNL_EXPR_NAT_FAMILY, family);
	set_u32(expr, NFTNL_EXPR_NAT_REG_ADDR_MIN, EXPR_REG);
	set_u32(expr, NFTNL_EXPR_NAT_REG_PROTO_MIN, port_register(family));
}

void expr_notrack(struct expr_rule *rule)
{
	rule_extend(rule, "notrack");
}

void expr_timeout(struct expr_rule *rule, const char *object)
{
	struct nftnl_expr *expr = rule_extend(rule, "objref");

	set_u32(expr, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_CT_TIMEOUT);
	set_text(rule, expr, NFTNL_EXPR_OBJREF_IMM_NAME, object);
}

void expr_log(struct expr_rule *rule, const char *prefix)
{
	struct nftnl_expr *expr = rule_extend(rule, "log");

	if (expr)
		nftnl_expr_set_u16(expr, NFTNL_EXPR_LOG_GROUP, RULES_LOG_GROUP);
	set_text(rule, expr, NFTNL_EXPR_LOG_PREFIX, prefix);
}

static void limit_fill(struct nftnl_expr *expr, uint32_t rate)
{
	if (!expr)
		return;
	nftnl_expr_set_u64(expr, NFTNL_EXPR_LIMIT_RATE, rate);
	nftnl_expr_set_u64(expr, NFTNL_EXPR_LIMIT_UNIT, 1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_BURST, rate);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
}

void expr_limit_over(struct expr_rule *rule, uint64_t rate)
{
	struct nftnl_expr *expr = rule_extend(rule, "limit");

	if (!expr)
		return;
	nftnl_expr_set_u64(expr, NFTNL_EXPR_LIMIT_RATE, rate);
	nftnl_expr_set_u64(expr, NFTNL_EXPR_LIMIT_UNIT, 1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKT_BYTES);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_FLAGS, NFT_LIMIT_F_INV);
}

void expr_counter(struct expr_rule *rule)
{
	rule_extend(rule, "counter");
}

void expr_limit(struct expr_rule *rule, uint32_t rate)
{
	limit_fill(rule_extend(rule, "limit"), rate);
}

/* The expression that each element has; NULL: out of memory. */
static struct nftnl_expr *dynset_extend(struct expr_rule *rule, const char *set, const char *name)
{
	struct nftnl_expr *expr = rule_extend(rule, "dynset");
	struct nftnl_expr *each = expr ? nftnl_expr_alloc(name) : NULL;

	set_u32(expr, NFTNL_EXPR_DYNSET_SREG_KEY, EXPR_REG);
	set_u32(expr, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
	set_text(rule, expr, NFTNL_EXPR_DYNSET_SET_NAME, set);
	if (each)
		nftnl_expr_add_expr(expr, NFTNL_EXPR_DYNSET_EXPRESSIONS, each);
	else
		rule->failed = true;
	return each;
}

void expr_limit_each(struct expr_rule *rule, const char *set, uint32_t rate)
{
	limit_fill(dynset_extend(rule, set, "limit"), rate);
}

void expr_count_each(struct expr_rule *rule, const char *set)
{
	dynset_extend(rule, set, "counter");
}

void expr_is_family(struct expr_rule *rule, uint8_t family)
{
	expr_meta(rule, NFT_META_NFPROTO);
	expr_cmp(rule, NFT_CMP_EQ, &family, sizeof(family));
}

void expr_is_proto(struct expr_rule *rule, uint8_t proto)
{
	expr_meta(rule, NFT_META_L4PROTO);
	expr_cmp(rule, NFT_CMP_EQ, &proto, sizeof(proto));
}

/* The first byte of an IPv4 header without options. */
static const uint8_t plain_header = 0x45;

static void load_addresses(struct expr_rule *rule, uint8_t family, enum expr_key key)
{
	const uint32_t len = family == AF_INET ? 4 : 16;
	const uint32_t saddr = family == AF_INET ? 12 : 8; /* offsets in the IP header */
	const uint32_t port = port_register(family);
	const bool source = key == EXPR_SRC || key == EXPR_SRC_AND_DST;

	expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, source ? saddr : saddr + len, len, EXPR_REG);
	expr_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, source ? 0 : 2, 2, port);
	if (key == EXPR_DST_AND_SADDR)
		expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, saddr, len, port + 1);
	if (key != EXPR_SRC_AND_DST)
		return;
	expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, saddr + len, len, port + 1);
	expr_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, port + 1 + len / 4);
}

void expr_load_key(struct expr_rule *rule, uint8_t family, enum expr_key key)
{
	static const uint8_t udp = IPPROTO_UDP;

	expr_is_family(rule, family);
	if (family == AF_INET) {
		expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, 9, sizeof(udp), EXPR_REG);
		expr_cmp(rule, NFT_CMP_EQ, &udp, sizeof(udp));
	} else {
		expr_is_proto(rule, udp);
	}
	load_addresses(rule, family, key);
}

void expr_load_plain(struct expr_rule *rule)
{
	expr_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, 0, sizeof(plain_header), EXPR_REG);
	expr_cmp(rule, NFT_CMP_EQ, &plain_header, sizeof(plain_header));
	load_addresses(rule, AF_INET, EXPR_DST_AND_SADDR);
}

void expr_load_erring(struct expr_rule *rule, uint8_t family)
{
	static const uint8_t udp = IPPROTO_UDP;
	const bool v4 = family == AF_INET;
	const uint32_t packet = 8; /* behind the ICMP header */
	const uint32_t ports = packet + (v4 ? 20 : 40);

	if (v4) {
		expr_payload(
			rule, NFT_PAYLOAD_TRANSPORT_HEADER, packet, sizeof(plain_header), EXPR_REG);
		expr_cmp(rule, NFT_CMP_EQ, &plain_header, sizeof(plain_header));
	}
	expr_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, packet + (v4 ? 9 : 6), 1, EXPR_REG);
	expr_cmp(rule, NFT_CMP_EQ, &udp, sizeof(udp));
	expr_payload(
		rule, NFT_PAYLOAD_TRANSPORT_HEADER, packet + (v4 ? 12 : 8), v4 ? 4 : 16, EXPR_REG);
	expr_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, ports, 2, port_register(family));
}

void expr_is_marked(struct expr_rule *rule, bool equal)
{
	static const uint32_t mask = RULES_MARK_MASK, mark = RULES_MARK;

	expr_ct(rule, NFT_CT_MARK);
	expr_bitwise(rule, &mask, sizeof(mask));
	expr_cmp(rule, equal ? NFT_CMP_EQ : NFT_CMP_NEQ, &mark, sizeof(mark));
}
