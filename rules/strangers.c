/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What others have put into our table. Their rules go with all rules when the skeleton is made
 * anew; a chain that is left could still drop everything by its policy.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "rules/internal.h"
#include "rules/max_rate.h"
#include "rules/skeleton_rules.h"

/* In one transaction; what is left over is found by the next comparison. */
#define STRANGERS_MAX 256
#define BINDING	      (1u << 2) /* NFT_CHAIN_BINDING, not in all headers: goes with its rule */

/* What a table consists of, in an order in which it can be deleted: sets refer to chains. */
static const struct kind {
	uint16_t get, made, delete;
	uint16_t name, flags; /* attributes */
	uint32_t bound;	      /* of flags: it goes with the rule that it belongs to */
} kinds[] = {
	{NFT_MSG_GETSET, NFT_MSG_NEWSET, NFT_MSG_DELSET, NFTA_SET_NAME, NFTA_SET_FLAGS,
		NFT_SET_ANONYMOUS},
	{NFT_MSG_GETCHAIN, NFT_MSG_NEWCHAIN, NFT_MSG_DELCHAIN, NFTA_CHAIN_NAME, NFTA_CHAIN_FLAGS,
		BINDING},
	{NFT_MSG_GETFLOWTABLE, NFT_MSG_NEWFLOWTABLE, NFT_MSG_DELFLOWTABLE, NFTA_FLOWTABLE_NAME,
		NFTA_FLOWTABLE_FLAGS, 0},
	{NFT_MSG_GETOBJ, NFT_MSG_NEWOBJ, NFT_MSG_DELOBJ, NFTA_OBJ_NAME, 0, 0},
};

struct strangers {
	const struct kind *kind;
	bool limited; /* there is a max_rate */
	size_t count;
	struct {
		char name[NFT_NAME_MAXLEN];
		uint32_t type; /* of an object */
	} list[STRANGERS_MAX];
};

static bool is_ours(const struct strangers *found, const char *name, uint32_t type)
{
	const struct kind *kind = found->kind;

	if (kind->get == NFT_MSG_GETCHAIN)
		return skeleton_has_chain(name) ||
		       (found->limited && !strcmp(name, CHAIN_MAX_RATE));
	if (kind->get == NFT_MSG_GETSET)
		return skeleton_has_set(name);
	return kind->get == NFT_MSG_GETOBJ && type == NFT_OBJECT_CT_TIMEOUT &&
	       (!strcmp(name, timeout_name(AF_INET)) || !strcmp(name, timeout_name(AF_INET6)));
}

static const char *text_of(const struct nlattr *attr)
{
	return mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) ? "" : mnl_attr_get_str(attr);
}

static uint32_t number_of(const struct nlattr *attr)
{
	return mnl_attr_validate(attr, MNL_TYPE_U32) ? 0 : ntohl(mnl_attr_get_u32(attr));
}

/* The table's name is the first attribute in all of them; older kernels send those of all tables.
 */
static void answer(void *data, const struct nlmsghdr *nlh)
{
	struct strangers *found = data;
	const struct kind *kind = found->kind;
	const char *table = "", *name = "";
	uint32_t flags = 0, type = 0;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | kind->made) ||
		((const struct nfgenmsg *)mnl_nlmsg_get_payload(nlh))->nfgen_family != NFPROTO_INET)
		return;
	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		const uint16_t which = mnl_attr_get_type(attr);

		if (which == NFTA_CHAIN_TABLE)
			table = text_of(attr);
		else if (which == kind->name)
			name = text_of(attr);
		else if (which == kind->flags)
			flags = number_of(attr);
		else if (which == NFTA_OBJ_TYPE && kind->get == NFT_MSG_GETOBJ)
			type = number_of(attr);
	}
	if (strcmp(table, RULES_TABLE) || !*name || strlen(name) >= NFT_NAME_MAXLEN ||
		flags & kind->bound || is_ours(found, name, type) || found->count == STRANGERS_MAX)
		return;
	strcpy(found->list[found->count].name, name);
	found->list[found->count++].type = type;
}

static void none_yet(void *data)
{
	struct strangers *found = data;

	found->count = 0;
}

static int kind_read(struct nl *nl, const struct kind *kind, struct strangers *out)
{
	char request[NL_REQUEST];
	struct nlmsghdr *nlh =
		nl_request(request, NFNL_SUBSYS_NFTABLES << 8 | kind->get, NFPROTO_INET);
	int err;

	out->kind = kind;
	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, RULES_TABLE);
	err = nl_dump(nl, nlh, none_yet, answer, out);
	/* Flowtables are a part that a kernel may lack. */
	return err == -EOPNOTSUPP || err == -ENOENT ? 0 : err;
}

int strangers_delete(struct rules *rules, uint32_t *count)
{
	struct strangers *found = malloc(sizeof(*found));
	int err = found ? 0 : -ENOMEM;

	*count = 0;
	if (found)
		found->limited = rules->extra.max_rate;
	for (size_t i = 0; !err && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		err = kind_read(&rules->nl, &kinds[i], found);
		for (size_t n = 0; !err && n < found->count; n++) {
			struct nlmsghdr *nlh = batch_add(&rules->batch, kinds[i].delete, 0, -1);

			mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, RULES_TABLE);
			mnl_attr_put_strz(nlh, kinds[i].name, found->list[n].name);
			if (kinds[i].get == NFT_MSG_GETOBJ)
				mnl_attr_put_u32(nlh, NFTA_OBJ_TYPE, htonl(found->list[n].type));
			++*count;
		}
	}
	free(found);
	return err;
}
