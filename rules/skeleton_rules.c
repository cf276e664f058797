/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/skeleton_rules.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>

#include "rules/expr.h"

/* Log events a second: of each listening endpoint, and of all refused packets together. */
#define OPEN_RATE    50
#define REFUSED_RATE 20

static const uint8_t families[] = {AF_INET, AF_INET6};
#define FOR_EACH_FAMILY(f)                                                                         \
	for (const uint8_t *(f) = families; (f) < families + sizeof(families); (f)++)

const char *timeout_name(uint8_t family)
{
	return family == AF_INET ? "udp4" : "udp6";
}

static const char *translate_name(uint8_t family)
{
	return family == AF_INET ? CHAIN_TRANSLATE4 : CHAIN_TRANSLATE6;
}

static const char *pair_name(uint8_t family)
{
	return family == AF_INET ? CHAIN_PAIR4 : CHAIN_PAIR6;
}

/* chain: KEY @set VERDICT */
static void add_match(
	struct batch *batch, const char *chain, uint8_t family, enum set_id set, const char *target)
{
	struct expr_rule rule;

	expr_begin(&rule, chain);
	expr_load_key(&rule, family,
		set == SET_EXACT || set == SET_PREFIX ? EXPR_DST_AND_SADDR : EXPR_DST);
	expr_lookup(&rule, set_name(set, family), false);
	expr_verdict(&rule, target ? NFT_GOTO : NF_ACCEPT, target);
	expr_end(&rule, batch);
}

static void add_notrack(
	struct batch *batch, const char *chain, uint8_t family, enum set_id set, enum expr_key key)
{
	struct expr_rule rule;

	expr_begin(&rule, chain);
	expr_load_key(&rule, family, key);
	expr_lookup(&rule, set_name(set, family), false);
	expr_notrack(&rule);
	expr_end(&rule, batch);
}

/* The first two bits of RTP are 10, of STUN 00: media leave after one comparison (RFC 7983). */
static void add_raw_in(struct batch *batch)
{
	static const uint8_t zero, top = 0xc0;
	static const uint8_t cookie[] = {0x21, 0x12, 0xa4, 0x42};
	struct expr_rule rule;

	expr_begin(&rule, CHAIN_RAW_IN);
	expr_payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 8, 1, EXPR_REG);
	expr_bitwise(&rule, &top, sizeof(top));
	expr_cmp(&rule, NFT_CMP_EQ, &zero, sizeof(zero));
	expr_payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 12, sizeof(cookie), EXPR_REG);
	expr_cmp(&rule, NFT_CMP_EQ, cookie, sizeof(cookie));
	expr_verdict(&rule, NFT_GOTO, CHAIN_STUN);
	expr_end(&rule, batch);
	FOR_EACH_FAMILY(f)
	add_notrack(batch, CHAIN_STUN, *f, SET_PUNCH, EXPR_DST);
}

static void add_raw_out(struct batch *batch)
{
	FOR_EACH_FAMILY(f)
	{
		add_notrack(batch, CHAIN_RAW_OUT, *f, SET_PUNCH, EXPR_SRC);
		add_notrack(batch, CHAIN_RAW_OUT, *f, SET_RAW, EXPR_SRC);
	}
}

void skeleton_add_raw_rules(struct batch *batch)
{
	FOR_EACH_FAMILY(f)
	add_notrack(batch, CHAIN_RAW_ANY, *f, SET_RAW, EXPR_DST);
}

static void add_to_client(struct batch *batch)
{
	static const enum set_id sources[] = {SET_ANY, SET_EXACT, SET_PREFIX};

	FOR_EACH_FAMILY(f)
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		add_match(batch, CHAIN_TO_CLIENT, *f, sources[i], translate_name(*f));
	FOR_EACH_FAMILY(f)
	add_match(batch, CHAIN_TO_CLIENT, *f, SET_PUNCH, pair_name(*f));
}

static void add_translate(struct batch *batch, const struct kernel *kernel, uint8_t family)
{
	const char *chain = translate_name(family);
	struct expr_rule rule;

	expr_begin(&rule, chain);
	expr_load_key(&rule, family, EXPR_DST);
	expr_lookup(&rule, set_name(SET_MARK, family), true);
	expr_ct_set(&rule, NFT_CT_MARK);
	expr_end(&rule, batch);

	/* Short, so that a sender which comes back from another port is locked out briefly. */
	if (kernel->timeouts) {
		expr_begin(&rule, chain);
		expr_timeout(&rule, timeout_name(family));
		expr_end(&rule, batch);
	}
	/* A flow whose reply tuple is in use comes here with each packet, as it is never confirmed.
	 */
	expr_begin(&rule, chain);
	expr_load_key(&rule, family, EXPR_DST);
	expr_limit_each(&rule, set_name(SET_OPENING, family), OPEN_RATE);
	expr_log(&rule, LOG_OPEN);
	expr_end(&rule, batch);

	expr_begin(&rule, chain);
	expr_load_key(&rule, family, EXPR_DST);
	expr_lookup(&rule, set_name(SET_INGRESS, family), true);
	expr_nat(&rule, NFT_NAT_DNAT, family);
	expr_end(&rule, batch);
}

static void add_pair(struct batch *batch, const struct kernel *kernel, uint8_t family)
{
	const char *chain = pair_name(family);
	struct expr_rule rule;

	expr_begin(&rule, chain);
	expr_load_key(&rule, family, EXPR_SRC_AND_DST);
	expr_lookup(&rule, set_name(SET_PEER_MARK, family), true);
	expr_ct_set(&rule, NFT_CT_MARK);
	if (kernel->timeouts)
		expr_timeout(&rule, timeout_name(family));
	expr_end(&rule, batch);

	expr_begin(&rule, chain);
	expr_load_key(&rule, family, EXPR_SRC_AND_DST);
	expr_lookup(&rule, set_name(SET_PEER, family), true);
	expr_nat(&rule, NFT_NAT_DNAT, family);
	expr_end(&rule, batch);
}

static void begin_from_relay(struct expr_rule *rule)
{
	static const uint32_t dnat = IPS_DST_NAT, zero;

	expr_begin(rule, CHAIN_FROM_RELAY);
	expr_ct(rule, NFT_CT_STATUS);
	expr_bitwise(rule, &dnat, sizeof(dnat));
	expr_cmp(rule, NFT_CMP_NEQ, &zero, sizeof(zero));
	expr_is_marked(rule, true);
}

/* A peer's socket may have several holes: who sent it says through which one it goes. */
static void add_from_relay(struct batch *batch, uint8_t family)
{
	struct expr_rule rule;

	begin_from_relay(&rule);
	expr_is_family(&rule, family);
	expr_is_proto(&rule, IPPROTO_UDP);
	expr_ct_original(&rule, family, true);
	expr_lookup(&rule, set_name(SET_PEER_FROM, family), true);
	expr_nat(&rule, NFT_NAT_SNAT, family);
	expr_end(&rule, batch);

	begin_from_relay(&rule);
	expr_load_key(&rule, family, EXPR_DST);
	expr_lookup(&rule, set_name(SET_EGRESS, family), true);
	expr_nat(&rule, NFT_NAT_SNAT, family);
	expr_end(&rule, batch);
}

/* A vanished client's NAT must not stop the sender, but it must learn the path's MTU. */
static void add_icmp(struct batch *batch)
{
	static const uint8_t frag_needed[] = {ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED};
	static const uint8_t too_big = ICMP6_PACKET_TOO_BIG;
	struct expr_rule rule;

	expr_begin(&rule, CHAIN_RELAYED);
	expr_is_family(&rule, AF_INET);
	expr_is_proto(&rule, IPPROTO_ICMP);
	expr_payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, sizeof(frag_needed), EXPR_REG);
	expr_cmp(&rule, NFT_CMP_EQ, frag_needed, sizeof(frag_needed));
	expr_verdict(&rule, NF_ACCEPT, NULL);
	expr_end(&rule, batch);

	expr_begin(&rule, CHAIN_RELAYED);
	expr_is_family(&rule, AF_INET6);
	expr_is_proto(&rule, IPPROTO_ICMPV6);
	expr_payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, sizeof(too_big), EXPR_REG);
	expr_cmp(&rule, NFT_CMP_EQ, &too_big, sizeof(too_big));
	expr_verdict(&rule, NF_ACCEPT, NULL);
	expr_end(&rule, batch);
}

static void add_relayed(struct batch *batch)
{
	static const uint8_t reply = IP_CT_DIR_REPLY;
	struct expr_rule rule;

	/* Media first: one lookup decides, counts and polices. */
	FOR_EACH_FAMILY(f)
	add_match(batch, CHAIN_RELAYED, *f, SET_CONSENT, NULL);
	expr_begin(&rule, CHAIN_RELAYED);
	expr_is_marked(&rule, false);
	expr_verdict(&rule, NF_ACCEPT, NULL);
	expr_end(&rule, batch);
	add_icmp(batch);
	/* Both directions between peers need consent; a stream's client may answer without. */
	FOR_EACH_FAMILY(f)
	{
		expr_begin(&rule, CHAIN_RELAYED);
		expr_ct_original(&rule, *f, false);
		expr_lookup(&rule, set_name(SET_PUNCH, *f), false);
		expr_verdict(&rule, NF_DROP, NULL);
		expr_end(&rule, batch);
	}

	expr_begin(&rule, CHAIN_RELAYED);
	expr_is_proto(&rule, IPPROTO_UDP);
	expr_ct(&rule, NFT_CT_DIRECTION);
	expr_cmp(&rule, NFT_CMP_EQ, &reply, sizeof(reply));
	expr_verdict(&rule, NF_ACCEPT, NULL);
	expr_end(&rule, batch);

	expr_begin(&rule, CHAIN_RELAYED);
	expr_verdict(&rule, NF_DROP, NULL);
	expr_end(&rule, batch);
}

static void add_refuse(struct batch *batch)
{
	struct expr_rule rule;

	expr_begin(&rule, CHAIN_REFUSE);
	expr_limit(&rule, REFUSED_RATE);
	expr_log(&rule, LOG_REFUSED);
	expr_end(&rule, batch);

	expr_begin(&rule, CHAIN_REFUSE);
	expr_verdict(&rule, NF_DROP, NULL);
	expr_end(&rule, batch);
}

/*
 * Besides what is refused: a client's RTCP that meets no flow. If it were let in, its conntrack
 * entry would hold the very tuple that the stream needs.
 */
static void add_refuse_in(struct batch *batch)
{
	static const uint32_t untracked = 1
					  << 6; /* NF_CT_STATE_UNTRACKED_BIT, not in all headers */
	struct expr_rule rule;

	FOR_EACH_FAMILY(f)
	add_match(batch, CHAIN_REFUSE_IN, *f, SET_LISTEN, CHAIN_REFUSE);
	FOR_EACH_FAMILY(f)
	{
		expr_begin(&rule, CHAIN_REFUSE_IN);
		expr_load_key(&rule, *f, EXPR_DST);
		expr_lookup(&rule, set_name(SET_PUNCH, *f), false);
		expr_ct(&rule, NFT_CT_STATE);
		expr_cmp(&rule, NFT_CMP_NEQ, &untracked, sizeof(untracked));
		expr_verdict(&rule, NF_DROP, NULL);
		expr_end(&rule, batch);
	}
}

void skeleton_add_rules(struct batch *batch, const struct kernel *kernel)
{
	add_raw_in(batch);
	add_raw_out(batch);
	add_to_client(batch);
	FOR_EACH_FAMILY(f)
	{
		add_translate(batch, kernel, *f);
		add_pair(batch, kernel, *f);
		add_from_relay(batch, *f);
	}
	add_relayed(batch);
	add_refuse(batch);
	add_refuse_in(batch);
}
