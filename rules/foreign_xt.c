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

#include "rules/foreign_xt.h"

bool xt_info(const struct xt *xt, void *out, size_t size)
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

	if (!xt_info(xt, &info, sizeof(info)))
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

	if (xt->rev != 1 || !xt_info(xt, &info, sizeof(info)) || info.count > XT_MULTI_PORTS)
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

static enum truth addr_masked(
	const struct endpoint *at, const union nf_inet_addr *addr, const union nf_inet_addr *mask)
{
	const uint8_t *want = (const uint8_t *)addr, *bits = (const uint8_t *)mask;

	for (size_t i = 0; i < addr_size(at->addr.family); i++)
		if ((at->addr.bytes[i] & bits[i]) != want[i])
			return NO;
	return YES;
}

struct tuple_test {
	const union nf_inet_addr *addr, *mask; /* both NULL: the port */
	uint16_t flag, low, high;
	bool reply, dest;
};

static enum truth tuple_is(const struct foreign_state *state, const struct tuple_test *test)
{
	struct endpoint source, dest;
	const struct endpoint *at = test->dest ? &dest : &source;

	if (!foreign_ct_tuple(state, test->reply, &source, &dest))
		return MAYBE;
	if (test->addr && test->mask)
		return addr_masked(at, test->addr, test->mask);
	return at->port >= test->low && at->port <= test->high ? YES : NO;
}

static enum truth conntrack_tuples(
	const struct foreign_state *state, const struct xt_conntrack_mtinfo3 *info)
{
	const struct tuple_test tests[] = {
		{.flag = XT_CONNTRACK_ORIGSRC,
			.addr = &info->origsrc_addr,
			.mask = &info->origsrc_mask},
		{.flag = XT_CONNTRACK_ORIGDST,
			.addr = &info->origdst_addr,
			.mask = &info->origdst_mask,
			.dest = true},
		{.flag = XT_CONNTRACK_REPLSRC,
			.addr = &info->replsrc_addr,
			.mask = &info->replsrc_mask,
			.reply = true},
		{.flag = XT_CONNTRACK_REPLDST,
			.addr = &info->repldst_addr,
			.mask = &info->repldst_mask,
			.reply = true,
			.dest = true},
		{.flag = XT_CONNTRACK_ORIGSRC_PORT,
			.low = info->origsrc_port,
			.high = info->origsrc_port_high},
		{.flag = XT_CONNTRACK_ORIGDST_PORT,
			.low = info->origdst_port,
			.high = info->origdst_port_high,
			.dest = true},
		{.flag = XT_CONNTRACK_REPLSRC_PORT,
			.low = info->replsrc_port,
			.high = info->replsrc_port_high,
			.reply = true},
		{.flag = XT_CONNTRACK_REPLDST_PORT,
			.low = info->repldst_port,
			.high = info->repldst_port_high,
			.reply = true,
			.dest = true},
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

	if (xt->rev != 3 || !xt_info(xt, &info, sizeof(info)))
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

	if (!xt_info(xt, &info, sizeof(info)))
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

	if (xt->rev != 1 || !xt_info(xt, &info, sizeof(info)))
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

	if (xt->rev != 1 || !xt_info(xt, &info, sizeof(info)))
		return MAYBE;
	return inverted(fact_is(xt->state->mark, info.mask, info.mark), info.invert);
}

static enum truth match_connmark(const struct xt *xt)
{
	struct xt_connmark_mtinfo1 info;

	if (xt->rev != 1 || !xt_info(xt, &info, sizeof(info)))
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

	if (xt->rev != 1 || !xt_info(xt, &info, sizeof(info)))
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

	if (xt->state->packet->way == FOREIGN_ANSWER || !xt_info(xt, &info, sizeof(info)))
		return MAYBE;
	return (info.match ^ info.invert) == 0 ? YES : NO;
}

static enum truth match_pkttype(const struct xt *xt)
{
	struct xt_pkttype_info info;

	if (!xt_info(xt, &info, sizeof(info)))
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

enum truth xt_eval(struct foreign_rule *rule, const struct nlattr *expr, const struct xt_eval *list,
	size_t count)
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
	return MAYBE;
}

enum truth foreign_xt_match(struct foreign_rule *rule, const struct nlattr *expr)
{
	return xt_eval(rule, expr, matches, sizeof(matches) / sizeof(matches[0]));
}
