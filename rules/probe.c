/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "rules/internal.h"

/* Newer than the oldest headers that we build with (6.3). */
#define MSG_DESTROYTABLE 26

/* As nft calls it when it prints the set: who watches with nft 1.0.6 meets what it knows. */
#define NFT_TYPE_MARK 19u

#define PROBE_SHORT 60000u /* milliseconds */
#define PROBE_LONG  3600000u

/* A table that no packet sees; with its owner's socket it goes. */
struct probe {
	struct nl nl;
	struct batch batch;
	char table[32];
};

static int probe_commit(struct probe *probe)
{
	struct rules_error error = {0};
	int err = batch_commit(&probe->batch, &probe->nl, &error);

	batch_clear(&probe->batch);
	return err;
}

static int probe_table(struct probe *probe, const struct kernel *kernel)
{
	skeleton_add_table(&probe->batch, probe->table, skeleton_flags(kernel));
	return probe_commit(probe);
}

static bool probe_destroy(struct probe *probe)
{
	struct nlmsghdr *nlh = batch_add(&probe->batch, MSG_DESTROYTABLE, 0, -1);

	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, "relayd-none");
	return !probe_commit(probe);
}

static bool probe_timeouts(struct probe *probe)
{
	skeleton_add_timeout(&probe->batch, probe->table, AF_INET);
	skeleton_add_timeout(&probe->batch, probe->table, AF_INET6);
	return !probe_commit(probe);
}

static void add_set(struct probe *probe)
{
	struct nlmsghdr *nlh = batch_add(&probe->batch, NFT_MSG_NEWSET, NLM_F_CREATE, -1);

	mnl_attr_put_strz(nlh, NFTA_SET_TABLE, probe->table);
	mnl_attr_put_strz(nlh, NFTA_SET_NAME, "probe");
	mnl_attr_put_u32(nlh, NFTA_SET_FLAGS, htonl(NFT_SET_TIMEOUT));
	mnl_attr_put_u32(nlh, NFTA_SET_KEY_TYPE, htonl(NFT_TYPE_MARK));
	mnl_attr_put_u32(nlh, NFTA_SET_KEY_LEN, htonl(sizeof(uint32_t)));
	mnl_attr_put_u32(nlh, NFTA_SET_ID, htonl(1));
}

/* timeout 0: none is given. */
static void put_elem(struct nlmsghdr *nlh, const char *table, uint32_t timeout)
{
	struct nlattr *list, *elem, *key;

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, "probe");
	list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	elem = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	key = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_KEY);
	mnl_attr_put_u32(nlh, NFTA_DATA_VALUE, htonl(1));
	mnl_attr_nest_end(nlh, key);
	if (timeout)
		mnl_attr_put_u64(nlh, NFTA_SET_ELEM_TIMEOUT, htobe64((uint64_t)timeout));
	mnl_attr_nest_end(nlh, elem);
	mnl_attr_nest_end(nlh, list);
}

static int probe_elem(struct probe *probe, uint32_t timeout)
{
	put_elem(batch_add(&probe->batch, NFT_MSG_NEWSETELEM, NLM_F_CREATE, -1), probe->table,
		timeout);
	return probe_commit(probe);
}

/* The longest time left of all elements in the answer. */
static void expiration_find(void *data, const struct nlmsghdr *nlh)
{
	const struct nlattr *list, *elem, *attr;
	uint64_t *left = data, value;

	mnl_attr_for_each(list, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(list) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(elem, list) mnl_attr_for_each_nested(
			attr, elem) if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_EXPIRATION &&
					mnl_attr_get_payload_len(attr) == sizeof(value))
		{
			memcpy(&value, mnl_attr_get_payload(attr), sizeof(value));
			*left = be64toh(value);
		}
	}
}

static bool probe_refresh(struct probe *probe)
{
	char request[NL_REQUEST];
	struct nlmsghdr *nlh;
	uint64_t left = 0;

	add_set(probe);
	if (probe_elem(probe, PROBE_SHORT) || probe_elem(probe, PROBE_LONG))
		return false;
	nlh = nl_request(request, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM, NFPROTO_INET);
	put_elem(nlh, probe->table, 0);
	return !nl_talk(&probe->nl, nlh, expiration_find, &left) && left > PROBE_SHORT;
}

static int probe_run(struct probe *probe, struct kernel *out, struct rules_error *error)
{
	int err;

	*out = (struct kernel){.persist = true};
	err = probe_table(probe, out);
	if (err == -EOPNOTSUPP || err == -EINVAL) {
		out->persist = false;
		err = probe_table(probe, out);
	}
	if (err == -EPERM)
		return nl_fail(error, err, -1, "CAP_NET_ADMIN is missing");
	if (err)
		return nl_fail(
			error, err, -1, "nf_tables does not take a table: %s", strerror(-err));
	out->destroy = probe_destroy(probe);
	out->timeouts = probe_timeouts(probe);
	out->refresh = probe_refresh(probe);
	skeleton_delete(&probe->batch, probe->table);
	probe_commit(probe);
	return 0;
}

int kernel_probe(struct kernel *out, struct rules_error *error)
{
	struct probe *probe = calloc(1, sizeof(*probe));
	int err;

	if (!probe)
		return nl_fail(error, -ENOMEM, -1, "out of memory");
	batch_init(&probe->batch);
	snprintf(probe->table, sizeof(probe->table), "relayd-probe-%d", (int)getpid());
	err = nl_open(&probe->nl);
	if (err)
		nl_fail(error, err, -1, "netlink socket: %s", strerror(-err));
	else
		err = probe_run(probe, out, error);
	nl_close(&probe->nl);
	batch_fini(&probe->batch);
	free(probe);
	return err;
}
