/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/skeleton.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <libnftnl/expr.h>
#include <libnftnl/object.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "rules/chain.h"
#include "rules/max_rate.h"
#include "rules/skeleton_rules.h"

/* Newer than the oldest headers that we build with (6.9). */
#define TABLE_F_PERSIST 0x4

/* How nft calls types when it prints a set (nftables, include/datatype.h). */
#define NFT_TYPE_IPADDR	      7u
#define NFT_TYPE_IP6ADDR      8u
#define NFT_TYPE_INET_SERVICE 13u
#define NFT_TYPE_MARK	      19u
#define NFT_TYPE_BITS	      6
#define NFT_HOST_ENDIAN	      1
#define NFT_BIG_ENDIAN	      2

#define OPENING_TIMEOUT 10000 /* milliseconds */
#define EVAL_SIZE	65535 /* elements that packets may add */

/* Seconds; the kernel's own are 30 and 120. */
#define TIMEOUT_UNREPLIED 10
#define TIMEOUT_REPLIED	  30

enum set_data { DATA_NONE, DATA_MARK, DATA_ENDPOINT, DATA_VERDICT };

static const struct set_spec {
	const char *name[2]; /* IPv4, IPv6 */
	const char *comment;
	enum set_data data;
	uint32_t flags;
	bool source;  /* the source's address is part of the key */
	bool hole;    /* source and destination are the key */
	bool counter; /* of every element */
} sets[SET_COUNT] = {
	[SET_LISTEN] =
		{
			.name = {"listen4", "listen6"},
			.comment = "where senders send to; counts what was refused",
			.counter = true,
		},
	[SET_MARK] =
		{
			.name = {"mark4", "mark6"},
			.comment = "the streams' numbers",
			.data = DATA_MARK,
		},
	[SET_EXACT] =
		{
			.name = {"exact4", "exact6"},
			.comment = "consent: one address may send",
			.data = DATA_VERDICT,
			.source = true,
			.flags = NFT_SET_TIMEOUT,
		},
	[SET_ANY] =
		{
			.name = {"any4", "any6"},
			.comment = "consent: anybody may send",
			.data = DATA_VERDICT,
			.flags = NFT_SET_TIMEOUT,
		},
	[SET_EXACT_RATE] =
		{
			.name = {"exact_rate4", "exact_rate6"},
			.comment = "consent: one address may send, at a rate",
			.source = true,
			.flags = NFT_SET_TIMEOUT,
		},
	[SET_ANY_RATE] =
		{
			.name = {"any_rate4", "any_rate6"},
			.comment = "consent: anybody may send, at a rate",
			.flags = NFT_SET_TIMEOUT,
		},
	[SET_WITHIN] =
		{
			.name = {"within4", "within6"},
			.comment = "consent: those within a prefix may send",
			.flags = NFT_SET_TIMEOUT,
		},
	[SET_PREFIX] =
		{
			.name = {"prefix4", "prefix6"},
			.comment = "the prefixes",
			.source = true,
			.flags = NFT_SET_INTERVAL | NFT_SET_CONCAT,
		},
	[SET_RATE] =
		{
			.name = {"rate4", "rate6"},
			.comment = "counts, and keeps the rate",
		},
	[SET_LIMITED] =
		{
			.name = {"limited4", "limited6"},
			.comment = "counts what was over the rate",
			.flags = NFT_SET_EVAL,
		},
	[SET_INGRESS] =
		{
			.name = {"ingress4", "ingress6"},
			.comment = "to whom it goes",
			.data = DATA_ENDPOINT,
		},
	[SET_EGRESS] =
		{
			.name = {"egress4", "egress6"},
			.comment = "from where a client expects it",
			.data = DATA_ENDPOINT,
		},
	[SET_CONSENT] =
		{
			.name = {"consent4", "consent6"},
			.comment = "consent: peers that have punched",
			.flags = NFT_SET_TIMEOUT,
		},
	[SET_PUNCH] = {.name = {"punch4", "punch6"}, .comment = "STUN"},
	[SET_RAW] = {.name = {"raw4", "raw6"}, .comment = "every datagram is a punch"},
	[SET_OPENING] =
		{
			.name = {"opening4", "opening6"},
			.comment = "limits the log",
			.flags = NFT_SET_TIMEOUT | NFT_SET_EVAL,
		},
	[SET_PEER] =
		{
			.name = {"peer4", "peer6"},
			.comment = "from one peer to the other",
			.data = DATA_ENDPOINT,
			.hole = true,
		},
	[SET_PEER_MARK] =
		{
			.name = {"peer_mark4", "peer_mark6"},
			.comment = "the numbers of the peers' streams",
			.data = DATA_MARK,
			.hole = true,
		},
	[SET_PEER_FROM] =
		{
			.name = {"peer_from4", "peer_from6"},
			.comment = "from where the other peer expects it",
			.data = DATA_ENDPOINT,
			.hole = true,
		},
};

const char *set_name(enum set_id set, uint8_t family)
{
	return sets[set].name[family == AF_INET6];
}

bool skeleton_has_set(const char *name)
{
	for (size_t id = 0; id < SET_COUNT; id++)
		if (!strcmp(sets[id].name[0], name) || !strcmp(sets[id].name[1], name))
			return true;
	return false;
}

uint32_t skeleton_flags(const struct kernel *kernel)
{
	return kernel->persist ? NFT_TABLE_F_OWNER | TABLE_F_PERSIST : 0;
}

void skeleton_add_table(struct batch *batch, const char *table, uint32_t flags)
{
	struct nlmsghdr *nlh = batch_add(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, -1);
	struct nftnl_udata_buf *udata = udata_comment(NFTNL_UDATA_TABLE_COMMENT, SKELETON_COMMENT);

	if (!udata) {
		batch->failed = true;
		return;
	}
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, table);
	mnl_attr_put_u32(nlh, NFTA_TABLE_FLAGS, htonl(flags));
	mnl_attr_put(
		nlh, NFTA_TABLE_USERDATA, nftnl_udata_buf_len(udata), nftnl_udata_buf_data(udata));
	nftnl_udata_buf_free(udata);
}

void skeleton_delete(struct batch *batch, const char *table)
{
	struct nlmsghdr *nlh = batch_add(batch, NFT_MSG_DELTABLE, 0, -1);

	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, table);
}

void skeleton_add_timeout(struct batch *batch, const char *table, uint8_t family)
{
	uint32_t policy[NFTNL_CTTIMEOUT_ARRAY_MAX] = {
		[NFTNL_CTTIMEOUT_UDP_UNREPLIED] = TIMEOUT_UNREPLIED,
		[NFTNL_CTTIMEOUT_UDP_REPLIED] = TIMEOUT_REPLIED,
	};
	struct nftnl_obj *object = nftnl_obj_alloc();

	if (!object) {
		batch->failed = true;
		return;
	}
	nftnl_obj_set_str(object, NFTNL_OBJ_TABLE, table);
	nftnl_obj_set_str(object, NFTNL_OBJ_NAME, timeout_name(family));
	nftnl_obj_set_u32(object, NFTNL_OBJ_TYPE, NFT_OBJECT_CT_TIMEOUT);
	nftnl_obj_set_u16(object, NFTNL_OBJ_CT_TIMEOUT_L3PROTO, family);
	nftnl_obj_set_u8(object, NFTNL_OBJ_CT_TIMEOUT_L4PROTO, IPPROTO_UDP);
	nftnl_obj_set_data(object, NFTNL_OBJ_CT_TIMEOUT_ARRAY, policy, sizeof(policy));
	nftnl_obj_nlmsg_build_payload(batch_add(batch, NFT_MSG_NEWOBJ, NLM_F_CREATE, -1), object);
	nftnl_obj_free(object);
}

/* Types and lengths of key and data; nft shows what they mean. */
static void set_fill(struct nftnl_set *set, const struct set_spec *spec, uint8_t family)
{
	const uint32_t ip = family == AF_INET ? NFT_TYPE_IPADDR : NFT_TYPE_IP6ADDR;
	const uint8_t size = family == AF_INET ? 4 : 16;
	const uint8_t fields[] = {size, 2, size};
	const uint32_t endpoint = ip << NFT_TYPE_BITS | NFT_TYPE_INET_SERVICE;
	uint32_t key = endpoint, len = size + 4u;

	if (spec->source) {
		key = endpoint << NFT_TYPE_BITS | ip;
		len += size;
	} else if (spec->hole) {
		key = endpoint << 2 * NFT_TYPE_BITS | endpoint;
		len *= 2;
	}
	nftnl_set_set_u32(set, NFTNL_SET_FAMILY, NFPROTO_INET);
	nftnl_set_set_u32(
		set, NFTNL_SET_FLAGS, spec->flags | (spec->data == DATA_NONE ? 0 : NFT_SET_MAP));
	nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, key);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, len);
	if (spec->flags & NFT_SET_CONCAT)
		nftnl_set_set_data(set, NFTNL_SET_DESC_CONCAT, fields, sizeof(fields));
	if (spec->data == DATA_MARK) {
		nftnl_set_set_u32(set, NFTNL_SET_DATA_TYPE, NFT_TYPE_MARK);
		nftnl_set_set_u32(set, NFTNL_SET_DATA_LEN, sizeof(uint32_t));
	} else if (spec->data == DATA_VERDICT) {
		nftnl_set_set_u32(set, NFTNL_SET_DATA_TYPE, NFT_DATA_VERDICT);
		nftnl_set_set_u32(set, NFTNL_SET_DATA_LEN, 0);
	} else if (spec->data == DATA_ENDPOINT) {
		nftnl_set_set_u32(set, NFTNL_SET_DATA_TYPE, endpoint);
		nftnl_set_set_u32(set, NFTNL_SET_DATA_LEN, size + 4u);
	}
	if (spec->flags & NFT_SET_EVAL)
		nftnl_set_set_u32(set, NFTNL_SET_DESC_SIZE, EVAL_SIZE);
	if (spec->flags & NFT_SET_EVAL && spec->flags & NFT_SET_TIMEOUT)
		nftnl_set_set_u64(set, NFTNL_SET_TIMEOUT, OPENING_TIMEOUT);
}

static bool set_comment(struct nftnl_set *set, const struct set_spec *spec)
{
	struct nftnl_udata_buf *udata = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	int err;

	if (!udata)
		return false;
	nftnl_udata_put_u32(udata, NFTNL_UDATA_SET_KEYBYTEORDER, NFT_BIG_ENDIAN);
	if (spec->data == DATA_MARK || spec->data == DATA_ENDPOINT)
		nftnl_udata_put_u32(udata, NFTNL_UDATA_SET_DATABYTEORDER,
			spec->data == DATA_MARK ? NFT_HOST_ENDIAN : NFT_BIG_ENDIAN);
	nftnl_udata_put_strz(udata, NFTNL_UDATA_SET_COMMENT, spec->comment);
	err = nftnl_set_set_data(
		set, NFTNL_SET_USERDATA, nftnl_udata_buf_data(udata), nftnl_udata_buf_len(udata));
	nftnl_udata_buf_free(udata);
	return !err;
}

static bool set_counter(struct nftnl_set *set)
{
	struct nftnl_expr *counter = nftnl_expr_alloc("counter");

	if (counter)
		nftnl_set_add_expr(set, counter);
	return counter;
}

static void add_set(struct batch *batch, enum set_id id, uint8_t family)
{
	const struct set_spec *spec = &sets[id];
	struct nftnl_set *set = nftnl_set_alloc();

	if (!set || nftnl_set_set_str(set, NFTNL_SET_TABLE, RULES_TABLE) ||
		nftnl_set_set_str(set, NFTNL_SET_NAME, set_name(id, family)) ||
		!set_comment(set, spec) || (spec->counter && !set_counter(set))) {
		batch->failed = true;
	} else {
		set_fill(set, spec, family);
		nftnl_set_set_u32(set, NFTNL_SET_ID, 2u * id + (family == AF_INET6) + 1);
		nftnl_set_nlmsg_build_payload(
			batch_add(batch, NFT_MSG_NEWSET, NLM_F_CREATE, -1), set);
	}
	if (set)
		nftnl_set_free(set);
}

static const struct chain_spec chains[] = {
	{.name = CHAIN_STUN, .comment = "punches are not tracked"},
	{.name = CHAIN_RATE4, .comment = "as fast as allowed"},
	{.name = CHAIN_RATE6, .comment = "as fast as allowed"},
	{.name = CHAIN_REFUSE, .comment = "without an answer"},
	{.name = CHAIN_WITHIN4, .comment = "from a prefix"},
	{.name = CHAIN_WITHIN6, .comment = "from a prefix"},
	{.name = CHAIN_ERRORS4, .comment = "senders do not hear of vanished clients"},
	{.name = CHAIN_ERRORS6, .comment = "senders do not hear of vanished clients"},
	{CHAIN_RAW_IN, "who may send, as long as consent lasts", "filter", NF_INET_PRE_ROUTING,
		-300},
	{CHAIN_RAW_OUT, "answers to punches are not tracked", "filter", NF_INET_LOCAL_OUT, -300},
	{CHAIN_TO_CLIENT, "a flow is opened", "nat", NF_INET_PRE_ROUTING, -110},
	{CHAIN_FROM_RELAY, "clients see the relay", "nat", NF_INET_POST_ROUTING, 90},
	{.name = CHAIN_EARLY, .comment = "there before its port was listened to"},
	{CHAIN_REFUSE_IN, "what was not translated", "filter", NF_INET_LOCAL_IN, -10},
};

static const struct chain_spec peer_chains[] = {
	{.name = CHAIN_TO_PEER4, .comment = "as long as consent lasts"},
	{.name = CHAIN_TO_PEER6, .comment = "as long as consent lasts"},
	{CHAIN_PEERS, "exists while peer4 or peer6 has elements", "filter", NF_INET_FORWARD, -10},
};
#define PEER_CHAINS (sizeof(peer_chains) / sizeof(peer_chains[0]))

bool skeleton_has_chain(const char *name)
{
	for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++)
		if (!strcmp(chains[i].name, name))
			return true;
	for (size_t i = 0; i < PEER_CHAINS; i++)
		if (!strcmp(peer_chains[i].name, name))
			return true;
	return false;
}

void skeleton_add_peers(struct batch *batch)
{
	for (size_t i = 0; i < PEER_CHAINS; i++)
		chain_add(batch, &peer_chains[i]);
	for (size_t i = 0; i < PEER_CHAINS; i++)
		chain_clear(batch, peer_chains[i].name);
	skeleton_add_peer_rules(batch);
}

/* Who goes to another chain is deleted first. */
void skeleton_delete_peers(struct batch *batch)
{
	for (size_t i = 0; i < PEER_CHAINS; i++)
		chain_clear(batch, peer_chains[i].name);
	for (size_t i = PEER_CHAINS; i > 0; i--)
		chain_delete(batch, peer_chains[i - 1].name);
}

void skeleton_add(
	struct batch *batch, const struct kernel *kernel, const struct skeleton_extra *extra)
{
	skeleton_add_table(batch, RULES_TABLE, skeleton_flags(kernel));
	for (int id = 0; id < SET_COUNT; id++) {
		add_set(batch, (enum set_id)id, AF_INET);
		add_set(batch, (enum set_id)id, AF_INET6);
	}
	if (kernel->timeouts) {
		skeleton_add_timeout(batch, RULES_TABLE, AF_INET);
		skeleton_add_timeout(batch, RULES_TABLE, AF_INET6);
	}
	for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++)
		chain_add(batch, &chains[i]);
	chain_clear(batch, NULL);
	skeleton_add_rules(batch, kernel);
	if (extra->peers)
		skeleton_add_peers(batch);
	if (extra->max_rate)
		max_rate_add(batch, extra->max_rate);
}
