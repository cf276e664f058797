/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables_compat.h>

#include "rules/foreign_eval.h"

int reg_offset(uint32_t reg, size_t len)
{
	size_t at;

	if (reg >= NFT_REG_1 && reg <= NFT_REG_4)
		at = (reg - NFT_REG_1) * NFT_REG_SIZE;
	else if (reg >= NFT_REG32_00 && reg <= NFT_REG32_15)
		at = (reg - NFT_REG32_00) * NFT_REG32_SIZE;
	else
		return -1;
	return len <= REGS_SIZE - at ? (int)at : -1;
}

/* The kernel clears the rest of the last 32 bits. */
static size_t reg_round(size_t len)
{
	return (len + 3) & ~(size_t)3;
}

void reg_set(struct foreign_rule *rule, uint32_t reg, const void *data, size_t len)
{
	const size_t room = reg_round(len);
	const int at = reg_offset(reg, room);

	if (at < 0)
		return;
	memset(rule->regs.value + at, 0, room);
	memcpy(rule->regs.value + at, data, len);
	memset(rule->regs.known + at, 0xff, room);
}

void reg_forget(struct foreign_rule *rule, uint32_t reg, size_t len)
{
	const size_t room = reg_round(len);
	const int at = reg_offset(reg, room);

	if (at < 0)
		return;
	memset(rule->regs.value + at, 0, room);
	memset(rule->regs.known + at, 0, room);
}

void reg_set_fact(struct foreign_rule *rule, uint32_t reg, struct fact fact)
{
	const int at = reg_offset(reg, sizeof(uint32_t));

	if (at < 0)
		return;
	fact.value &= fact.known;
	memcpy(rule->regs.value + at, &fact.value, sizeof(fact.value));
	memcpy(rule->regs.known + at, &fact.known, sizeof(fact.known));
}

struct fact reg_fact(const struct foreign_rule *rule, uint32_t reg)
{
	const int at = reg_offset(reg, sizeof(uint32_t));
	struct fact fact = {0};

	if (at >= 0) {
		memcpy(&fact.value, rule->regs.value + at, sizeof(fact.value));
		memcpy(&fact.known, rule->regs.known + at, sizeof(fact.known));
	}
	return fact;
}

/* A register's bytes that an expression wants; NULL: there are none. */
static const uint8_t *reg_read(
	const struct foreign_rule *rule, uint32_t reg, size_t len, const uint8_t **known)
{
	const int at = reg_offset(reg, len);

	*known = at < 0 ? NULL : rule->regs.known + at;
	return at < 0 ? NULL : rule->regs.value + at;
}

static bool all_known(const uint8_t *known, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (known[i] != 0xff)
			return false;
	return true;
}

static enum truth equal(const uint8_t *value, const uint8_t *known, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((value[i] ^ data[i]) & known[i])
			return NO;
	return all_known(known, len) ? YES : MAYBE;
}

/* -1, 0, 1 like memcmp; false when the known bytes do not decide. */
static bool order(
	const uint8_t *value, const uint8_t *known, const uint8_t *data, size_t len, int *out)
{
	for (size_t i = 0; i < len; i++) {
		if (known[i] != 0xff)
			return false;
		if (value[i] != data[i]) {
			*out = value[i] < data[i] ? -1 : 1;
			return true;
		}
	}
	*out = 0;
	return true;
}

static const uint8_t *data_value(const struct nlattr *nest, size_t *len)
{
	const struct nlattr *attr = attr_in(nest, NFTA_DATA_VALUE);

	*len = attr ? mnl_attr_get_payload_len(attr) : 0;
	return attr ? mnl_attr_get_payload(attr) : NULL;
}

static enum truth expr_cmp_eval(struct foreign_rule *rule, const struct nlattr *expr)
{
	const uint32_t op = attr_in_u32(expr, NFTA_CMP_OP, UINT32_MAX);
	const uint8_t *data, *value, *known;
	size_t len;
	int sign;

	data = data_value(attr_in(expr, NFTA_CMP_DATA), &len);
	value = reg_read(rule, attr_in_u32(expr, NFTA_CMP_SREG, 0), len, &known);
	if (!data || !value)
		return MAYBE;
	if (op == NFT_CMP_EQ || op == NFT_CMP_NEQ) {
		enum truth same = equal(value, known, data, len);

		return op == NFT_CMP_EQ ? same : truth_not(same);
	}
	if (!order(value, known, data, len, &sign))
		return MAYBE;
	switch (op) {
	case NFT_CMP_LT:
		return sign < 0 ? YES : NO;
	case NFT_CMP_LTE:
		return sign <= 0 ? YES : NO;
	case NFT_CMP_GT:
		return sign > 0 ? YES : NO;
	case NFT_CMP_GTE:
		return sign >= 0 ? YES : NO;
	}
	return MAYBE;
}

static enum truth expr_range_eval(struct foreign_rule *rule, const struct nlattr *expr)
{
	const uint8_t *from, *to, *value, *known;
	size_t len, to_len;
	int low, high;
	enum truth inside;

	from = data_value(attr_in(expr, NFTA_RANGE_FROM_DATA), &len);
	to = data_value(attr_in(expr, NFTA_RANGE_TO_DATA), &to_len);
	value = reg_read(rule, attr_in_u32(expr, NFTA_RANGE_SREG, 0), len, &known);
	if (!from || !to || len != to_len || !value)
		return MAYBE;
	if (!order(value, known, from, len, &low) || !order(value, known, to, len, &high))
		return MAYBE;
	inside = low >= 0 && high <= 0 ? YES : NO;
	return attr_in_u32(expr, NFTA_RANGE_OP, NFT_RANGE_EQ) == NFT_RANGE_EQ ? inside
									      : truth_not(inside);
}

static void bitwise_shift(struct foreign_rule *rule, const struct nlattr *expr, size_t len,
	uint32_t op, const struct regs *from)
{
	const uint32_t dreg = attr_in_u32(expr, NFTA_BITWISE_DREG, 0);
	size_t data_len;
	const uint8_t *data = data_value(attr_in(expr, NFTA_BITWISE_DATA), &data_len);
	struct fact fact;
	uint32_t shift;

	memcpy(&fact.value, from->value, sizeof(fact.value));
	memcpy(&fact.known, from->known, sizeof(fact.known));
	reg_forget(rule, dreg, len);
	if (len != sizeof(uint32_t) || !data || data_len < sizeof(shift))
		return;
	memcpy(&shift, data, sizeof(shift));
	if (shift > 31)
		return;
	if (op == NFT_BITWISE_LSHIFT)
		fact = (struct fact){fact.value << shift, ~(~fact.known << shift)};
	else
		fact = (struct fact){fact.value >> shift, ~(~fact.known >> shift)};
	reg_set_fact(rule, dreg, fact);
}

static enum truth expr_bitwise_eval(struct foreign_rule *rule, const struct nlattr *expr)
{
	const uint32_t len = attr_in_u32(expr, NFTA_BITWISE_LEN, 0);
	const uint32_t dreg = attr_in_u32(expr, NFTA_BITWISE_DREG, 0);
	const uint32_t op = attr_in_u32(expr, NFTA_BITWISE_OP, NFT_BITWISE_BOOL);
	const uint8_t *mask, *xor, *value, *known;
	size_t mask_len, xor_len;
	struct regs copy = {0};
	int at;

	value = reg_read(rule, attr_in_u32(expr, NFTA_BITWISE_SREG, 0), len, &known);
	at = reg_offset(dreg, len);
	if (!value || at < 0)
		return MAYBE;
	memcpy(copy.value, value, len);
	memcpy(copy.known, known, len);
	if (op == NFT_BITWISE_LSHIFT || op == NFT_BITWISE_RSHIFT) {
		bitwise_shift(rule, expr, len, op, &copy);
		return YES;
	}
	mask = data_value(attr_in(expr, NFTA_BITWISE_MASK), &mask_len);
	xor = data_value(attr_in(expr, NFTA_BITWISE_XOR), &xor_len);
	reg_forget(rule, dreg, len);
	if (op != NFT_BITWISE_BOOL || !mask || !xor || mask_len < len || xor_len < len)
		return YES;
	for (uint32_t i = 0; i < len; i++) {
		rule->regs.value[at + (int)i] = (copy.value[i] & mask[i]) ^ xor[i];
		rule->regs.known[at + (int)i] = copy.known[i] | (uint8_t)~mask[i];
	}
	return YES;
}

static enum truth expr_byteorder_eval(struct foreign_rule *rule, const struct nlattr *expr)
{
	const uint32_t len = attr_in_u32(expr, NFTA_BYTEORDER_LEN, 0);
	const uint32_t size = attr_in_u32(expr, NFTA_BYTEORDER_SIZE, 0);
	const uint8_t *value, *known;
	struct regs copy = {0};
	int at = reg_offset(attr_in_u32(expr, NFTA_BYTEORDER_DREG, 0), len);

	value = reg_read(rule, attr_in_u32(expr, NFTA_BYTEORDER_SREG, 0), len, &known);
	if (!value || at < 0 || (size != 2 && size != 4 && size != 8) || len % size)
		return MAYBE;
	memcpy(copy.value, value, len);
	memcpy(copy.known, known, len);
	for (uint32_t i = 0; i < len; i++) {
		const uint32_t from = i / size * size + size - 1 - i % size;

		rule->regs.value[at + (int)i] = copy.value[htons(1) == 1 ? i : from];
		rule->regs.known[at + (int)i] = copy.known[htons(1) == 1 ? i : from];
	}
	return YES;
}

/* Loads; behind what we know of the packet everything is possible. */
static void payload_load(struct foreign_rule *rule, size_t from, uint32_t dreg, size_t len)
{
	const struct foreign_bytes *bytes = &rule->state->bytes;
	const int at = reg_offset(dreg, reg_round(len));

	reg_forget(rule, dreg, len);
	if (at < 0)
		return;
	for (size_t i = 0; i < len && from + i < bytes->len; i++) {
		rule->regs.value[at + (int)i] = bytes->value[from + i];
		rule->regs.known[at + (int)i] = bytes->known[from + i];
	}
	for (size_t i = len; i < reg_round(len); i++)
		rule->regs.known[at + (int)i] = 0xff;
}

/* Somebody writes into the packet: only other addresses or ports lead it elsewhere. */
static bool payload_moves(
	const struct foreign_state *state, uint32_t base, uint32_t offset, uint32_t len)
{
	const uint32_t addresses = state->family == NFPROTO_IPV4 ? 12 : 8;

	if (base == NFT_PAYLOAD_NETWORK_HEADER)
		return offset + len > addresses;
	return base == NFT_PAYLOAD_TRANSPORT_HEADER && offset < 4;
}

static enum truth expr_payload_eval(struct foreign_rule *rule, const struct nlattr *expr)
{
	const uint32_t dreg = attr_in_u32(expr, NFTA_PAYLOAD_DREG, 0);
	const uint32_t base = attr_in_u32(expr, NFTA_PAYLOAD_BASE, UINT32_MAX);
	const uint32_t offset = attr_in_u32(expr, NFTA_PAYLOAD_OFFSET, 0);
	const uint32_t len = attr_in_u32(expr, NFTA_PAYLOAD_LEN, 0);
	const struct foreign_bytes *bytes = &rule->state->bytes;

	if (offset > 4096 || len > REGS_SIZE)
		return MAYBE;
	if (attr_in(expr, NFTA_PAYLOAD_SREG)) {
		if (payload_moves(rule->state, base, offset, len))
			rule->match->step = STEP_CHANGE;
		return YES;
	}
	if (base == NFT_PAYLOAD_NETWORK_HEADER)
		payload_load(rule, offset, dreg, len);
	else if (base == NFT_PAYLOAD_TRANSPORT_HEADER)
		payload_load(rule, bytes->network + offset, dreg, len);
	else if (base == NFT_PAYLOAD_INNER_HEADER)
		payload_load(rule, bytes->network + 8 + offset, dreg, len);
	else
		reg_forget(rule, dreg, len);
	return YES;
}

static void verdict_take(struct foreign_rule *rule, int32_t code, const char *chain)
{
	struct foreign_match *match = rule->match;

	switch (code) {
	case NF_ACCEPT:
		match->step = STEP_ACCEPT;
		break;
	case NF_DROP:
		match->step = STEP_DROP;
		break;
	case NFT_JUMP:
	case NFT_GOTO:
		match->step = code == NFT_JUMP ? STEP_JUMP : STEP_GOTO;
		snprintf(match->chain, sizeof(match->chain), "%s", chain ? chain : "");
		break;
	case NFT_RETURN:
		match->step = STEP_RETURN;
		break;
	case NFT_CONTINUE:
		break;
	case NF_QUEUE:
	default:
		match->step = STEP_UNKNOWN;
		match->doubt = "queue";
		break;
	}
}

static enum truth expr_immediate_eval(struct foreign_rule *rule, const struct nlattr *expr)
{
	const uint32_t dreg = attr_in_u32(expr, NFTA_IMMEDIATE_DREG, 0);
	const struct nlattr *data = attr_in(expr, NFTA_IMMEDIATE_DATA);
	const struct nlattr *verdict = attr_in(data, NFTA_DATA_VERDICT);
	const uint8_t *value;
	size_t len;

	if (verdict) {
		verdict_take(rule,
			(int32_t)attr_in_u32(verdict, NFTA_VERDICT_CODE, (uint32_t)NF_QUEUE),
			attr_in_text(verdict, NFTA_VERDICT_CHAIN));
		return YES;
	}
	value = data_value(data, &len);
	if (value)
		reg_set(rule, dreg, value, len);
	return YES;
}

/* The key, if all of it is known. */
static const uint8_t *lookup_key(
	const struct foreign_rule *rule, const struct nlattr *expr, const struct ruleset_set *set)
{
	const uint8_t *known,
		*key = reg_read(rule, attr_in_u32(expr, NFTA_LOOKUP_SREG, 0), set->key_len, &known);

	return key && all_known(known, set->key_len) ? key : NULL;
}

static enum truth expr_lookup_eval(struct foreign_rule *rule, const struct nlattr *expr)
{
	const bool inverted = attr_in_u32(expr, NFTA_LOOKUP_FLAGS, 0) & NFT_LOOKUP_F_INV;
	const struct nlattr *dreg_attr = attr_in(expr, NFTA_LOOKUP_DREG);
	const uint32_t dreg = attr_in_u32(expr, NFTA_LOOKUP_DREG, NFT_REG_VERDICT);
	const char *name = attr_in_text(expr, NFTA_LOOKUP_SET);
	const struct ruleset_set *set =
		name ? ruleset_set(rule->ruleset, rule->chain->family, rule->chain->table, name)
		     : NULL;
	const uint8_t *key = set ? lookup_key(rule, expr, set) : NULL;
	struct foreign_elem elem = {.verdict = NFT_CONTINUE};
	int found = key ? rule->state->host->lookup(rule->state->host->data, set, key, &elem) : -1;

	if (found < 0) {
		if (dreg_attr && dreg == NFT_REG_VERDICT)
			rule->match->step = STEP_UNKNOWN;
		else if (dreg_attr)
			reg_forget(rule, dreg, REGS_SIZE);
		return MAYBE;
	}
	if (found && dreg_attr && dreg == NFT_REG_VERDICT)
		verdict_take(rule, elem.verdict, elem.chain);
	else if (found && dreg_attr)
		reg_set(rule, dreg, elem.data, elem.len);
	return found != inverted ? YES : NO;
}

/* A packet of ours is assumed to stay below any limit. */
static enum truth expr_limit_eval(struct foreign_rule *rule, const struct nlattr *expr)
{
	(void)rule;
	return attr_in_u32(expr, NFTA_LIMIT_FLAGS, 0) & NFT_LIMIT_F_INV ? NO : YES;
}

/* `add @set { key limit rate .. }`: the limit again. */
static enum truth expr_dynset_eval(struct foreign_rule *rule, const struct nlattr *expr)
{
	const struct nlattr *list = attr_in(expr, NFTA_DYNSET_EXPRESSIONS), *one;
	const struct nlattr *single = attr_in(expr, NFTA_DYNSET_EXPR);
	const char *name = attr_in_text(single, NFTA_EXPR_NAME);
	enum truth truth = YES;

	if (name && !strcmp(name, "limit"))
		truth = expr_limit_eval(rule, attr_in(single, NFTA_EXPR_DATA));
	if (!list)
		return truth;
	mnl_attr_for_each_nested(one, list)
	{
		name = attr_in_text(one, NFTA_EXPR_NAME);
		if (name && !strcmp(name, "limit"))
			truth = truth_and(
				truth, expr_limit_eval(rule, attr_in(one, NFTA_EXPR_DATA)));
		else if (name && (!strcmp(name, "connlimit") || !strcmp(name, "quota")))
			truth = truth_and(truth, MAYBE);
	}
	return truth;
}

static enum truth expr_forget_eval(struct foreign_rule *rule, const struct nlattr *expr)
{
	/* numgen, hash, rt, socket, tunnel, xfrm, osf have their register first or second. */
	reg_forget(rule, attr_in_u32(expr, 1, 0), 4);
	reg_forget(rule, attr_in_u32(expr, 2, 0), 4);
	return YES;
}

/* UDP has no options, and the IPv6 packet no extensions. */
static enum truth expr_exthdr_eval(struct foreign_rule *rule, const struct nlattr *expr)
{
	static const uint8_t absent;

	if (!(attr_in_u32(expr, NFTA_EXTHDR_FLAGS, 0) & NFT_EXTHDR_F_PRESENT))
		return NO;
	reg_set(rule, attr_in_u32(expr, NFTA_EXTHDR_DREG, 0), &absent, sizeof(absent));
	return YES;
}

static enum truth expr_nat_eval(struct foreign_rule *rule, const struct nlattr *expr)
{
	(void)expr;
	rule->match->step = STEP_CHANGE;
	return YES;
}

static enum truth expr_reject_eval(struct foreign_rule *rule, const struct nlattr *expr)
{
	(void)expr;
	rule->match->step = STEP_DROP;
	return YES;
}

static enum truth expr_queue_eval(struct foreign_rule *rule, const struct nlattr *expr)
{
	(void)expr;
	rule->match->step = STEP_UNKNOWN;
	rule->match->doubt = "queue";
	return YES;
}

static enum truth expr_notrack_eval(struct foreign_rule *rule, const struct nlattr *expr)
{
	struct foreign_state *state = rule->state;
	const bool doubtful = state->doubtful || rule->match->truth == MAYBE;

	(void)expr;
	if (state->entry == YES || state->untracked == YES)
		return YES;
	if (state->packet->way == FOREIGN_MEDIA || state->packet->way == FOREIGN_REPLY) {
		rule->match->step = STEP_CHANGE;
		return YES;
	}
	state->untracked = doubtful ? MAYBE : YES;
	return YES;
}

static enum truth expr_pass_eval(struct foreign_rule *rule, const struct nlattr *expr)
{
	(void)rule;
	(void)expr;
	return YES;
}

static enum truth expr_maybe_eval(struct foreign_rule *rule, const struct nlattr *expr)
{
	(void)rule;
	(void)expr;
	return MAYBE;
}

static const struct {
	const char *name;
	enum truth (*eval)(struct foreign_rule *rule, const struct nlattr *expr);
} evals[] = {
	{"bitwise", expr_bitwise_eval},
	{"byteorder", expr_byteorder_eval},
	{"cmp", expr_cmp_eval},
	{"connlimit", expr_maybe_eval},
	{"counter", expr_pass_eval},
	{"ct", foreign_ct},
	{"dup", expr_pass_eval},
	{"dynset", expr_dynset_eval},
	{"exthdr", expr_exthdr_eval},
	{"fib", foreign_fib},
	{"flow_offload", expr_pass_eval},
	{"fwd", expr_nat_eval},
	{"hash", expr_forget_eval},
	{"immediate", expr_immediate_eval},
	{"last", expr_pass_eval},
	{"limit", expr_limit_eval},
	{"log", expr_pass_eval},
	{"lookup", expr_lookup_eval},
	{"masq", expr_nat_eval},
	{"match", foreign_xt_match},
	{"meta", foreign_meta},
	{"nat", expr_nat_eval},
	{"notrack", expr_notrack_eval},
	{"numgen", expr_forget_eval},
	{"objref", expr_pass_eval},
	{"payload", expr_payload_eval},
	{"queue", expr_queue_eval},
	{"quota", expr_maybe_eval},
	{"range", expr_range_eval},
	{"redir", expr_nat_eval},
	{"reject", expr_reject_eval},
	{"rt", expr_forget_eval},
	{"target", foreign_xt_target},
	{"tproxy", expr_nat_eval},
};

static enum truth expr_eval(struct foreign_rule *rule, const struct nlattr *expr, const char *name)
{
	for (size_t i = 0; i < sizeof(evals) / sizeof(evals[0]); i++)
		if (!strcmp(evals[i].name, name))
			return evals[i].eval(rule, attr_in(expr, NFTA_EXPR_DATA));
	return MAYBE;
}

/*
 * Of a compat match the extension is of interest, not that it is one; of a comparison, what was
 * loaded to be compared.
 */
static void doubt_note(struct foreign_match *match, const char *name, const struct nlattr *expr,
	const char *loaded)
{
	const char *inner = NULL;

	if (match->doubt)
		return;
	if (!strcmp(name, "match") || !strcmp(name, "target"))
		inner = attr_in_text(attr_in(expr, NFTA_EXPR_DATA), NFTA_MATCH_NAME);
	if (loaded && (!strcmp(name, "cmp") || !strcmp(name, "range") || !strcmp(name, "lookup")))
		snprintf(match->doubt_text, sizeof(match->doubt_text), "value %s", loaded);
	else
		snprintf(match->doubt_text, sizeof(match->doubt_text), "%s%s%s", name,
			inner ? " " : "", inner ? inner : "");
	match->doubt = match->doubt_text;
}

/* What a value is called that is not known; NULL: this does not load one. */
static const char *loader_name(const char *name, const struct nlattr *expr)
{
	static const char *const transform[] = {
		"cmp", "range", "lookup", "bitwise", "byteorder", "counter", "immediate", "limit"};

	for (size_t i = 0; i < sizeof(transform) / sizeof(transform[0]); i++)
		if (!strcmp(name, transform[i]))
			return NULL;
	if (strcmp(name, "meta") != 0)
		return name;
	switch (attr_in_u32(attr_in(expr, NFTA_EXPR_DATA), NFTA_META_KEY, UINT32_MAX)) {
	case NFT_META_IIF:
	case NFT_META_IIFNAME:
		return "iif";
	case NFT_META_OIF:
	case NFT_META_OIFNAME:
		return "oif";
	case NFT_META_SKUID:
	case NFT_META_SKGID:
		return "socket's owner";
	}
	return name;
}

void foreign_rule_eval(const struct ruleset *ruleset, const struct ruleset_chain *chain,
	const struct ruleset_rule *rule, struct foreign_state *state, struct foreign_match *out)
{
	struct foreign_rule eval = {
		.ruleset = ruleset, .chain = chain, .state = state, .match = out};
	const struct nlattr *expr;
	const char *loaded = NULL;

	*out = (struct foreign_match){.truth = YES};
	memset(eval.regs.known, 0xff, sizeof(eval.regs.known));
	if (!rule->exprs)
		return;
	mnl_attr_for_each_nested(expr, rule->exprs)
	{
		const char *name = attr_in_text(expr, NFTA_EXPR_NAME);
		enum truth truth = expr_eval(&eval, expr, name ? name : "?");

		if (truth == MAYBE)
			doubt_note(out, name ? name : "?", expr, loaded);
		if (name && loader_name(name, expr))
			loaded = loader_name(name, expr);
		out->truth = truth_and(out->truth, truth);
		if (out->truth == NO)
			return;
		if (out->step != STEP_CONTINUE)
			return;
	}
}
