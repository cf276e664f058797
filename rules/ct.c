/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/ct.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

/* Bits of CTA_FILTER_ORIG_FLAGS (kernel: nf_internals.h), since 5.8. */
#define FILTER_ORIG_FLAGS 1
#define FILTER_IP_DST	  (1 << 1)
#define FILTER_PROTO_NUM  (1 << 3)
#define FILTER_DST_PORT	  (1 << 5)

/* Deletions in one datagram, each of about 100 bytes. */
#define DELETE_MAX 128

/* A nested tuple; without `src` only its destination, where a zero port is left out. */
static void put_tuple(
	struct nlmsghdr *nlh, uint16_t attr, const struct endpoint *src, const struct endpoint *dst)
{
	const bool v6 = dst->addr.family == AF_INET6;
	const size_t size = addr_size(dst->addr.family);
	struct nlattr *tuple = mnl_attr_nest_start(nlh, attr), *nest;

	nest = mnl_attr_nest_start(nlh, CTA_TUPLE_IP);
	if (src)
		mnl_attr_put(nlh, v6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, size, src->addr.bytes);
	mnl_attr_put(nlh, v6 ? CTA_IP_V6_DST : CTA_IP_V4_DST, size, dst->addr.bytes);
	mnl_attr_nest_end(nlh, nest);
	nest = mnl_attr_nest_start(nlh, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(nlh, CTA_PROTO_NUM, IPPROTO_UDP);
	if (src)
		mnl_attr_put_u16(nlh, CTA_PROTO_SRC_PORT, htons(src->port));
	if (dst->port)
		mnl_attr_put_u16(nlh, CTA_PROTO_DST_PORT, htons(dst->port));
	mnl_attr_nest_end(nlh, nest);
	mnl_attr_nest_end(nlh, tuple);
}

/* Where the library keeps one direction of an entry. */
struct side {
	enum nf_conntrack_attr v4_src, v4_dst, v6_src, v6_dst, src_port, dst_port;
};

static const struct side orig_side = {ATTR_ORIG_IPV4_SRC, ATTR_ORIG_IPV4_DST, ATTR_ORIG_IPV6_SRC,
	ATTR_ORIG_IPV6_DST, ATTR_ORIG_PORT_SRC, ATTR_ORIG_PORT_DST};
static const struct side reply_side = {ATTR_REPL_IPV4_SRC, ATTR_REPL_IPV4_DST, ATTR_REPL_IPV6_SRC,
	ATTR_REPL_IPV6_DST, ATTR_REPL_PORT_SRC, ATTR_REPL_PORT_DST};

static struct addr get_addr(
	const struct nf_conntrack *entry, uint8_t family, enum nf_conntrack_attr attr)
{
	const void *bytes = nfct_get_attr(entry, attr);
	struct addr addr = {.family = bytes ? family : 0};

	if (bytes)
		memcpy(addr.bytes, bytes, addr_size(family));
	return addr;
}

static void get_tuple(
	const struct nf_conntrack *entry, const struct side *side, struct ct_tuple *out)
{
	uint8_t family = nfct_get_attr_u8(entry, ATTR_L3PROTO);
	bool v6 = family == AF_INET6;

	out->src.addr = get_addr(entry, family, v6 ? side->v6_src : side->v4_src);
	out->dst.addr = get_addr(entry, family, v6 ? side->v6_dst : side->v4_dst);
	out->src.port = ntohs(nfct_get_attr_u16(entry, side->src_port));
	out->dst.port = ntohs(nfct_get_attr_u16(entry, side->dst_port));
}

static void get_counters(const struct nf_conntrack *entry, struct ct *out)
{
	out->counts = nfct_attr_is_set(entry, ATTR_ORIG_COUNTER_PACKETS) > 0;
	out->packets[0] = nfct_get_attr_u64(entry, ATTR_ORIG_COUNTER_PACKETS);
	out->packets[1] = nfct_get_attr_u64(entry, ATTR_REPL_COUNTER_PACKETS);
	out->bytes[0] = nfct_get_attr_u64(entry, ATTR_ORIG_COUNTER_BYTES);
	out->bytes[1] = nfct_get_attr_u64(entry, ATTR_REPL_COUNTER_BYTES);
}

static void ct_parse(const struct nlmsghdr *nlh, struct ct *out)
{
	struct nf_conntrack *entry = nfct_new();

	*out = (struct ct){0};
	if (entry && nfct_nlmsg_parse(nlh, entry) >= 0) {
		get_tuple(entry, &orig_side, &out->orig);
		get_tuple(entry, &reply_side, &out->reply);
		out->proto = nfct_get_attr_u8(entry, ATTR_L4PROTO);
		out->mark = nfct_get_attr_u32(entry, ATTR_MARK);
		out->status = nfct_get_attr_u32(entry, ATTR_STATUS);
		out->timeout = nfct_get_attr_u32(entry, ATTR_TIMEOUT);
		get_counters(entry, out);
	}
	if (entry)
		nfct_destroy(entry);
}

struct reading {
	void (*cb)(void *, const struct ct *);
	void *data;
};

static void reading_answer(void *data, const struct nlmsghdr *nlh)
{
	const struct reading *reading = data;
	struct ct ct;

	ct_parse(nlh, &ct);
	reading->cb(reading->data, &ct);
}

static struct nlmsghdr *ct_request(char out[static NL_REQUEST], uint16_t type, uint8_t family)
{
	return nl_request(out, (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type), family);
}

static void put_filter(struct nlmsghdr *nlh, const struct endpoint *dst)
{
	struct nlattr *nest;
	uint32_t flags = FILTER_IP_DST | FILTER_PROTO_NUM;

	if (dst->port)
		flags |= FILTER_DST_PORT;
	put_tuple(nlh, CTA_TUPLE_ORIG, NULL, dst);
	nest = mnl_attr_nest_start(nlh, CTA_FILTER);
	mnl_attr_put_u32(nlh, FILTER_ORIG_FLAGS, flags);
	mnl_attr_nest_end(nlh, nest);
}

int ct_dump(struct nl *nl, const struct ct_filter *filter, void (*cb)(void *, const struct ct *),
	void *data)
{
	struct reading reading = {cb, data};
	char request[NL_REQUEST];
	struct nlmsghdr *nlh = ct_request(
		request, IPCTNL_MSG_CT_GET, filter->dst ? filter->dst->addr.family : AF_UNSPEC);

	nlh->nlmsg_flags |= NLM_F_DUMP;
	if (filter->mask) {
		mnl_attr_put_u32(nlh, CTA_MARK, htonl(filter->mark));
		mnl_attr_put_u32(nlh, CTA_MARK_MASK, htonl(filter->mask));
	}
	if (filter->dst)
		put_filter(nlh, filter->dst);
	return nl_talk(nl, nlh, reading_answer, &reading);
}

static void ct_store(void *data, const struct ct *ct)
{
	struct ct *out = data;

	*out = *ct;
}

int ct_get(struct nl *nl, const struct ct_tuple *tuple, struct ct *out)
{
	struct reading reading = {ct_store, out};
	char request[NL_REQUEST];
	struct nlmsghdr *nlh = ct_request(request, IPCTNL_MSG_CT_GET, tuple->src.addr.family);

	out->proto = 0;
	put_tuple(nlh, CTA_TUPLE_ORIG, &tuple->src, &tuple->dst);
	return nl_talk(nl, nlh, reading_answer, &reading);
}

/* Counts the errors but "not there" as failures, the first of which is returned. */
static int delete_answers(struct nl *nl, size_t *missing)
{
	int err = 0;
	ssize_t got;

	while ((got = nl_receive(nl)) > 0) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)nl->buffer;
		int left = (int)got, code;

		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			if (nlh->nlmsg_type != NLMSG_ERROR ||
				mnl_nlmsg_get_payload_len(nlh) < sizeof(code))
				continue;
			memcpy(&code, mnl_nlmsg_get_payload(nlh), sizeof(code));
			if (code == -ENOENT)
				(*missing)++;
			else if (code && !err)
				err = code;
		}
	}
	return err ? err : (int)got;
}

static int delete_some(struct nl *nl, const struct ct_tuple *tuples, size_t count, size_t *deleted)
{
	char data[DELETE_MAX * 160 + NL_REQUEST];
	size_t len = 0, missing = 0;
	int err;

	for (size_t i = 0; i < count; i++) {
		struct nlmsghdr *nlh =
			ct_request(data + len, IPCTNL_MSG_CT_DELETE, tuples[i].src.addr.family);

		nlh->nlmsg_seq = ++nl->seq;
		put_tuple(nlh, CTA_TUPLE_ORIG, &tuples[i].src, &tuples[i].dst);
		len += MNL_ALIGN(nlh->nlmsg_len);
	}
	err = nl_send(nl, data, len);
	if (err)
		return err;
	err = delete_answers(nl, &missing);
	if (deleted)
		*deleted += count - missing;
	return err;
}

int ct_delete(struct nl *nl, const struct ct_tuple *tuples, size_t count, size_t *deleted)
{
	int err = 0;

	if (deleted)
		*deleted = 0;
	for (size_t at = 0; at < count; at += DELETE_MAX) {
		size_t some = count - at < DELETE_MAX ? count - at : DELETE_MAX;
		int failed = delete_some(nl, tuples + at, some, deleted);

		err = err ? err : failed;
	}
	return err;
}
