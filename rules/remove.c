/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/nf_conntrack_common.h>

#include "rules/elem.h"
#include "rules/internal.h"

struct removal {
	struct nl nl;
	struct batch batch;
	bool known; /* listen is what the table had; else there was none to ask */
	struct elems listen;
	struct ct_tuple *flows;
	size_t count, room;
	bool failed;
};

/* Unless tables have owners, only the log group tells that a relayd is running. */
static int running_check(struct rules_error *error)
{
	struct nl *log = calloc(1, sizeof(*log));
	int err;

	if (!log)
		return nl_fail(error, -ENOMEM, -1, "out of memory");
	err = nl_open(log);
	if (!err)
		err = log_bind(log);
	nl_close(log);
	free(log);
	if (err == -EBUSY)
		return nl_fail(error, err, -1, "relayd is running");
	return 0;
}

static int state_check(enum table_state state, struct rules_error *error)
{
	switch (state) {
	case TABLE_FOREIGN:
		return nl_fail(
			error, -EEXIST, -1, "table inet %s is not ours, and stays", RULES_TABLE);
	case TABLE_OWNED:
		return nl_fail(error, -EBUSY, -1, "relayd is running");
	case TABLE_NONE:
	case TABLE_OURS:
	case TABLE_BEFORE:
	case TABLE_OLD:
		break;
	}
	return running_check(error);
}

static bool endpoint_is_ours(const struct removal *removal, const struct endpoint *endpoint)
{
	for (size_t i = 0; i < removal->listen.count; i++)
		if (endpoint_equal(&removal->listen.list[i].key, endpoint))
			return true;
	return false;
}

/* The mark alone could be somebody else's: both translations have to be there too. */
static void flow_find(void *data, const struct ct *ct)
{
	const uint32_t nat = IPS_SRC_NAT | IPS_DST_NAT;
	struct removal *removal = data;

	if ((ct->mark & RULES_MARK_MASK) != RULES_MARK || ct->proto != IPPROTO_UDP ||
		(ct->status & nat) != nat)
		return;
	if (removal->known && !endpoint_is_ours(removal, &ct->orig.dst))
		return;
	if (removal->count == removal->room) {
		size_t room = removal->room ? 2 * removal->room : 64;
		struct ct_tuple *flows = reallocarray(removal->flows, room, sizeof(*flows));

		if (!flows) {
			removal->failed = true;
			return;
		}
		removal->flows = flows;
		removal->room = room;
	}
	removal->flows[removal->count++] = ct->orig;
}

/* An older version may lack the sets; then flows are known by their mark and translations. */
static int listen_read(struct removal *removal)
{
	struct elems v6 = {0};
	int err = elem_dump(&removal->nl, SET_LISTEN, AF_INET, &removal->listen);

	if (!err)
		err = elem_dump(&removal->nl, SET_LISTEN, AF_INET6, &v6);
	if (!err && v6.count) {
		size_t count = removal->listen.count + v6.count;
		struct elem *list = reallocarray(removal->listen.list, count, sizeof(struct elem));

		if (list) {
			memcpy(list + removal->listen.count, v6.list, v6.count * sizeof(*list));
			removal->listen.list = list;
			removal->listen.count = removal->listen.room = count;
		} else {
			err = -ENOMEM;
		}
	}
	free(v6.list);
	removal->known = !err;
	return err == -ENOENT ? 0 : err;
}

/* The table first, or the next packet would make the flow again. */
static int table_remove(
	struct removal *removal, struct rules_removed *out, struct rules_error *error)
{
	int err = listen_read(removal);

	if (err)
		return nl_fail(error, err, -1, "reading table %s: %s", RULES_TABLE, strerror(-err));
	skeleton_delete(&removal->batch, RULES_TABLE);
	err = batch_commit(&removal->batch, &removal->nl, error);
	out->table = !err;
	return err;
}

static int flows_remove(
	struct removal *removal, struct rules_removed *out, struct rules_error *error)
{
	const struct ct_filter ours = {.mark = RULES_MARK, .mask = RULES_MARK_MASK};
	size_t deleted = 0;
	int err = ct_dump(&removal->nl, &ours, flow_find, removal);

	if (!err && removal->failed)
		err = -ENOMEM;
	if (!err)
		err = ct_delete(&removal->nl, removal->flows, removal->count, &deleted);
	out->flows = (unsigned int)deleted;
	if (err)
		return nl_fail(error, err, -1, "conntrack: %s", strerror(-err));
	return 0;
}

static int removal_run(
	struct removal *removal, struct rules_removed *out, struct rules_error *error)
{
	enum table_state state;
	int err = nl_open(&removal->nl);

	if (!err)
		err = table_examine(&removal->nl, &state);
	if (err == -EPERM)
		return nl_fail(error, err, -1, "CAP_NET_ADMIN is missing");
	if (err)
		return nl_fail(error, err, -1, "netlink: %s", strerror(-err));
	err = state_check(state, error);
	if (!err && state != TABLE_NONE)
		err = table_remove(removal, out, error);
	return err ? err : flows_remove(removal, out, error);
}

int rules_remove(struct rules_removed *removed, struct rules_error *error)
{
	struct removal *removal = calloc(1, sizeof(*removal));
	int err;

	*removed = (struct rules_removed){0};
	if (!removal)
		return nl_fail(error, -ENOMEM, -1, "out of memory");
	removal->nl.fd = -1;
	batch_init(&removal->batch);
	err = removal_run(removal, removed, error);
	nl_close(&removal->nl);
	batch_fini(&removal->batch);
	free(removal->listen.list);
	free(removal->flows);
	free(removal);
	return err;
}
