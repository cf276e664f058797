/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ruleset_rank: which of several chains with the same priority comes first, from the kernel's own
 * list of hooks (nfnetlink_hook, since 5.14), which not every kernel is built with.
 */
#include <arpa/inet.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_hook.h>

#include "rules/ruleset.h"

struct ranking {
	struct ruleset *ruleset;
	bool v6;
	uint32_t next;
};

static void hook_read(void *data, const struct nlmsghdr *nlh)
{
	struct ranking *ranking = data;
	const struct nlattr *attr, *desc = NULL;
	const char *table, *name;
	struct ruleset_chain *chain;
	uint8_t family;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct nfgenmsg))
		return;
	mnl_attr_for_each(attr, nlh,
		sizeof(struct nfgenmsg)) if (mnl_attr_get_type(attr) == NFNLA_HOOK_CHAIN_INFO)
		desc = attr_in(attr, NFNLA_HOOK_INFO_DESC);
	table = attr_in_text(desc, NFNLA_CHAIN_TABLE);
	name = attr_in_text(desc, NFNLA_CHAIN_NAME);
	attr = attr_in(desc, NFNLA_CHAIN_FAMILY);
	if (!table || !name || !attr || !mnl_attr_get_payload_len(attr))
		return;
	/* In its last byte, whether the kernel writes one or four. */
	family = ((const uint8_t *)mnl_attr_get_payload(attr))[mnl_attr_get_payload_len(attr) - 1];
	/* The chain is ours to change: it lies in this ruleset. */
	chain = (struct ruleset_chain *)ruleset_chain(ranking->ruleset, family, table, name);
	if (chain)
		chain->rank[ranking->v6] = ++ranking->next;
}

void ruleset_rank(struct ruleset *ruleset, struct nl *nl)
{
	for (int v6 = 0; v6 < 2; v6++)
		for (uint32_t hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
			struct ranking ranking = {ruleset, v6, 0};
			char request[NL_REQUEST];
			struct nlmsghdr *nlh =
				nl_request(request, NFNL_SUBSYS_HOOK << 8 | NFNL_MSG_HOOK_GET,
					v6 ? NFPROTO_IPV6 : NFPROTO_IPV4);

			nlh->nlmsg_flags |= NLM_F_DUMP;
			mnl_attr_put_u32(nlh, NFNLA_HOOK_HOOKNUM, htonl(hook));
			nl_talk(nl, nlh, hook_read, &ranking);
		}
}
