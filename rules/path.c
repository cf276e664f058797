/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/path.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>

#include "rules/ct.h"
#include "rules/nl.h"

static int route_open(struct nl *nl)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK};

	nl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (nl->fd >= 0 && !bind(nl->fd, (struct sockaddr *)&address, sizeof address))
		return 0;
	return -errno;
}

static struct nlmsghdr *begin(char *out, uint16_t type)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(out);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	return nlh;
}

/* What a route says; index 0: of no device. */
struct way {
	unsigned int out;
	uint8_t type; /* RTN_* */
	struct addr gateway;
	uint32_t mtu;
};

static void read_metrics(const struct nlattr *nest, struct way *way)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) if (mnl_attr_get_type(attr) == RTAX_MTU &&
						 mnl_attr_get_payload_len(attr) >= sizeof(uint32_t))
		way->mtu = mnl_attr_get_u32(attr);
}

static void read_gateway(const void *bytes, size_t len, uint8_t family, struct addr *out)
{
	if (!addr_size(family) || len < addr_size(family))
		return;
	out->family = family;
	memcpy(out->bytes, bytes, addr_size(family));
}

/* RTA_VIA is a family of two bytes and an address: IPv4 by an IPv6 router. */
static void read_via(const struct nlattr *attr, struct addr *out)
{
	const uint8_t *bytes = mnl_attr_get_payload(attr);
	size_t len = mnl_attr_get_payload_len(attr);
	uint16_t family;

	if (len < sizeof family)
		return;
	memcpy(&family, bytes, sizeof family);
	read_gateway(bytes + sizeof family, len - sizeof family, (uint8_t)family, out);
}

static void way_answer(void *data, const struct nlmsghdr *nlh)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct way *way = data;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(nlh) < sizeof *rtm)
		return;
	way->type = rtm->rtm_type;
	mnl_attr_for_each(attr, nlh, sizeof *rtm)
	{
		size_t len = mnl_attr_get_payload_len(attr);

		switch (mnl_attr_get_type(attr)) {
		case RTA_OIF:
			if (len >= sizeof(uint32_t))
				way->out = mnl_attr_get_u32(attr);
			break;
		case RTA_GATEWAY:
			read_gateway(
				mnl_attr_get_payload(attr), len, rtm->rtm_family, &way->gateway);
			break;
		case RTA_VIA:
			read_via(attr, &way->gateway);
			break;
		case RTA_METRICS:
			read_metrics(attr, way);
			break;
		}
	}
}

/* in 0: of a packet of our own, whose source the kernel would choose. */
static int way_get(struct nl *nl, const struct path_query *query, unsigned int in, struct way *out)
{
	const struct endpoint *source = &query->source, *dest = &query->dest;
	size_t size = addr_size(dest->addr.family);
	char request[NL_REQUEST];
	struct nlmsghdr *nlh = begin(request, RTM_GETROUTE);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof *rtm);

	memset(out, 0, sizeof *out);
	memset(rtm, 0, sizeof *rtm);
	rtm->rtm_family = dest->addr.family;
	rtm->rtm_dst_len = (uint8_t)(size * 8);
	mnl_attr_put(nlh, RTA_DST, size, dest->addr.bytes);
	if (query->mark)
		mnl_attr_put_u32(nlh, RTA_MARK, query->mark);
	if (in) {
		rtm->rtm_src_len = (uint8_t)(size * 8);
		mnl_attr_put(nlh, RTA_SRC, size, source->addr.bytes);
		mnl_attr_put_u32(nlh, RTA_IIF, in);
		mnl_attr_put_u8(nlh, RTA_IP_PROTO, IPPROTO_UDP);
		mnl_attr_put_u16(nlh, RTA_SPORT, htons(source->port));
		mnl_attr_put_u16(nlh, RTA_DPORT, htons(dest->port));
	}
	return nl_talk(nl, nlh, way_answer, out);
}

struct link {
	char name[IF_NAMESIZE];
	uint32_t mtu;
	unsigned int flags; /* IFF_* */
};

static void link_answer(void *data, const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	struct link *link = data;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(nlh) < sizeof *info)
		return;
	link->flags = info->ifi_flags;
	mnl_attr_for_each(attr, nlh, sizeof *info)
	{
		size_t len = mnl_attr_get_payload_len(attr);

		if (mnl_attr_get_type(attr) == IFLA_IFNAME) {
			len = len < sizeof link->name ? len : sizeof link->name - 1;
			memcpy(link->name, mnl_attr_get_payload(attr), len);
			link->name[sizeof link->name - 1] = '\0';
		} else if (mnl_attr_get_type(attr) == IFLA_MTU && len >= sizeof(uint32_t)) {
			link->mtu = mnl_attr_get_u32(attr);
		}
	}
}

static int link_get(struct nl *nl, unsigned int index, struct link *out)
{
	char request[NL_REQUEST];
	struct nlmsghdr *nlh = begin(request, RTM_GETLINK);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof *info);

	memset(out, 0, sizeof *out);
	memset(info, 0, sizeof *info);
	info->ifi_index = (int)index;
	return nl_talk(nl, nlh, link_answer, out);
}

static void netconf_answer(void *data, const struct nlmsghdr *nlh)
{
	const struct nlattr *attr;
	bool *forwards = data;

	if (nlh->nlmsg_type != RTM_NEWNETCONF)
		return;
	mnl_attr_for_each(attr, nlh,
		sizeof(struct netconfmsg)) if (mnl_attr_get_type(attr) == NETCONFA_FORWARDING &&
					       mnl_attr_get_payload_len(attr) >=
						       sizeof(uint32_t)) *forwards =
		mnl_attr_get_u32(attr) != 0;
}

/* Of IPv4 each device says it (ip_route_input), of IPv6 all do together (ip6_forward). */
static int forwards_get(struct nl *nl, uint8_t family, unsigned int in, bool *forwards)
{
	char request[NL_REQUEST];
	struct nlmsghdr *nlh = begin(request, RTM_GETNETCONF);
	struct netconfmsg *netconf = mnl_nlmsg_put_extra_header(nlh, sizeof *netconf);

	*forwards = false;
	memset(netconf, 0, sizeof *netconf);
	netconf->ncm_family = family;
	mnl_attr_put_u32(nlh, NETCONFA_IFINDEX,
		family == AF_INET && in ? in : (uint32_t)NETCONFA_IFINDEX_ALL);
	return nl_talk(nl, nlh, netconf_answer, forwards);
}

static void neighbour_answer(void *data, const struct nlmsghdr *nlh)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	uint16_t *state = data;

	if (nlh->nlmsg_type == RTM_NEWNEIGH && mnl_nlmsg_get_payload_len(nlh) >= sizeof *ndm)
		*state = ndm->ndm_state;
}

static int neighbour_get(struct nl *nl, const struct addr *addr, unsigned int out, uint16_t *state)
{
	char request[NL_REQUEST];
	struct nlmsghdr *nlh = begin(request, RTM_GETNEIGH);
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof *ndm);
	int err;

	*state = 0;
	memset(ndm, 0, sizeof *ndm);
	ndm->ndm_family = addr->family;
	ndm->ndm_ifindex = (int)out;
	mnl_attr_put(nlh, NDA_DST, addr_size(addr->family), addr->bytes);
	err = nl_talk(nl, nlh, neighbour_answer, state);
	return err == -ENOENT ? 0 : err;
}

/* The kernel does for this entry what it does for a packet to it: asks, unless it knows. */
static int neighbour_use(struct nl *nl, const struct addr *addr, unsigned int out)
{
	char request[NL_REQUEST];
	struct nlmsghdr *nlh = begin(request, RTM_NEWNEIGH);
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof *ndm);

	nlh->nlmsg_flags |= NLM_F_CREATE | NLM_F_REPLACE;
	memset(ndm, 0, sizeof *ndm);
	ndm->ndm_family = addr->family;
	ndm->ndm_ifindex = (int)out;
	ndm->ndm_state = NUD_NONE;
	ndm->ndm_flags = NTF_USE;
	mnl_attr_put(nlh, NDA_DST, addr_size(addr->family), addr->bytes);
	return nl_talk(nl, nlh, NULL, NULL);
}

/* The device behind a way, and who has to be found on it. */
static int describe_out(struct nl *nl, const struct addr *dest, bool resolve, const struct way *way,
	struct path_route *out)
{
	const struct addr *hop = way->gateway.family ? &way->gateway : dest;
	struct link link;
	int err;

	if (!way->out)
		return 0;
	err = link_get(nl, way->out, &link);
	if (err)
		return err;
	memcpy(out->out, link.name, sizeof out->out);
	out->up = (link.flags & IFF_UP) && (link.flags & IFF_RUNNING);
	out->mtu = way->mtu ? way->mtu : link.mtu;
	out->asks = !(link.flags & (IFF_NOARP | IFF_LOOPBACK | IFF_POINTOPOINT));
	out->gateway = way->gateway;
	if (!out->asks || out->local)
		return 0;
	err = neighbour_get(nl, hop, way->out, &out->neighbour);
	if (err || !resolve || !(out->neighbour == 0 || out->neighbour & NUD_FAILED))
		return err;
	/* That it could not be asked for is no more than not knowing. */
	neighbour_use(nl, hop, way->out);
	return neighbour_get(nl, hop, way->out, &out->neighbour);
}

static int describe(struct nl *nl, const struct path_query *query, struct path_route *out)
{
	const struct path_query reverse = {.source = query->dest, .dest = query->source};
	const struct addr *dest = &query->dest.addr;
	struct way back, way, plain;
	struct link in = {0};
	int err;

	/* Where the source is, its packets come from; who strays from that is for rp_filter. */
	if (way_get(nl, &reverse, 0, &back) || back.type == RTN_LOCAL)
		back.out = 0;
	if (back.out && link_get(nl, back.out, &in) == 0)
		memcpy(out->in, in.name, sizeof out->in);
	err = forwards_get(nl, dest->family, back.out, &out->forwards);
	if (err)
		return err;
	/* Without forwarding every answer is "unreachable"; the plain one says more. */
	out->error = way_get(nl, query, 0, &plain);
	out->local = plain.type == RTN_LOCAL;
	way = plain;
	if (!out->error && back.out && out->forwards && !out->local)
		out->error = way_get(nl, query, back.out, &way);
	if (out->error)
		way = plain;
	return describe_out(nl, dest, query->resolve, &way, out);
}

int path_route(const struct path_query *query, struct path_route *out)
{
	const uint8_t family = query->source.addr.family;
	struct nl *nl;
	int err;

	memset(out, 0, sizeof *out);
	if (!family || family != query->dest.addr.family)
		return -EINVAL;
	nl = calloc(1, sizeof *nl);
	if (!nl)
		return -ENOMEM;
	err = route_open(nl);
	if (!err)
		err = describe(nl, query, out);
	nl_close(nl);
	free(nl);
	return err;
}

static void fill(struct path_flow *out, const struct ct *ct)
{
	out->orig_src = ct->orig.src;
	out->orig_dst = ct->orig.dst;
	out->reply_src = ct->reply.src;
	out->reply_dst = ct->reply.dst;
	out->mark = ct->mark;
	out->status = ct->status;
	out->timeout = ct->timeout;
	out->counts = ct->counts;
	out->orig_packets = ct->packets[0];
	out->orig_bytes = ct->bytes[0];
	out->reply_packets = ct->packets[1];
	out->reply_bytes = ct->bytes[1];
}

int path_flow(const struct endpoint *source, const struct endpoint *dest, struct path_flow *out)
{
	const struct ct_tuple tuple = {*source, *dest};
	struct nl *nl = calloc(1, sizeof *nl);
	struct ct ct = {0};
	int err = nl ? nl_open(nl) : -ENOMEM;

	memset(out, 0, sizeof *out);
	if (!err) {
		err = ct_get(nl, &tuple, &ct);
		nl_close(nl);
	}
	free(nl);
	if (!err && !ct.proto)
		err = -ENOENT;
	if (!err)
		fill(out, &ct);
	return err;
}

static bool has_text(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char byte;
	bool has = fd >= 0 && read(fd, &byte, 1) == 1;

	if (fd >= 0)
		close(fd);
	return has;
}

void path_host(struct path_host *out)
{
	memset(out, 0, sizeof *out);
	out->legacy =
		has_text("/proc/net/ip_tables_names") || has_text("/proc/net/ip6_tables_names");
}
