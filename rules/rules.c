/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "rules/internal.h"

static int log_open(struct rules *rules, struct rules_error *error)
{
	int err = nl_open(&rules->log);

	if (!err)
		err = log_bind(&rules->log);
	if (err == -EBUSY)
		return nl_fail(error, err, -1, "log group %d is taken: another relayd is running",
			RULES_LOG_GROUP);
	if (err)
		return nl_fail(error, err, -1, "log group %d: %s", RULES_LOG_GROUP, strerror(-err));
	return 0;
}

/* Makes the table over what is there; elements of our own version stay. */
static int table_make(struct rules *rules, enum table_state state, struct rules_error *error)
{
	batch_clear(&rules->batch);
	if (state == TABLE_OLD)
		skeleton_delete(&rules->batch, RULES_TABLE);
	skeleton_add(&rules->batch, &rules->kernel);
	return batch_commit(&rules->batch, &rules->nl, error);
}

static int table_open(struct rules *rules, bool *adopted, struct rules_error *error)
{
	enum table_state state;
	int err = table_examine(&rules->nl, &state);

	if (err)
		return nl_fail(error, err, -1, "reading table %s: %s", RULES_TABLE, strerror(-err));
	if (state == TABLE_FOREIGN)
		return nl_fail(error, -EEXIST, -1,
			"a table inet %s that is not ours is in the way: nft delete table inet %s",
			RULES_TABLE, RULES_TABLE);
	if (state == TABLE_OWNED)
		return nl_fail(error, -EBUSY, -1, "another relayd is running");
	*adopted = state == TABLE_OURS;
	err = table_make(rules, state, error);
	if (err == -EEXIST && *adopted) {
		/* Somebody has changed its sets. */
		*adopted = false;
		err = table_make(rules, TABLE_OLD, error);
	}
	return err;
}

static int changes_watch(struct rules *rules, struct rules_error *error)
{
	const int group = NFNLGRP_NFTABLES;

	if (setsockopt(rules->log.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))
		return nl_fail(error, -errno, -1, "nf_tables' events: %s", strerror(errno));
	return 0;
}

static void kernel_limit(struct kernel *kernel, const struct kernel *limit)
{
	kernel->persist &= limit->persist;
	kernel->refresh &= limit->refresh;
	kernel->destroy &= limit->destroy;
	kernel->timeouts &= limit->timeouts;
}

static int rules_start(
	struct rules *rules, const struct kernel *limit, bool *adopted, struct rules_error *error)
{
	int err = nl_open(&rules->nl);

	if (err)
		return nl_fail(error, err, -1, "netlink socket: %s", strerror(-err));
	err = kernel_probe(&rules->kernel, error);
	if (limit)
		kernel_limit(&rules->kernel, limit);
	/* Before the table is touched: where tables have no owners, this tells a running relayd. */
	if (!err)
		err = log_open(rules, error);
	if (!err)
		err = table_open(rules, adopted, error);
	/* Nobody can take an owned table away; another one is watched from now on. */
	if (!err && !rules->kernel.persist)
		err = changes_watch(rules, error);
	rules->features = (struct rules_features){
		.persist = rules->kernel.persist, .refresh = rules->kernel.refresh};
	return err;
}

int rules_open_limited(
	struct rules **out, const struct kernel *limit, bool *adopted, struct rules_error *error)
{
	struct rules *rules = calloc(1, sizeof(*rules));
	int err;

	if (!rules)
		return nl_fail(error, -ENOMEM, -1, "out of memory");
	rules->nl.fd = -1;
	rules->log.fd = -1;
	batch_init(&rules->batch);
	err = rules_start(rules, limit, adopted, error);
	if (err) {
		rules_close(rules);
		return err;
	}
	*out = rules;
	return 0;
}

int rules_open(struct rules **out, bool *adopted, struct rules_error *error)
{
	return rules_open_limited(out, NULL, adopted, error);
}

void rules_close(struct rules *rules)
{
	if (!rules)
		return;
	nl_close(&rules->log);
	nl_close(&rules->nl);
	batch_fini(&rules->batch);
	free(rules);
}

const struct rules_features *rules_features(const struct rules *rules)
{
	return &rules->features;
}
