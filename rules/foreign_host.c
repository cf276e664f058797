/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/foreign_host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>

static void elem_data_read(const struct nlattr *data, struct foreign_elem *out)
{
	const struct nlattr *value = attr_in(data, NFTA_DATA_VALUE);
	const struct nlattr *verdict = attr_in(data, NFTA_DATA_VERDICT);
	const char *chain = attr_in_text(verdict, NFTA_VERDICT_CHAIN);

	if (value && mnl_attr_get_payload_len(value) <= sizeof(out->data)) {
		out->len = mnl_attr_get_payload_len(value);
		memcpy(out->data, mnl_attr_get_payload(value), out->len);
	}
	if (verdict)
		out->verdict = (int32_t)attr_in_u32(verdict, NFTA_VERDICT_CODE, NF_QUEUE);
	if (chain && strlen(chain) < sizeof(out->chain))
		memcpy(out->chain, chain, strlen(chain) + 1);
}

struct answer {
	struct foreign_elem *elem;
	bool found;
};

static void elem_answer(void *data, const struct nlmsghdr *nlh)
{
	struct answer *answer = data;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		const struct nlattr *elem;

		if (mnl_attr_get_type(attr) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		elem = attr_in(attr, NFTA_LIST_ELEM);
		if (!elem)
			continue;
		answer->found = true;
		elem_data_read(attr_in(elem, NFTA_SET_ELEM_DATA), answer->elem);
	}
}

/* One element; key NULL: the one that catches all others. */
static int elem_ask(struct foreign_kernel *kernel, const struct ruleset_set *set,
	const uint8_t *key, struct foreign_elem *out)
{
	char request[NL_REQUEST];
	struct nlmsghdr *nlh =
		nl_request(request, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM, set->family);
	struct answer answer = {out, false};
	struct nlattr *list, *elem, *nest;
	int err;

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, set->table);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set->name);
	list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	elem = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	if (key) {
		nest = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_KEY);
		mnl_attr_put(nlh, NFTA_DATA_VALUE, set->key_len, key);
		mnl_attr_nest_end(nlh, nest);
	} else {
		mnl_attr_put_u32(nlh, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_CATCHALL));
	}
	mnl_attr_nest_end(nlh, elem);
	mnl_attr_nest_end(nlh, list);
	err = nl_talk(&kernel->nl, nlh, elem_answer, &answer);
	return err ? err : answer.found;
}

/* Where the key is not, an element for all others may be; older kernels know none (EINVAL). */
static int set_lookup(
	void *data, const struct ruleset_set *set, const uint8_t *key, struct foreign_elem *out)
{
	struct foreign_kernel *kernel = data;
	int got;

	if (set->key_len > REGS_SIZE || strlen(set->table) >= NFT_TABLE_MAXNAMELEN ||
		strlen(set->name) >= NFT_SET_MAXNAMELEN)
		return -EINVAL;
	got = elem_ask(kernel, set, key, out);
	if (got == -ENOENT)
		got = elem_ask(kernel, set, NULL, out);
	return got == -ENOENT || got == -EINVAL ? 0 : got;
}

struct route {
	uint8_t type;
	uint32_t oif;
};

static void route_answer(void *data, const struct nlmsghdr *nlh)
{
	struct route *route = data;
	const struct rtmsg *rtm;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm))
		return;
	rtm = mnl_nlmsg_get_payload(nlh);
	route->type = rtm->rtm_type;
	mnl_attr_for_each(attr, nlh, sizeof(*rtm)) if (mnl_attr_get_type(attr) == RTA_OIF &&
						       mnl_attr_get_payload_len(attr) >= 4)
		route->oif = mnl_attr_get_u32(attr);
}

static int route_ask(
	void *data, const struct addr *addr, uint32_t mark, uint8_t *type, uint32_t *oif)
{
	struct foreign_kernel *kernel = data;
	char request[NL_REQUEST];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(request);
	struct route route = {0};
	struct rtmsg *rtm;
	int err;

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	*rtm = (struct rtmsg){.rtm_family = addr->family,
		.rtm_dst_len = (unsigned char)(8 * addr_size(addr->family))};
	mnl_attr_put(nlh, RTA_DST, addr_size(addr->family), addr->bytes);
	if (mark)
		mnl_attr_put_u32(nlh, RTA_MARK, mark);
	err = nl_talk(&kernel->route, nlh, route_answer, &route);
	if (err == -ENETUNREACH || err == -EHOSTUNREACH)
		return 0;
	if (err || !route.type)
		return err ? err : -ENOENT;
	*type = route.type;
	*oif = route.oif;
	return 1;
}

int foreign_kernel_open(struct foreign_kernel *kernel, struct foreign_host *host)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK};
	int err = nl_open(&kernel->nl);

	kernel->route = (struct nl){.fd = -1};
	if (err)
		return err;
	*host = (struct foreign_host){kernel, set_lookup, route_ask};
	kernel->route.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (kernel->route.fd < 0)
		return -errno;
	if (bind(kernel->route.fd, (struct sockaddr *)&address, sizeof(address)))
		return -errno;
	return 0;
}

void foreign_kernel_close(struct foreign_kernel *kernel)
{
	nl_close(&kernel->route);
	nl_close(&kernel->nl);
}
