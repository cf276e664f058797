/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What others do to the table, where it has no owner, as nf_tables tells it. */
#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/filter.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "rules/internal.h"

/* Datagrams that one call reads; somebody may change tables of his own all day. */
#define CHANGES_MAX 256

const char *rules_cause_text(enum rules_cause cause)
{
	static const char *const text[] = {
		[RULES_CAUSE_NONE] = "none",
		[RULES_CAUSE_ELEMENT] = "element",
		[RULES_CAUSE_RULE] = "rule",
		[RULES_CAUSE_TABLE] = "table",
		[RULES_CAUSE_LOST] = "lost",
		[RULES_CAUSE_REFUSED] = "refused",
	};

	return cause < RULES_CAUSES ? text[cause] : "none";
}

void rules_change_add(struct rules_change *change, const struct rules_change *more)
{
	if (more->cause > change->cause)
		change->cause = more->cause;
	if (*more->process) {
		memcpy(change->process, more->process, sizeof(change->process));
		change->pid = more->pid;
	}
	change->removed += more->removed;
}

/* What of the table a message is about; NONE: not about ours. */
static enum rules_cause message_cause(const struct nlmsghdr *nlh)
{
	switch (nlh->nlmsg_type & 0xff) {
	case NFT_MSG_NEWTABLE:
	case NFT_MSG_DELTABLE:
		return RULES_CAUSE_TABLE;
	case NFT_MSG_NEWCHAIN:
	case NFT_MSG_DELCHAIN:
	case NFT_MSG_NEWRULE:
	case NFT_MSG_DELRULE:
	case NFT_MSG_NEWSET:
	case NFT_MSG_DELSET:
	case NFT_MSG_NEWOBJ:
	case NFT_MSG_DELOBJ:
		return RULES_CAUSE_RULE;
	case NFT_MSG_NEWSETELEM:
	case NFT_MSG_DELSETELEM:
		return RULES_CAUSE_ELEMENT;
	}
	return RULES_CAUSE_NONE;
}

/* In all of these messages the table's name is the first attribute (nf_tables.h). */
static bool names_table(const struct nlmsghdr *nlh)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	_Static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1 &&
			       NFTA_SET_TABLE == 1 && NFTA_SET_ELEM_LIST_TABLE == 1 &&
			       NFTA_OBJ_TABLE == 1,
		"where messages name their table");
	if (nfg->nfgen_family != NFPROTO_INET)
		return false;
	mnl_attr_for_each(attr, nlh, sizeof(*nfg))
	{
		if (mnl_attr_get_type(attr) == NFTA_TABLE_NAME)
			return !mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) &&
			       strcmp(mnl_attr_get_str(attr), RULES_TABLE) == 0;
	}
	return false;
}

static void generation_parse(const struct nlmsghdr *nlh, struct rules_change *out)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		uint16_t type = mnl_attr_get_type(attr);

		if (type == NFTA_GEN_PROC_PID && !mnl_attr_validate(attr, MNL_TYPE_U32))
			out->pid = ntohl(mnl_attr_get_u32(attr));
		if (type == NFTA_GEN_PROC_NAME && !mnl_attr_validate(attr, MNL_TYPE_NUL_STRING)) {
			const char *name = mnl_attr_get_str(attr);
			size_t len = strnlen(name, sizeof(out->process) - 1);

			memcpy(out->process, name, len);
			memset(out->process + len, 0, sizeof(out->process) - len);
		}
	}
}

bool change_parse(const struct nlmsghdr *nlh, struct rules_change *out)
{
	*out = (struct rules_change){.cause = RULES_CAUSE_NONE};
	if (nlh->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES ||
		mnl_nlmsg_get_payload_len(nlh) < sizeof(struct nfgenmsg))
		return false;
	if ((nlh->nlmsg_type & 0xff) == NFT_MSG_NEWGEN) {
		generation_parse(nlh, out);
		return true;
	}
	out->cause = message_cause(nlh);
	if (out->cause != RULES_CAUSE_NONE && !names_table(nlh))
		out->cause = RULES_CAUSE_NONE;
	return out->cause != RULES_CAUSE_NONE;
}

/* Messages that this port has caused are dropped by the kernel: there are thousands a second. */
static int filter_own(struct nl *events, const struct nl *own)
{
	struct sockaddr_nl address = {0};
	socklen_t len = sizeof(address);
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_pid)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	const struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	if (getsockname(own->fd, (struct sockaddr *)&address, &len))
		return -errno;
	code[1].k = htonl(address.nl_pid); /* the load is of network order, the field is not */
	if (setsockopt(events->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)))
		return -errno;
	return 0;
}

int changes_open(struct nl *events, const struct nl *own)
{
	const int group = NFNLGRP_NFTABLES;
	int err = nl_open(events);

	if (!err)
		err = filter_own(events, own);
	if (!err &&
		setsockopt(events->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))
		err = -errno;
	return err;
}

int rules_changes_fd(const struct rules *rules)
{
	return rules->events.fd;
}

/* The messages of a transaction, then its generation, which says whose it was. */
static void datagram_read(struct rules *rules, size_t len, struct rules_change *change)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)rules->events.buffer;
	int left = (int)len;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		struct rules_change found;

		if (!change_parse(nlh, &found))
			continue;
		if (found.cause != RULES_CAUSE_NONE) {
			rules_change_add(&rules->change, &found);
			continue;
		}
		if (rules->change.cause != RULES_CAUSE_NONE) {
			rules_change_add(&rules->change, &found);
			rules_change_add(change, &rules->change);
		}
		rules->change = (struct rules_change){.cause = RULES_CAUSE_NONE};
	}
}

int rules_changes(struct rules *rules, struct rules_change *change)
{
	static const struct rules_change lost = {.cause = RULES_CAUSE_LOST};
	ssize_t got = 1;

	*change = (struct rules_change){.cause = RULES_CAUSE_NONE};
	for (int i = 0; got && i < CHANGES_MAX; i++) {
		got = nl_receive(&rules->events);
		if (got == -ENOBUFS)
			rules_change_add(change, &lost);
		else if (got < 0)
			return (int)got;
		else
			datagram_read(rules, (size_t)got, change);
	}
	return 0;
}
