/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/chain.h"

#include <arpa/inet.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "rules/rules.h"

struct nftnl_udata_buf *udata_comment(uint8_t type, const char *comment)
{
	struct nftnl_udata_buf *udata = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);

	if (udata)
		nftnl_udata_put_strz(udata, type, comment);
	return udata;
}

void chain_add(struct batch *batch, const struct chain_spec *spec)
{
	struct nlmsghdr *nlh = batch_add(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE, -1);
	struct nftnl_udata_buf *udata = udata_comment(NFTNL_UDATA_CHAIN_COMMENT, spec->comment);
	struct nlattr *hook;

	if (!udata) {
		batch->failed = true;
		return;
	}
	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, RULES_TABLE);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, spec->name);
	if (spec->type) {
		hook = mnl_attr_nest_start(nlh, NFTA_CHAIN_HOOK);
		mnl_attr_put_u32(nlh, NFTA_HOOK_HOOKNUM, htonl(spec->hook));
		mnl_attr_put_u32(nlh, NFTA_HOOK_PRIORITY, htonl((uint32_t)spec->priority));
		mnl_attr_nest_end(nlh, hook);
		mnl_attr_put_u32(nlh, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
		mnl_attr_put_strz(nlh, NFTA_CHAIN_TYPE, spec->type);
	}
	mnl_attr_put(
		nlh, NFTA_CHAIN_USERDATA, nftnl_udata_buf_len(udata), nftnl_udata_buf_data(udata));
	nftnl_udata_buf_free(udata);
}

void chain_clear(struct batch *batch, const char *chain)
{
	struct nlmsghdr *nlh = batch_add(batch, NFT_MSG_DELRULE, 0, -1);

	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, RULES_TABLE);
	if (chain)
		mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, chain);
}

void chain_delete(struct batch *batch, const char *chain)
{
	struct nlmsghdr *nlh = batch_add(batch, NFT_MSG_DELCHAIN, 0, -1);

	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, RULES_TABLE);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, chain);
}
