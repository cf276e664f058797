/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <endian.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "common/buf.h"
#include "rules/ruleset.h"
#include "rules/trace.h"

#define ATTRS_MAX 24

static uint32_t number(const struct nlattr *attr)
{
	uint32_t value = 0;

	if (attr && mnl_attr_get_payload_len(attr) >= sizeof(value))
		memcpy(&value, mnl_attr_get_payload(attr), sizeof(value));
	return ntohl(value);
}

static bool text(const struct nlattr *attr, char *out, size_t size)
{
	if (!attr || mnl_attr_validate(attr, MNL_TYPE_NUL_STRING))
		return false;
	snprintf(out, size, "%s", mnl_attr_get_str(attr));
	return true;
}

/* The kernel sends the fixed part of the header. */
static void network_parse(const struct nlattr *attr, struct trace_event *event)
{
	struct buf buf;
	uint8_t first;

	if (!attr)
		return;
	buf_init_read(&buf, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
	first = buf_get_u8(&buf);
	if (first >> 4 == 4) {
		buf_take(&buf, 11);
		event->source.addr.family = event->dest.addr.family = AF_INET;
		buf_get(&buf, event->source.addr.bytes, 4);
		buf_get(&buf, event->dest.addr.bytes, 4);
	} else if (first >> 4 == 6) {
		buf_take(&buf, 7);
		event->source.addr.family = event->dest.addr.family = AF_INET6;
		buf_get(&buf, event->source.addr.bytes, 16);
		buf_get(&buf, event->dest.addr.bytes, 16);
	}
	if (buf.bad)
		event->source = event->dest = (struct endpoint){0};
}

static void transport_parse(const struct nlattr *attr, struct trace_event *event)
{
	struct buf buf;

	if (!attr || !event->source.addr.family)
		return;
	buf_init_read(&buf, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
	event->source.port = buf_get_u16(&buf);
	event->dest.port = buf_get_u16(&buf);
	if (buf.bad)
		event->source.port = event->dest.port = 0;
}

static bool kind_parse(uint32_t type, enum trace_kind *out)
{
	switch (type) {
	case NFT_TRACETYPE_RULE:
		*out = TRACE_RULE;
		return true;
	case NFT_TRACETYPE_RETURN:
		*out = TRACE_RETURN;
		return true;
	case NFT_TRACETYPE_POLICY:
		*out = TRACE_POLICY;
		return true;
	}
	return false;
}

static void decision_parse(const struct nlattr *attrs[static ATTRS_MAX], struct trace_event *event)
{
	const struct nlattr *verdict = attrs[NFTA_TRACE_VERDICT];
	uint64_t handle;

	if (attrs[NFTA_TRACE_RULE_HANDLE] &&
		mnl_attr_get_payload_len(attrs[NFTA_TRACE_RULE_HANDLE]) >= sizeof(handle)) {
		memcpy(&handle, mnl_attr_get_payload(attrs[NFTA_TRACE_RULE_HANDLE]),
			sizeof(handle));
		event->handle = be64toh(handle);
	}
	event->verdict = NFT_CONTINUE;
	if (verdict) {
		event->verdict =
			(int32_t)attr_in_u32(verdict, NFTA_VERDICT_CODE, (uint32_t)NFT_CONTINUE);
		text(attr_in(verdict, NFTA_VERDICT_CHAIN), event->target, sizeof(event->target));
	}
	if (event->kind == TRACE_POLICY && attrs[NFTA_TRACE_POLICY])
		event->verdict = (int32_t)number(attrs[NFTA_TRACE_POLICY]);
}

bool trace_parse(const struct nlmsghdr *nlh, struct trace_event *out, uint32_t *id)
{
	const struct nlattr *attrs[ATTRS_MAX] = {NULL}, *attr;

	*out = (struct trace_event){0};
	if (nlh->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_TRACE) ||
		mnl_nlmsg_get_payload_len(nlh) < sizeof(struct nfgenmsg))
		return false;
	mnl_attr_for_each(
		attr, nlh, sizeof(struct nfgenmsg)) if (mnl_attr_get_type(attr) < ATTRS_MAX)
		attrs[mnl_attr_get_type(attr)] = attr;
	out->family = ((const struct nfgenmsg *)mnl_nlmsg_get_payload(nlh))->nfgen_family;
	if (!attrs[NFTA_TRACE_ID] || !kind_parse(number(attrs[NFTA_TRACE_TYPE]), &out->kind) ||
		!text(attrs[NFTA_TRACE_TABLE], out->table, sizeof(out->table)) ||
		!text(attrs[NFTA_TRACE_CHAIN], out->chain, sizeof(out->chain)))
		return false;
	*id = number(attrs[NFTA_TRACE_ID]);
	out->mark = number(attrs[NFTA_TRACE_MARK]);
	out->iif = number(attrs[NFTA_TRACE_IIF]);
	out->oif = number(attrs[NFTA_TRACE_OIF]);
	decision_parse(attrs, out);
	network_parse(attrs[NFTA_TRACE_NETWORK_HEADER], out);
	transport_parse(attrs[NFTA_TRACE_TRANSPORT_HEADER], out);
	return true;
}
