/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>

#include "common/buf.h"
#include "rules/elem.h"
#include "rules/internal.h"
#include "rules/skeleton_rules.h"

/* Events that one call reads. */
#define WATCH_MAX 64
/* IPv6, some extension headers, UDP. */
#define COPY_RANGE 128

int log_bind(struct nl *log)
{
	struct nfulnl_msg_config_cmd bind = {.command = NFULNL_CFG_CMD_BIND};
	struct nfulnl_msg_config_mode mode = {
		.copy_range = htonl(COPY_RANGE), .copy_mode = NFULNL_COPY_PACKET};
	char request[NL_REQUEST];
	struct nlmsghdr *nlh =
		nl_request(request, NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG, AF_UNSPEC);
	struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	int err;

	nfg->res_id = htons(RULES_LOG_GROUP);
	mnl_attr_put(nlh, NFULA_CFG_CMD, sizeof(bind), &bind);
	mnl_attr_put(nlh, NFULA_CFG_MODE, sizeof(mode), &mode);
	/* Each packet at once. */
	mnl_attr_put_u32(nlh, NFULA_CFG_QTHRESH, htonl(1));
	err = nl_talk(log, nlh, NULL, NULL);
	return err == -EPERM ? -EBUSY : err;
}

/* Addresses of an IPv6 header; false unless UDP follows, behind extensions if need be. */
static bool ipv6_parse(struct buf *buf, struct rules_event *event)
{
	uint8_t next;

	buf_take(buf, 5); /* the rest of the first word, and the length */
	next = buf_get_u8(buf);
	buf_take(buf, 1);
	event->sender.addr.family = event->listen.addr.family = AF_INET6;
	buf_get(buf, event->sender.addr.bytes, 16);
	buf_get(buf, event->listen.addr.bytes, 16);
	while (!buf->bad &&
		(next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS)) {
		uint8_t len;

		next = buf_get_u8(buf);
		len = buf_get_u8(buf);
		buf_take(buf, 8u * len + 6);
	}
	return next == IPPROTO_UDP;
}

static bool ipv4_parse(struct buf *buf, uint8_t first, struct rules_event *event)
{
	const size_t header = 4u * (first & 0xf);
	uint8_t proto;

	if (header < 20)
		return false;
	buf_take(buf, 8);
	proto = buf_get_u8(buf);
	buf_take(buf, 2);
	event->sender.addr.family = event->listen.addr.family = AF_INET;
	buf_get(buf, event->sender.addr.bytes, 4);
	buf_get(buf, event->listen.addr.bytes, 4);
	buf_take(buf, header - 20);
	return proto == IPPROTO_UDP;
}

/* Fragments never come here: connection tracking puts packets together first. */
static bool packet_parse(const struct nlattr *attr, struct rules_event *event)
{
	struct buf buf;
	uint8_t first;
	bool udp;

	buf_init_read(&buf, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
	first = buf_get_u8(&buf);
	udp = first >> 4 == 6 ? ipv6_parse(&buf, event)
			      : first >> 4 == 4 && ipv4_parse(&buf, first, event);
	event->sender.port = buf_get_u16(&buf);
	event->listen.port = buf_get_u16(&buf);
	if (!udp || buf.bad)
		return false;
	buf_take(&buf, 4); /* length and checksum */
	if (!buf.bad)
		buf_get(&buf, event->first,
			buf_left(&buf) < RULES_FIRST ? buf_left(&buf) : RULES_FIRST);
	return true;
}

static enum log_kind kind_of(const char *prefix)
{
	if (!strcmp(prefix, LOG_REFUSED))
		return LOG_KIND_REFUSED;
	return strcmp(prefix, LOG_EARLY) ? LOG_KIND_OPEN : LOG_KIND_EARLY;
}

enum log_kind log_parse(const struct nlmsghdr *nlh, struct rules_event *event)
{
	enum log_kind kind = LOG_KIND_NONE;
	const struct nlattr *attr;
	bool packet = false;

	*event = (struct rules_event){0};
	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == NFULA_PAYLOAD)
			packet = packet_parse(attr, event);
		if (mnl_attr_get_type(attr) == NFULA_PREFIX &&
			!mnl_attr_validate(attr, MNL_TYPE_NUL_STRING))
			kind = kind_of(mnl_attr_get_str(attr));
	}
	event->refused = kind == LOG_KIND_REFUSED;
	return packet ? kind : LOG_KIND_NONE;
}

/*
 * The log cannot be relied on to carry the conntrack mark (CONFIG_NETFILTER_NETLINK_GLUE_CT is
 * optional), so the number comes from where the mark comes from.
 */
static uint32_t number_find(struct nl *nl, const struct endpoint *listen)
{
	struct elem elem = {.set = SET_MARK, .key = *listen};

	return elem_get(nl, &elem, &elem) ? 0 : elem.number;
}

/*
 * The sender was there before its port was listened to: its flow is confirmed and not translated,
 * and no nat chain would ever see it.
 */
static void early_delete(struct nl *nl, const struct rules_event *event)
{
	const struct ct_tuple flow = {event->sender, event->listen};
	struct ct ct;

	if (!ct_get(nl, &flow, &ct) && endpoint_equal(&ct.reply.src, &ct.orig.dst))
		ct_delete(nl, &flow, 1, NULL);
}

static void datagram_read(struct rules *rules, size_t len,
	void (*event)(void *data, const struct rules_event *event), void *data)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)rules->log.buffer;
	struct rules_event found;
	int left = (int)len;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		if (nlh->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET))
			continue;
		switch (log_parse(nlh, &found)) {
		case LOG_KIND_NONE:
			break;
		case LOG_KIND_EARLY:
			/* Of this host: no hook translates it. */
			found.refused = addr_equal(&found.sender.addr, &found.listen.addr);
			if (found.refused)
				event(data, &found);
			else
				early_delete(&rules->nl, &found);
			break;
		case LOG_KIND_OPEN:
			found.number = number_find(&rules->nl, &found.listen);
			event(data, &found);
			break;
		case LOG_KIND_REFUSED:
			event(data, &found);
			break;
		}
	}
}

int rules_watch_fd(const struct rules *rules)
{
	return rules->log.fd;
}

int rules_watch(
	struct rules *rules, void (*event)(void *data, const struct rules_event *event), void *data)
{
	ssize_t got = 1;

	for (int i = 0; got && i < WATCH_MAX; i++) {
		got = nl_receive(&rules->log);
		/* Events were lost: senders make new ones. */
		if (got == -ENOBUFS)
			rules->lost++;
		else if (got < 0)
			return (int)got;
		if (got > 0)
			datagram_read(rules, (size_t)got, event, data);
	}
	return 0;
}
