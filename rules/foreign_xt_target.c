/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_mark.h>

#include "rules/foreign_xt.h"

static enum truth target_set_mark(const struct xt *xt)
{
	struct foreign_state *state = xt->rule->state;
	struct xt_mark_tginfo2 info;

	if (xt->rev != 2 || !xt_info(xt, &info, sizeof(info))) {
		state->mark = (struct fact){0};
		return YES;
	}
	fact_set(&state->mark, (state->mark.value & ~info.mask) ^ info.mark,
		state->mark.known | info.mask, state->doubtful || xt->rule->match->truth == MAYBE);
	return YES;
}

static enum truth target_connmark(const struct xt *xt)
{
	struct foreign_state *state = xt->rule->state;
	const bool doubtful = state->doubtful || xt->rule->match->truth == MAYBE;
	struct xt_connmark_tginfo1 info;
	struct fact new;

	if (!xt_info(xt, &info, sizeof(info)) || (xt->rev != 1 && xt->rev != 2)) {
		state->mark = state->ct_mark = (struct fact){0};
		return YES;
	}
	/* Revision 2 shifts, which nobody does to our flows; its mode lies behind two bytes. */
	if (xt->rev == 2) {
		struct xt_connmark_tginfo2 two;

		if (!xt_info(xt, &two, sizeof(two)) || two.shift_bits) {
			state->mark = state->ct_mark = (struct fact){0};
			return YES;
		}
		info.mode = two.mode;
	}
	if (state->entry != YES)
		return YES;
	switch (info.mode) {
	case XT_CONNMARK_SET:
		fact_set(&state->ct_mark, (state->ct_mark.value & ~info.ctmask) ^ info.ctmark,
			state->ct_mark.known | info.ctmask, doubtful);
		break;
	case XT_CONNMARK_SAVE:
		new = (struct fact){
			(state->ct_mark.value & ~info.ctmask) ^ (state->mark.value & info.nfmask),
			state->ct_mark.known & (state->mark.known | ~info.nfmask)};
		fact_set(&state->ct_mark, new.value, new.known, doubtful);
		break;
	case XT_CONNMARK_RESTORE:
		new = (struct fact){
			(state->mark.value & ~info.nfmask) ^ (state->ct_mark.value & info.ctmask),
			state->mark.known & (state->ct_mark.known | ~info.ctmask)};
		fact_set(&state->mark, new.value, new.known, doubtful);
		break;
	}
	return YES;
}

static enum truth target_drop(const struct xt *xt)
{
	xt->rule->match->step = STEP_DROP;
	return YES;
}

static enum truth target_accept(const struct xt *xt)
{
	xt->rule->match->step = STEP_ACCEPT;
	return YES;
}

static enum truth target_return(const struct xt *xt)
{
	xt->rule->match->step = STEP_RETURN;
	return YES;
}

static enum truth target_change(const struct xt *xt)
{
	xt->rule->match->step = STEP_CHANGE;
	return YES;
}

static enum truth target_queue(const struct xt *xt)
{
	xt->rule->match->step = STEP_UNKNOWN;
	xt->rule->match->doubt = "queue";
	return YES;
}

static enum truth target_ct(const struct xt *xt)
{
	struct foreign_state *state = xt->rule->state;
	struct xt_ct_target_info_v1 info;

	if (!xt_info(xt, &info, sizeof(info)))
		return MAYBE;
	if (!(info.flags & XT_CT_NOTRACK) || state->entry == YES || state->untracked == YES)
		return YES;
	if (state->packet->way == FOREIGN_MEDIA || state->packet->way == FOREIGN_REPLY)
		xt->rule->match->step = STEP_CHANGE;
	else
		state->untracked = state->doubtful || xt->rule->match->truth == MAYBE ? MAYBE : YES;
	return YES;
}

static enum truth target_pass(const struct xt *xt)
{
	(void)xt;
	return YES;
}

/* ERROR is the end of a user's chain; "" and "standard" carry their verdict elsewhere. */
static const struct xt_eval targets[] = {
	{"ACCEPT", target_accept},
	{"AUDIT", target_pass},
	{"CHECKSUM", target_pass},
	{"CLASSIFY", target_pass},
	{"CONNMARK", target_connmark},
	{"CONNSECMARK", target_pass},
	{"CT", target_ct},
	{"DNAT", target_change},
	{"DROP", target_drop},
	{"DSCP", target_pass},
	{"HL", target_pass},
	{"HMARK", target_pass},
	{"LED", target_pass},
	{"LOG", target_pass},
	{"MARK", target_set_mark},
	{"MASQUERADE", target_change},
	{"NETMAP", target_change},
	{"NFLOG", target_pass},
	{"NFQUEUE", target_queue},
	{"RATEEST", target_pass},
	{"REDIRECT", target_change},
	{"REJECT", target_drop},
	{"RETURN", target_return},
	{"SECMARK", target_pass},
	{"SET", target_pass},
	{"SNAT", target_change},
	{"TCPMSS", target_pass},
	{"TCPOPTSTRIP", target_pass},
	{"TEE", target_pass},
	{"TOS", target_pass},
	{"TPROXY", target_change},
	{"TRACE", target_pass},
	{"TTL", target_pass},
};

enum truth foreign_xt_target(struct foreign_rule *rule, const struct nlattr *expr)
{
	const enum truth truth = xt_eval(rule, expr, targets, sizeof(targets) / sizeof(targets[0]));

	if (truth == MAYBE && rule->match->step == STEP_CONTINUE)
		rule->match->step = STEP_UNKNOWN;
	return truth;
}
