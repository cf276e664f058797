/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <sys/socket.h>

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "rules/internal.h"

/* Newer than the oldest headers that we build with (5.10). */
#define STATS_MAX_ENTRIES 2

static void host_take(void *data, const struct nlmsghdr *nlh)
{
	struct rules_host *host = data;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_payload_len(attr) != sizeof(uint32_t))
			continue;
		if (mnl_attr_get_type(attr) == CTA_STATS_GLOBAL_ENTRIES)
			host->flows = ntohl(mnl_attr_get_u32(attr));
		else if (mnl_attr_get_type(attr) == STATS_MAX_ENTRIES)
			host->flows_max = ntohl(mnl_attr_get_u32(attr));
	}
}

int rules_host(struct rules *rules, struct rules_host *host)
{
	char request[NL_REQUEST];
	struct nlmsghdr *nlh = nl_request(
		request, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET_STATS, AF_UNSPEC);

	*host = (struct rules_host){.lost = rules->lost};
	return nl_talk(&rules->nl, nlh, host_take, host);
}
