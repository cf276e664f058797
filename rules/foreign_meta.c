/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>

#include "rules/foreign_eval.h"

static void set_u8(struct foreign_rule *rule, uint32_t reg, uint8_t value)
{
	reg_set(rule, reg, &value, sizeof(value));
}

static void set_u16(struct foreign_rule *rule, uint32_t reg, uint16_t value)
{
	reg_set(rule, reg, &value, sizeof(value));
}

/* Compared as a string with zeros behind it, in all its 16 bytes. */
static void set_name(struct foreign_rule *rule, uint32_t reg, const char *name)
{
	char padded[IF_NAMESIZE] = "";

	if (!name) {
		reg_forget(rule, reg, sizeof(padded));
		return;
	}
	memcpy(padded, name, strnlen(name, sizeof(padded) - 1));
	reg_set(rule, reg, padded, sizeof(padded));
}

static enum truth meta_set(struct foreign_rule *rule, uint32_t key, uint32_t sreg)
{
	const struct fact fact = reg_fact(rule, sreg);
	struct foreign_state *state = rule->state;

	if (key == NFT_META_MARK)
		fact_set(&state->mark, fact.value, fact.known,
			state->doubtful || rule->match->truth == MAYBE);
	return YES;
}

enum truth foreign_meta(struct foreign_rule *rule, const struct nlattr *expr)
{
	const uint32_t key = attr_in_u32(expr, NFTA_META_KEY, UINT32_MAX);
	const uint32_t dreg = attr_in_u32(expr, NFTA_META_DREG, 0);
	const struct foreign_state *state = rule->state;
	const bool v4 = state->family == NFPROTO_IPV4;

	if (attr_in(expr, NFTA_META_SREG))
		return meta_set(rule, key, attr_in_u32(expr, NFTA_META_SREG, 0));
	switch (key) {
	case NFT_META_PROTOCOL:
		set_u16(rule, dreg, htons(v4 ? ETH_P_IP : ETH_P_IPV6));
		break;
	case NFT_META_NFPROTO:
		set_u8(rule, dreg, state->family);
		break;
	case NFT_META_L4PROTO:
		set_u8(rule, dreg, IPPROTO_UDP);
		break;
	case NFT_META_PKTTYPE:
		set_u8(rule, dreg, 0); /* PACKET_HOST */
		break;
	case NFT_META_MARK:
		reg_set_fact(rule, dreg, state->mark);
		break;
	case NFT_META_IIF:
		reg_set_fact(rule, dreg, state->iif);
		break;
	case NFT_META_OIF:
		reg_set_fact(rule, dreg, state->oif);
		break;
	case NFT_META_IIFNAME:
		set_name(rule, dreg, state->iifname);
		break;
	case NFT_META_OIFNAME:
		set_name(rule, dreg, state->oifname);
		break;
	case NFT_META_SKUID:
	case NFT_META_SKGID:
	case NFT_META_CGROUP:
		/* What is forwarded has no socket. */
		if (state->hook == NF_INET_FORWARD && key != NFT_META_CGROUP)
			return NO;
		reg_forget(rule, dreg, sizeof(uint32_t));
		break;
	default:
		reg_forget(rule, dreg, IF_NAMESIZE);
		break;
	}
	return YES;
}

static enum truth ct_set(struct foreign_rule *rule, uint32_t key, uint32_t sreg)
{
	const struct fact fact = reg_fact(rule, sreg);
	struct foreign_state *state = rule->state;

	if (key == NFT_CT_MARK && state->entry != NO)
		fact_set(&state->ct_mark, fact.value, fact.known,
			state->doubtful || rule->match->truth == MAYBE || state->entry != YES);
	return YES;
}

/* Addresses and ports of the entry. */
static void ct_tuple(struct foreign_rule *rule, uint32_t key, uint32_t dreg, bool reply)
{
	const size_t size = rule->state->family == NFPROTO_IPV4 ? 4 : 16;
	struct endpoint source, dest;
	uint16_t port;

	if (!foreign_ct_tuple(rule->state, reply, &source, &dest)) {
		reg_forget(rule, dreg, size);
		return;
	}
	switch (key) {
	case NFT_CT_SRC:
	case NFT_CT_SRC_IP:
	case NFT_CT_SRC_IP6:
		reg_set(rule, dreg, source.addr.bytes, size);
		break;
	case NFT_CT_DST:
	case NFT_CT_DST_IP:
	case NFT_CT_DST_IP6:
		reg_set(rule, dreg, dest.addr.bytes, size);
		break;
	default:
		port = htons(key == NFT_CT_PROTO_SRC ? source.port : dest.port);
		reg_set(rule, dreg, &port, sizeof(port));
		break;
	}
}

static enum truth ct_of_entry(struct foreign_rule *rule, uint32_t key, uint32_t dreg, bool reply)
{
	const struct foreign_state *state = rule->state;
	const bool v4 = state->family == NFPROTO_IPV4;

	switch (key) {
	case NFT_CT_DIRECTION:
		set_u8(rule, dreg, foreign_is_reply(state));
		break;
	case NFT_CT_STATUS:
		reg_set_fact(rule, dreg, state->ct_status);
		break;
	case NFT_CT_MARK:
		reg_set_fact(rule, dreg, state->ct_mark);
		break;
	case NFT_CT_L3PROTOCOL:
		set_u8(rule, dreg, state->family);
		break;
	case NFT_CT_PROTOCOL:
		set_u8(rule, dreg, IPPROTO_UDP);
		break;
	case NFT_CT_HELPER:
		return NO; /* none of ours has one */
	case NFT_CT_SRC_IP:
	case NFT_CT_DST_IP:
		if (!v4)
			return NO;
		ct_tuple(rule, key, dreg, reply);
		break;
	case NFT_CT_SRC_IP6:
	case NFT_CT_DST_IP6:
		if (v4)
			return NO;
		ct_tuple(rule, key, dreg, reply);
		break;
	case NFT_CT_SRC:
	case NFT_CT_DST:
	case NFT_CT_PROTO_SRC:
	case NFT_CT_PROTO_DST:
		ct_tuple(rule, key, dreg, reply);
		break;
	default:
		reg_forget(rule, dreg, IF_NAMESIZE);
		break;
	}
	return YES;
}

/* As the kernel does: without an entry there is a state, and nothing else to compare. */
enum truth foreign_ct(struct foreign_rule *rule, const struct nlattr *expr)
{
	const uint32_t key = attr_in_u32(expr, NFTA_CT_KEY, UINT32_MAX);
	const uint32_t dreg = attr_in_u32(expr, NFTA_CT_DREG, 0);
	const struct nlattr *direction = attr_in(expr, NFTA_CT_DIRECTION);
	bool reply = false;

	if (attr_in(expr, NFTA_CT_SREG))
		return ct_set(rule, key, attr_in_u32(expr, NFTA_CT_SREG, 0));
	if (key == NFT_CT_STATE) {
		reg_set_fact(rule, dreg, foreign_ct_state(rule->state));
		return YES;
	}
	if (direction && mnl_attr_get_payload_len(direction) >= 1)
		reply = mnl_attr_get_u8(direction) == IP_CT_DIR_REPLY;
	return truth_and(rule->state->entry, ct_of_entry(rule, key, dreg, reply));
}

/* "fib daddr type", "fib saddr . iif oif". */
enum truth foreign_fib(struct foreign_rule *rule, const struct nlattr *expr)
{
	const uint32_t dreg = attr_in_u32(expr, NFTA_FIB_DREG, 0);
	const uint32_t result = attr_in_u32(expr, NFTA_FIB_RESULT, UINT32_MAX);
	const uint32_t flags = attr_in_u32(expr, NFTA_FIB_FLAGS, 0);
	const struct foreign_state *state = rule->state;
	const struct endpoint *at = flags & NFTA_FIB_F_SADDR ? &state->source : &state->dest;
	uint8_t type = 0;
	uint32_t oif = 0;
	int got = state->host->route(state->host->data, &at->addr,
		flags & NFTA_FIB_F_MARK ? state->mark.value : 0, &type, &oif);

	reg_forget(rule, dreg, IF_NAMESIZE);
	if (got < 0 || ((flags & NFTA_FIB_F_MARK) && state->mark.known != UINT32_MAX))
		return YES;
	if (result == NFT_FIB_RESULT_ADDRTYPE) {
		reg_set_fact(rule, dreg, (struct fact){type, UINT32_MAX});
		return YES;
	}
	if (result != NFT_FIB_RESULT_OIF || ((flags & NFTA_FIB_F_IIF) && !state->iif.known))
		return YES;
	/* Only a route over the interface that it came in on counts. */
	if (!got || ((flags & NFTA_FIB_F_IIF) && oif != state->iif.value))
		oif = 0;
	if (flags & NFTA_FIB_F_PRESENT)
		set_u8(rule, dreg, oif != 0);
	else
		reg_set_fact(rule, dreg, (struct fact){oif, UINT32_MAX});
	return YES;
}
