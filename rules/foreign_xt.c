/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign_xt: matches and targets of iptables that nft wraps (nft_compat). Each copies its info,
 * whose layout is the kernel's own (linux/netfilter/xt_*.h), only if all of it is there.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_owner.h>
#include <linux/netfilter/xt_pkttype.h>
#include <linux/netfilter/xt_state.h>
#include <linux/netfilter/xt_tcpudp.h>

#include "rules/foreign_eval.h"

struct xt {
	struct foreign_rule *rule;
	const struct foreign_state *state;
	uint32_t rev;
	const void *info;
	size_t len;
};

static bool info_read(const struct xt *xt, void *out, size_t size)
{
	if (xt->len < size)
		return false;
	memcpy(out, xt->info, size);
	return true;
}

static enum truth inverted(enum truth truth, bool invert)
{
	return invert ? truth_not(truth) : truth;
}

static bool in_range(uint16_t port, const uint16_t range[2])
{
	return port >= range[0] && port <= range[1];
}

static enum truth match_udp(const struct xt *xt)
{
	struct xt_udp info;

	if (!info_read(xt, &info, sizeof(info)))
		return MAYBE;
	if (in_range(xt->state->source.port, info.spts) == !!(info.invflags & XT_UDP_INV_SRCPT))
		return NO;
	return in_range(xt->state->dest.port, info.dpts) != !!(info.invflags & XT_UDP_INV_DSTPT)
		       ? YES
		       : NO;
}

static enum truth match_multiport(const struct xt *xt)
{
	const uint16_t source = xt->state->source.port, dest = xt->state->dest.port;
	struct xt_multiport_v1 info;
	bool hit = false;

	if (xt->rev != 1 || !info_read(xt, &info, sizeof(info)) || info.count > XT_MULTI_PORTS)
		return MAYBE;
	for (unsigned int i = 0; i < info.count; i++) {
		uint16_t range[2] = {info.ports[i], info.ports[i]};

		if (info.pflags[i] && i + 1 < info.count)
			range[1] = info.ports[++i];
		hit |= info.flags != XT_MULTIPORT_DESTINATION && in_range(source, range);
		hit |= info.flags != XT_MULTIPORT_SOURCE && in_range(dest, range);
	}
	return hit != !!info.invert ? YES : NO;
}

/* The kernel's bits of a state and those of NAT; see conntrack_mt. */
static enum truth conntrack_state(const struct foreign_state *state, uint32_t mask)
{
	struct fact fact = foreign_ct_state(state);
	uint32_t nft = mask & 0x1f; /* invalid, established, related, new: the same bits */
	enum truth truth;

	if (mask & XT_CONNTRACK_STATE_UNTRACKED)
		nft |= CT_STATE_UNTRACKED;
	/* Exactly one bit is set, so none of the mask's is (NO), or one is. */
	truth = truth_not(fact_is(fact, nft, 0));
	if (mask & XT_CONNTRACK_STATE_DNAT)
		truth = truth_or(truth, truth_and(state->entry, truth_not(fact_is(state->ct_status,
									CT_STATUS_DNAT, 0))));
	if (mask & XT_CONNTRACK_STATE_SNAT)
		truth = truth_or(truth, truth_and(state->entry, truth_not(fact_is(state->ct_status,
									CT_STATUS_SNAT, 0))));
	return truth;
}

static enum truth addr_masked(const struct foreign_state *state, const struct endpoint *at,
	const union nf_inet_addr *addr, const union nf_inet_addr *mask)
{
	const uint8_t *want = (const uint8_t *)addr, *bits = (const uint8_t *)mask;

	for (size_t i = 0; i < addr_size(at->addr.family); i++)
		if ((at->addr.bytes[i] & bits[i]) != want[i])
			return NO;
	(void)state;
	return YES;
}

struct tuple_test {
	uint16_t flag;
	bool reply, dest;
	const union nf_inet_addr *addr, *mask; /* NULL: the port */
	uint16_t low, high;
};

static enum truth tuple_is(const struct foreign_state *state, const struct tuple_test *test)
{
	struct endpoint source, dest;
	const struct endpoint *at = test->dest ? &dest : &source;

	if (!foreign_ct_tuple(state, test->reply, &source, &dest))
		return MAYBE;
	if (test->addr)
		return addr_masked(state, at, test->addr, test->mask);
	return at->port >= test->low && at->port <= test->high ? YES : NO;
}

static enum truth conntrack_tuples(
	const struct foreign_state *state, const struct xt_conntrack_mtinfo3 *info)
{
	const struct tuple_test tests[] = {
		{XT_CONNTRACK_ORIGSRC, false, false, &info->origsrc_addr, &info->origsrc_mask, 0,
			0},
		{XT_CONNTRACK_ORIGDST, false, true, &info->origdst_addr, &info->origdst_mask, 0, 0},
		{XT_CONNTRACK_REPLSRC, true, false, &info->replsrc_addr, &info->replsrc_mask, 0, 0},
		{XT_CONNTRACK_REPLDST, true, true, &info->repldst_addr, &info->repldst_mask, 0, 0},
		{XT_CONNTRACK_ORIGSRC_PORT, false, false, NULL, NULL, info->origsrc_port,
			info->origsrc_port_high},
		{XT_CONNTRACK_ORIGDST_PORT, false, true, NULL, NULL, info->origdst_port,
			info->origdst_port_high},
		{XT_CONNTRACK_REPLSRC_PORT, true, false, NULL, NULL, info->replsrc_port,
			info->replsrc_port_high},
		{XT_CONNTRACK_REPLDST_PORT, true, true, NULL, NULL, info->repldst_port,
			info->repldst_port_high},
	};
	enum truth truth = YES;

	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (info->match_flags & tests[i].flag)
			truth = truth_and(truth, inverted(tuple_is(state, &tests[i]),
							 info->invert_flags & tests[i].flag));
	return truth;
}

static enum truth match_conntrack(const struct xt *xt)
{
	const struct foreign_state *state = xt->state;
	struct xt_conntrack_mtinfo3 info;
	enum truth truth = YES;
	uint16_t flags;

	if (xt->rev != 3 || !info_read(xt, &info, sizeof(info)))
		return MAYBE;
	flags = info.match_flags;
	if (flags & XT_CONNTRACK_STATE)
		truth = inverted(conntrack_state(state, info.state_mask),
			info.invert_flags & XT_CONNTRACK_STATE);
	if (state->entry == NO)
		return flags & XT_CONNTRACK_STATE ? truth : NO;
	if (flags & XT_CONNTRACK_DIRECTION)
		truth = truth_and(truth,
			foreign_is_reply(state) == !!(info.invert_flags & XT_CONNTRACK_DIRECTION)
				? YES
				: NO);
	if (flags & XT_CONNTRACK_PROTO)
		truth = truth_and(truth, inverted(info.l4proto == IPPROTO_UDP ? YES : NO,
						 info.invert_flags & XT_CONNTRACK_PROTO));
	truth = truth_and(truth, conntrack_tuples(state, &info));
	if (flags & XT_CONNTRACK_STATUS)
		truth = truth_and(
			truth, inverted(truth_not(fact_is(state->ct_status, info.status_mask, 0)),
				       info.invert_flags & XT_CONNTRACK_STATUS));
	if (flags & XT_CONNTRACK_EXPIRES)
		truth = truth_and(truth, MAYBE);
	return state->entry == MAYBE && flags & ~XT_CONNTRACK_STATE ? truth_and(truth, MAYBE)
								    : truth;
}

static enum truth match_state(const struct xt *xt)
{
	struct xt_state_info info;
	uint32_t mask;

	if (!info_read(xt, &info, sizeof(info)))
		return MAYBE;
	mask = info.statemask & 0x1f;
	if (info.statemask & XT_STATE_UNTRACKED)
		mask |= XT_CONNTRACK_STATE_UNTRACKED;
	return conntrack_state(xt->state, mask);
}

static enum truth type_in(const struct foreign_state *state, const struct addr *addr, uint16_t mask)
{
	uint32_t oif;
	uint8_t type;
	int got = state->host->route(state->host->data, addr, 0, &type, &oif);

	if (got < 0)
		return MAYBE;
	/* An address that no route leads to still is a unicast one. */
	if (!got)
		type = 1;
	return type < 16 && mask & 1u << type ? YES : NO;
}

static enum truth match_addrtype(const struct xt *xt)
{
	struct xt_addrtype_info_v1 info;
	enum truth truth = YES;

	if (xt->rev != 1 || !info_read(xt, &info, sizeof(info)))
		return MAYBE;
	if (info.flags & (XT_ADDRTYPE_LIMIT_IFACE_IN | XT_ADDRTYPE_LIMIT_IFACE_OUT))
		return MAYBE;
	if (info.source)
		truth = inverted(type_in(xt->state, &xt->state->source.addr, info.source),
			info.flags & XT_ADDRTYPE_INVERT_SOURCE);
	if (info.dest)
		truth = truth_and(
			truth, inverted(type_in(xt->state, &xt->state->dest.addr, info.dest),
				       info.flags & XT_ADDRTYPE_INVERT_DEST));
	return truth;
}

static enum truth match_mark(const struct xt *xt)
{
	struct xt_mark_mtinfo1 info;

	if (xt->rev != 1 || !info_read(xt, &info, sizeof(info)))
		return MAYBE;
	return inverted(fact_is(xt->state->mark, info.mask, info.mark), info.invert);
}

static enum truth match_connmark(const struct xt *xt)
{
	struct xt_connmark_mtinfo1 info;

	if (xt->rev != 1 || !info_read(xt, &info, sizeof(info)))
		return MAYBE;
	return truth_and(xt->state->entry,
		inverted(fact_is(xt->state->ct_mark, info.mask, info.mark), info.invert));
}

static bool addr_between(
	const struct addr *addr, const union nf_inet_addr *low, const union nf_inet_addr *high)
{
	const size_t size = addr_size(addr->family);

	return memcmp(addr->bytes, low, size) >= 0 && memcmp(addr->bytes, high, size) <= 0;
}

static enum truth match_iprange(const struct xt *xt)
{
	struct xt_iprange_mtinfo info;

	if (xt->rev != 1 || !info_read(xt, &info, sizeof(info)))
		return MAYBE;
	if (info.flags & IPRANGE_SRC && addr_between(&xt->state->source.addr, &info.src_min,
						&info.src_max) == !!(info.flags & IPRANGE_SRC_INV))
		return NO;
	if (info.flags & IPRANGE_DST && addr_between(&xt->state->dest.addr, &info.dst_min,
						&info.dst_max) == !!(info.flags & IPRANGE_DST_INV))
		return NO;
	return YES;
}

/* Forwarded packets have no socket. */
static enum truth match_owner(const struct xt *xt)
{
	struct xt_owner_match_info info;

	if (xt->state->packet->way == FOREIGN_ANSWER || !info_read(xt, &info, sizeof(info)))
		return MAYBE;
	return (info.match ^ info.invert) == 0 ? YES : NO;
}

static enum truth match_pkttype(const struct xt *xt)
{
	struct xt_pkttype_info info;

	if (!info_read(xt, &info, sizeof(info)))
		return MAYBE;
	return inverted(info.pkttype == 0 ? YES : NO, info.invert);
}

/* A limit is assumed to hold; --hashlimit-above and the like are not read. */
static enum truth match_yes(const struct xt *xt)
{
	(void)xt;
	return YES;
}

static enum truth match_no(const struct xt *xt)
{
	(void)xt;
	return NO;
}

static enum truth target_set_mark(const struct xt *xt)
{
	struct foreign_state *state = xt->rule->state;
	struct xt_mark_tginfo2 info;

	if (xt->rev != 2 || !info_read(xt, &info, sizeof(info))) {
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

	if (!info_read(xt, &info, sizeof(info)) || (xt->rev != 1 && xt->rev != 2)) {
		state->mark = state->ct_mark = (struct fact){0};
		return YES;
	}
	/* Revision 2 shifts, which nobody does to our flows; its mode lies behind two bytes. */
	if (xt->rev == 2) {
		struct xt_connmark_tginfo2 two;

		if (!info_read(xt, &two, sizeof(two)) || two.shift_bits) {
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

static enum truth target_unknown(const struct xt *xt)
{
	xt->rule->match->step = STEP_UNKNOWN;
	return MAYBE;
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

	if (!info_read(xt, &info, sizeof(info)))
		return MAYBE;
	if (!(info.flags & XT_CT_NOTRACK) || state->entry == YES || state->untracked == YES)
		return YES;
	if (state->packet->way == FOREIGN_MEDIA || state->packet->way == FOREIGN_REPLY)
		xt->rule->match->step = STEP_CHANGE;
	else
		state->untracked = state->doubtful || xt->rule->match->truth == MAYBE ? MAYBE : YES;
	return YES;
}

struct xt_eval {
	const char *name;
	enum truth (*eval)(const struct xt *xt);
};

/* Ours is UDP without options or extensions in front. */
static const struct xt_eval matches[] = {
	{"ah", match_no},
	{"dst", match_no},
	{"esp", match_no},
	{"frag", match_no},
	{"hbh", match_no},
	{"ipcomp", match_no},
	{"mh", match_no},
	{"rt", match_no},
	{"addrtype", match_addrtype},
	{"comment", match_yes},
	{"conntrack", match_conntrack},
	{"connmark", match_connmark},
	{"dccp", match_no},
	{"icmp", match_no},
	{"icmp6", match_no},
	{"iprange", match_iprange},
	{"limit", match_yes},
	{"mark", match_mark},
	{"multiport", match_multiport},
	{"owner", match_owner},
	{"pkttype", match_pkttype},
	{"sctp", match_no},
	{"state", match_state},
	{"tcp", match_no},
	{"tcpmss", match_no},
	{"udp", match_udp},
};

/* ERROR is the end of a user's chain; "" and "standard" carry their verdict elsewhere. */
static const struct xt_eval targets[] = {
	{"ACCEPT", target_accept},
	{"AUDIT", match_yes},
	{"CHECKSUM", match_yes},
	{"CLASSIFY", match_yes},
	{"CONNMARK", target_connmark},
	{"CONNSECMARK", match_yes},
	{"CT", target_ct},
	{"DNAT", target_change},
	{"DROP", target_drop},
	{"DSCP", match_yes},
	{"HL", match_yes},
	{"HMARK", match_yes},
	{"LED", match_yes},
	{"LOG", match_yes},
	{"MARK", target_set_mark},
	{"MASQUERADE", target_change},
	{"NETMAP", target_change},
	{"NFLOG", match_yes},
	{"NFQUEUE", target_queue},
	{"RATEEST", match_yes},
	{"REDIRECT", target_change},
	{"REJECT", target_drop},
	{"RETURN", target_return},
	{"SECMARK", match_yes},
	{"SET", match_yes},
	{"SNAT", target_change},
	{"TCPMSS", match_yes},
	{"TCPOPTSTRIP", match_yes},
	{"TEE", match_yes},
	{"TOS", match_yes},
	{"TPROXY", target_change},
	{"TRACE", match_yes},
	{"TTL", match_yes},
};

static enum truth xt_eval(struct foreign_rule *rule, const struct nlattr *expr,
	const struct xt_eval *list, size_t count)
{
	/* Names of attributes are the same numbers for matches and targets. */
	const char *name = attr_in_text(expr, NFTA_MATCH_NAME);
	const struct nlattr *info = attr_in(expr, NFTA_MATCH_INFO);
	struct xt xt = {rule, rule->state, attr_in_u32(expr, NFTA_MATCH_REV, 0), NULL, 0};

	if (info) {
		xt.info = mnl_attr_get_payload(info);
		xt.len = mnl_attr_get_payload_len(info);
	}
	for (size_t i = 0; name && i < count; i++)
		if (!strcmp(list[i].name, name))
			return list[i].eval(&xt);
	return list == targets ? target_unknown(&xt) : MAYBE;
}

enum truth foreign_xt_match(struct foreign_rule *rule, const struct nlattr *expr)
{
	return xt_eval(rule, expr, matches, sizeof(matches) / sizeof(matches[0]));
}

enum truth foreign_xt_target(struct foreign_rule *rule, const struct nlattr *expr)
{
	return xt_eval(rule, expr, targets, sizeof(targets) / sizeof(targets[0]));
}
