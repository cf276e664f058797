/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "common/buf.h"
#include "rules/elem.h"
#include "rules/internal.h"
#include "rules/max_rate.h"

/* The comment in a table's user data is the first entry and has type 0 (libnftnl, udata.h). */
static void comment_read(const struct nlattr *attr, char *out, size_t size)
{
	const uint8_t *text;
	struct buf buf;
	uint8_t len;

	buf_init_read(&buf, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
	if (buf_get_u8(&buf) != 0)
		return;
	len = buf_get_u8(&buf);
	text = buf_take(&buf, len);
	if (text && len && len <= size && !text[len - 1])
		memcpy(out, text, len);
}

static void table_answer(void *data, const struct nlmsghdr *nlh)
{
	enum table_state *state = data;
	const struct nlattr *attr;
	char comment[32] = "";
	bool owned = false;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == NFTA_TABLE_USERDATA)
			comment_read(attr, comment, sizeof(comment));
		if (mnl_attr_get_type(attr) == NFTA_TABLE_OWNER)
			owned = mnl_attr_get_payload_len(attr) == 4 && mnl_attr_get_u32(attr);
	}
	if (strncmp(comment, SKELETON_TAG, strlen(SKELETON_TAG)) != 0)
		*state = TABLE_FOREIGN;
	else if (owned)
		*state = TABLE_OWNED;
	else if (!strcmp(comment, SKELETON_COMMENT))
		*state = TABLE_OURS;
	else
		*state = strcmp(comment, SKELETON_BEFORE) ? TABLE_OLD : TABLE_BEFORE;
}

int table_examine(struct nl *nl, enum table_state *out)
{
	char request[NL_REQUEST];
	struct nlmsghdr *nlh =
		nl_request(request, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, NFPROTO_INET);
	int err;

	*out = TABLE_NONE;
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, RULES_TABLE);
	err = nl_talk(nl, nlh, table_answer, out);
	return err == -ENOENT ? 0 : err;
}

int table_has_peers(struct nl *nl, bool *out)
{
	struct elems elems = {0};
	int err = elem_dump(nl, SET_PEER, AF_INET, &elems);

	*out = elems.count;
	if (!err && !*out) {
		err = elem_dump(nl, SET_PEER, AF_INET6, &elems);
		*out = elems.count;
	}
	free(elems.list);
	return err;
}

int table_extra(struct nl *nl, struct skeleton_extra *out)
{
	struct max_rate limit;
	int err = table_has_peers(nl, &out->peers);

	out->max_rate = 0;
	if (!err)
		err = max_rate_read(nl, &limit);
	if (!err)
		out->max_rate = limit.rate;
	return err;
}
