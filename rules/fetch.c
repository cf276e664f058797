/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/fetch.h"

#include <arpa/inet.h>
#include <errno.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

/* Newer than the oldest headers that we build with (6.3). */
#define SET_COUNT 20

/* Each is answered by a datagram, and all of them wait in the socket at once. */
#define ASK_MAX 256

struct set_facts {
	int64_t count; /* -1: not told */
	uint32_t size; /* 0: none */
};

static void desc_read(const struct nlattr *nest, struct set_facts *facts)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == NFTA_SET_DESC_SIZE &&
			mnl_attr_get_payload_len(attr) == 4)
			facts->size = ntohl(mnl_attr_get_u32(attr));
	}
}

static void facts_answer(void *data, const struct nlmsghdr *nlh)
{
	struct set_facts *facts = data;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == SET_COUNT && mnl_attr_get_payload_len(attr) == 4)
			facts->count = ntohl(mnl_attr_get_u32(attr));
		else if (mnl_attr_get_type(attr) == NFTA_SET_DESC)
			desc_read(attr, facts);
	}
}

static int facts_fetch(struct nl *nl, enum set_id set, uint8_t family, struct set_facts *out)
{
	char request[NL_REQUEST];
	struct nlmsghdr *nlh =
		nl_request(request, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSET, NFPROTO_INET);
	int err;

	*out = (struct set_facts){.count = -1};
	mnl_attr_put_strz(nlh, NFTA_SET_TABLE, RULES_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_NAME, set_name(set, family));
	err = nl_talk(nl, nlh, facts_answer, out);
	return !err && out->count < 0 ? -ENODATA : err;
}

int fetch_count(struct nl *nl, enum set_id set, uint8_t family, uint32_t *out)
{
	struct set_facts facts;
	int err = facts_fetch(nl, set, family, &facts);

	if (!err)
		*out = (uint32_t)facts.count;
	return err;
}

bool fetch_is_full(struct nl *nl, enum set_id set, uint8_t family)
{
	struct set_facts facts;

	return !facts_fetch(nl, set, family, &facts) && facts.size && facts.count >= facts.size;
}

/* The kernel answers in order, and stops at the first that is not there. */
static int ask(struct nl *nl, const struct elem *keys, size_t count, struct elems *out)
{
	char request[NL_REQUEST + ASK_MAX * ELEM_KEY_ROOM];
	struct elem_reading reading = {keys->set, keys->key.addr.family, out};
	struct nlmsghdr *nlh =
		nl_request(request, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM, NFPROTO_INET);

	elem_put_keys(nlh, keys, count);
	return nl_talk(nl, nlh, elem_answer, &reading);
}

/* Where many are not there, few are asked for at once, so that few are asked for in vain. */
int fetch_elems(struct nl *nl, const struct elem *keys, size_t count, struct elems *out)
{
	size_t at = 0, many = ASK_MAX;

	while (at < count) {
		size_t before = out->count, part = count - at < many ? count - at : many;
		int err = ask(nl, keys + at, part, out);

		if (err && err != -ENOENT)
			return err;
		if (out->failed)
			return -ENOMEM;
		at += err ? out->count - before + 1 : part;
		many = err ? (many > 1 ? many / 2 : 1) : (many < ASK_MAX ? many * 2 : ASK_MAX);
	}
	return 0;
}
