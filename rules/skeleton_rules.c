/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/skeleton_rules.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>

#include "rules/elem.h"
#include "rules/expr.h"

/* Log events a second: of each listening endpoint, and of all refused packets together. */
#define OPEN_RATE    50
#define REFUSED_RATE 20
/* Behind the header of UDP and four bytes (RFC 8489, section 5). */
#define STUN_COOKIE_BYTES                                                                          \
	{                                                                                          \
		0x21, 0x12, 0xa4, 0x42                                                             \
	}

static const uint8_t families[] = {AF_INET, AF_INET6};
#define FOR_EACH_FAMILY(f)                                                                         \
	for (const uint8_t *(f) = families; (f) < families + sizeof(families); (f)++)

const char *timeout_name(uint8_t family)
{
	return family == AF_INET ? "udp4" : "udp6";
}

/* The chain of this family. */
static const char *chain_of(uint8_t family, const char *v4, const char *v6)
{
	return family == AF_INET ? v4 : v6;
}

/* chain: KEY @set VERDICT; without a target it accepts. */
static void add_match(
	struct batch *batch, const char *chain, uint8_t family, enum set_id set, const char *target)
{
	struct expr_rule rule;

	expr_begin(&rule, chain);
	expr_load_key(&rule, family, elem_has_source(set) ? EXPR_DST_AND_SADDR : EXPR_DST);
	expr_lookup(&rule, set_name(set, family), false);
	expr_verdict(&rule, target ? NFT_GOTO : NF_ACCEPT, target);
	expr_end(&rule, batch);
}

/* chain: KEY vmap @set */
static void add_verdict(struct batch *batch, const char *chain, uint8_t family, enum set_id set)
{
	struct expr_rule rule;

	expr_begin(&rule, chain);
	expr_load_key(&rule, family, elem_has_source(set) ? EXPR_DST_AND_SADDR : EXPR_DST);
	expr_lookup_verdict(&rule, set_name(set, family));
	expr_end(&rule, batch);
}

/* Where it was sent to, when the set has room. */
static void add_limited(struct batch *batch, const char *chain, uint8_t family)
{
	struct expr_rule rule;

	expr_begin(&rule, chain);
	expr_load_key(&rule, family, EXPR_DST);
	expr_count_each(&rule, set_name(SET_LIMITED, family));
	expr_end(&rule, batch);
}

static void add_drop(struct batch *batch, const char *chain)
{
	struct expr_rule rule;

	expr_begin(&rule, chain);
	expr_verdict(&rule, NF_DROP, NULL);
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
	expr_verdict(&rule, NF_ACCEPT, NULL);
	expr_end(&rule, batch);
}

/* The first two bits of RTP are 10, of STUN 00: media leave after one comparison (RFC 7983). */
static void add_stun(struct batch *batch)
{
	static const uint8_t zero, top = 0xc0;
	static const uint8_t cookie[] = STUN_COOKIE_BYTES;
	struct expr_rule rule;

	expr_begin(&rule, CHAIN_RAW_IN);
	expr_payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 8, 1, EXPR_REG);
	expr_bitwise(&rule, &top, sizeof(top));
	expr_cmp(&rule, NFT_CMP_EQ, &zero, sizeof(zero));
	expr_payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 12, sizeof(cookie), EXPR_REG);
	expr_cmp(&rule, NFT_CMP_EQ, cookie, sizeof(cookie));
	/* What is for no punch port comes back, and needs consent as anything else. */
	expr_verdict(&rule, NFT_JUMP, CHAIN_STUN);
	expr_end(&rule, batch);
	FOR_EACH_FAMILY(f)
	add_notrack(batch, CHAIN_STUN, *f, SET_PUNCH, EXPR_DST);
}

static void add_errors_jump(struct batch *batch, uint8_t family)
{
	struct expr_rule rule;

	expr_begin(&rule, CHAIN_RAW_IN);
	expr_is_family(&rule, family);
	expr_is_proto(&rule, family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	expr_verdict(&rule, NFT_GOTO, chain_of(family, CHAIN_ERRORS4, CHAIN_ERRORS6));
	expr_end(&rule, batch);
}

/*
 * Nearly all media come with a plain IPv4 header. What else than UDP the same sender sends to the
 * same port is counted too, and passes here either way.
 */
static void add_plain_media(struct batch *batch)
{
	struct expr_rule rule;

	expr_begin(&rule, CHAIN_RAW_IN);
	expr_load_plain(&rule);
	expr_lookup_verdict(&rule, set_name(SET_EXACT, AF_INET));
	expr_end(&rule, batch);
}

/*
 * One lookup decides whether media pass, and counts and polices them, before connection tracking
 * sees them; it comes first, for nothing else comes as often. A port has one sender while media
 * flow, so the set with the source in its key is the first one.
 */
static void add_raw_in(struct batch *batch)
{
	add_plain_media(batch);
	add_verdict(batch, CHAIN_RAW_IN, AF_INET6, SET_EXACT);
	add_stun(batch);
	add_verdict(batch, CHAIN_RAW_IN, AF_INET, SET_EXACT);
	FOR_EACH_FAMILY(f)
	{
		const char *rate = chain_of(*f, CHAIN_RATE4, CHAIN_RATE6);

		add_verdict(batch, CHAIN_RAW_IN, *f, SET_ANY);
		add_match(batch, CHAIN_RAW_IN, *f, SET_EXACT_RATE, rate);
		add_match(batch, CHAIN_RAW_IN, *f, SET_ANY_RATE, rate);
		add_match(batch, CHAIN_RAW_IN, *f, SET_WITHIN,
			chain_of(*f, CHAIN_WITHIN4, CHAIN_WITHIN6));
		add_match(batch, CHAIN_RAW_IN, *f, SET_LISTEN, CHAIN_REFUSE);
		add_notrack(batch, CHAIN_RAW_IN, *f, SET_RAW, EXPR_DST);
		add_errors_jump(batch, *f);

		add_match(batch, rate, *f, SET_RATE, NULL);
		add_limited(batch, rate, *f);
		add_drop(batch, rate);
		add_match(batch, chain_of(*f, CHAIN_WITHIN4, CHAIN_WITHIN6), *f, SET_PREFIX, rate);
		add_match(batch, chain_of(*f, CHAIN_WITHIN4, CHAIN_WITHIN6), *f, SET_LISTEN,
			CHAIN_REFUSE);
	}
}

/*
 * An error about a packet of ours must not stop its sender; but it must learn the path's MTU. Of
 * the packet that an error tells of, its source is one of our endpoints.
 */
static void add_errors(struct batch *batch, uint8_t family)
{
	static const enum set_id ours[] = {SET_PUNCH, SET_RAW, SET_LISTEN};
	static const uint8_t frag_needed[] = {ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED};
	static const uint8_t too_big = ICMP6_PACKET_TOO_BIG;
	const char *chain = chain_of(family, CHAIN_ERRORS4, CHAIN_ERRORS6);
	const bool v4 = family == AF_INET;
	const uint32_t size = v4 ? sizeof(frag_needed) : sizeof(too_big);
	struct expr_rule rule;

	expr_begin(&rule, chain);
	expr_is_family(&rule, family);
	expr_is_proto(&rule, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	expr_payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, size, EXPR_REG);
	expr_cmp(&rule, NFT_CMP_EQ, v4 ? frag_needed : &too_big, size);
	expr_verdict(&rule, NF_ACCEPT, NULL);
	expr_end(&rule, batch);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		expr_begin(&rule, chain);
		expr_load_erring(&rule, family);
		expr_lookup(&rule, set_name(ours[i], family), false);
		expr_verdict(&rule, NF_DROP, NULL);
		expr_end(&rule, batch);
	}
}

/* Both directions between peers need consent of who receives. Of ICMP only what may pass is left.
 */
void skeleton_add_peer_rules(struct batch *batch)
{
	struct expr_rule rule;

	FOR_EACH_FAMILY(f)
	{
		const char *chain = chain_of(*f, CHAIN_TO_PEER4, CHAIN_TO_PEER6);

		expr_begin(&rule, CHAIN_PEERS);
		expr_ct_original(&rule, *f, false);
		expr_lookup(&rule, set_name(SET_PUNCH, *f), false);
		expr_verdict(&rule, NFT_GOTO, chain);
		expr_end(&rule, batch);

		add_match(batch, chain, *f, SET_CONSENT, NULL);
		expr_begin(&rule, chain);
		expr_is_proto(&rule, IPPROTO_UDP);
		expr_verdict(&rule, NF_DROP, NULL);
		expr_end(&rule, batch);
	}
}

static void add_raw_out(struct batch *batch)
{
	FOR_EACH_FAMILY(f)
	{
		add_notrack(batch, CHAIN_RAW_OUT, *f, SET_PUNCH, EXPR_SRC);
		/* From a program on this host: behind loopback it could not be undone. */
		add_notrack(batch, CHAIN_RAW_OUT, *f, SET_PUNCH, EXPR_DST);
		add_notrack(batch, CHAIN_RAW_OUT, *f, SET_RAW, EXPR_SRC);
	}
}

/* The flow's mark, by the endpoint or by the hole to which its first packet came. */
static void begin_mark(struct expr_rule *rule, const struct kernel *kernel, uint8_t family,
	enum expr_key key, enum set_id set)
{
	expr_begin(rule, CHAIN_TO_CLIENT);
	expr_load_key(rule, family, key);
	expr_lookup(rule, set_name(set, family), true);
	expr_ct_set(rule, NFT_CT_MARK);
	/* Short, so that a sender which comes back from another port is locked out briefly. */
	if (kernel->timeouts)
		expr_timeout(rule, timeout_name(family));
}

/* Whoever comes here may send. */
static void add_to_client(struct batch *batch, const struct kernel *kernel, uint8_t family)
{
	struct expr_rule rule;

	/* A flow whose reply tuple is in use comes here with each packet, as it is never confirmed.
	 */
	begin_mark(&rule, kernel, family, EXPR_DST, SET_MARK);
	expr_load_key(&rule, family, EXPR_DST);
	expr_limit_each(&rule, set_name(SET_OPENING, family), OPEN_RATE);
	expr_log(&rule, LOG_OPEN);
	expr_end(&rule, batch);

	expr_begin(&rule, CHAIN_TO_CLIENT);
	expr_load_key(&rule, family, EXPR_DST);
	expr_lookup(&rule, set_name(SET_INGRESS, family), true);
	expr_nat(&rule, NFT_NAT_DNAT, family);
	expr_end(&rule, batch);

	begin_mark(&rule, kernel, family, EXPR_SRC_AND_DST, SET_PEER_MARK);
	expr_end(&rule, batch);

	expr_begin(&rule, CHAIN_TO_CLIENT);
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

/* A probe that has come back (relayd/loop.h) must not be lost among the media that did. */
static void add_refuse(struct batch *batch)
{
	static const uint8_t cookie[] = STUN_COOKIE_BYTES;
	struct expr_rule rule;

	expr_begin(&rule, CHAIN_REFUSE);
	expr_payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 12, sizeof(cookie), EXPR_REG);
	expr_cmp(&rule, NFT_CMP_EQ, cookie, sizeof(cookie));
	expr_limit(&rule, REFUSED_RATE);
	expr_log(&rule, LOG_REFUSED);
	expr_verdict(&rule, NF_DROP, NULL);
	expr_end(&rule, batch);
	expr_begin(&rule, CHAIN_REFUSE);
	expr_limit(&rule, REFUSED_RATE);
	expr_log(&rule, LOG_REFUSED);
	expr_end(&rule, batch);
	add_drop(batch, CHAIN_REFUSE);
}

/*
 * What may be sent and was not translated had a flow before its port was listened to: the log has
 * that flow deleted. And a client's RTCP that meets no flow: if it were let in, its conntrack entry
 * would hold the very tuple that the stream needs.
 */
static void add_refuse_in(struct batch *batch, uint8_t family)
{
	static const uint32_t untracked = 1
					  << 6; /* NF_CT_STATE_UNTRACKED_BIT, not in all headers */
	struct expr_rule rule;

	expr_begin(&rule, CHAIN_EARLY);
	expr_load_key(&rule, family, EXPR_DST);
	expr_limit_each(&rule, set_name(SET_OPENING, family), OPEN_RATE);
	expr_log(&rule, LOG_EARLY);
	expr_end(&rule, batch);

	add_match(batch, CHAIN_REFUSE_IN, family, SET_LISTEN, CHAIN_EARLY);
	expr_begin(&rule, CHAIN_REFUSE_IN);
	expr_load_key(&rule, family, EXPR_DST);
	expr_lookup(&rule, set_name(SET_PUNCH, family), false);
	expr_ct(&rule, NFT_CT_STATE);
	expr_cmp(&rule, NFT_CMP_NEQ, &untracked, sizeof(untracked));
	expr_verdict(&rule, NF_DROP, NULL);
	expr_end(&rule, batch);
}

void skeleton_add_rules(struct batch *batch, const struct kernel *kernel)
{
	add_raw_in(batch);
	add_raw_out(batch);
	FOR_EACH_FAMILY(f)
	{
		add_errors(batch, *f);
		add_to_client(batch, kernel, *f);
		add_from_relay(batch, *f);
		add_refuse_in(batch, *f);
	}
	add_refuse(batch);
	add_drop(batch, CHAIN_EARLY);
}
