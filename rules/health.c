/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <sys/socket.h>

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "rules/fetch.h"
#include "rules/internal.h"
#include "rules/max_rate.h"

/* Newer than the oldest headers that we build with (5.10). */
#define STATS_MAX_ENTRIES 2

static void health_take(void *data, const struct nlmsghdr *nlh)
{
	struct rules_health *health = data;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_payload_len(attr) != sizeof(uint32_t))
			continue;
		if (mnl_attr_get_type(attr) == CTA_STATS_GLOBAL_ENTRIES)
			health->flows = ntohl(mnl_attr_get_u32(attr));
		else if (mnl_attr_get_type(attr) == STATS_MAX_ENTRIES)
			health->flows_max = ntohl(mnl_attr_get_u32(attr));
	}
}

int rules_health(struct rules *rules, struct rules_health *health)
{
	char request[NL_REQUEST];
	struct nlmsghdr *nlh = nl_request(
		request, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET_STATS, AF_UNSPEC);
	struct max_rate limit = {0};
	int err = rules->extra.max_rate ? max_rate_read(&rules->nl, &limit) : 0;

	if (err)
		return err;
	*health = (struct rules_health){.lost = rules->lost,
		.unheard = fetch_is_full(&rules->nl, SET_OPENING, AF_INET) ||
			   fetch_is_full(&rules->nl, SET_OPENING, AF_INET6),
		.max_rate = limit.rate,
		.cut = limit.cut};
	return nl_talk(&rules->nl, nlh, health_take, health);
}
