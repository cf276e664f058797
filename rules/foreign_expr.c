/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables_compat.h>

#include "rules/foreign_eval.h"

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

	return key && reg_known(known, set->key_len) ? key : NULL;
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
	/* numgen, hash and rt have their register first or second. */
	reg_forget(rule, attr_in_u32(expr, 1, 0), NFT_REG_SIZE);
	reg_forget(rule, attr_in_u32(expr, 2, 0), NFT_REG_SIZE);
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

/* Named counters, helpers and timeouts let everything pass; limits and quotas perhaps do not. */
static enum truth expr_objref_eval(struct foreign_rule *rule, const struct nlattr *expr)
{
	(void)rule;
	switch (attr_in_u32(expr, NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_UNSPEC)) {
	case NFT_OBJECT_COUNTER:
	case NFT_OBJECT_CT_HELPER:
	case NFT_OBJECT_CT_TIMEOUT:
	case NFT_OBJECT_CT_EXPECT:
	case NFT_OBJECT_SECMARK:
		return YES;
	}
	return MAYBE;
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
	{"bitwise", foreign_bitwise},
	{"byteorder", foreign_byteorder},
	{"cmp", foreign_cmp},
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
	{"objref", expr_objref_eval},
	{"payload", foreign_payload},
	{"queue", expr_queue_eval},
	{"quota", expr_maybe_eval},
	{"range", foreign_range},
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
	/* It may have loaded anything anywhere. */
	memset(rule->regs.known, 0, sizeof(rule->regs.known));
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
