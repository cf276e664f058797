/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/internal.h"
#include "rules/upgrade.h"

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
	uint32_t strangers;
	int err = 0;

	rules->extra = (struct skeleton_extra){0};
	if (state == TABLE_OURS)
		err = table_extra(&rules->nl, &rules->extra);
	if (err && err != -ENOENT)
		return nl_fail(error, err, -1, "reading table %s: %s", RULES_TABLE, strerror(-err));
	batch_clear(&rules->batch);
	if (state == TABLE_OLD)
		skeleton_delete(&rules->batch, RULES_TABLE);
	skeleton_add(&rules->batch, &rules->kernel, &rules->extra);
	if (state == TABLE_OURS)
		err = strangers_delete(rules, &strangers);
	if (err)
		return nl_fail(error, err, -1, "reading table %s: %s", RULES_TABLE, strerror(-err));
	return batch_commit(&rules->batch, &rules->nl, error);
}

/* Only the table itself: it is ours from now on. */
static int table_claim(struct rules *rules, struct rules_error *error)
{
	if (!rules->kernel.persist)
		return 0;
	batch_clear(&rules->batch);
	skeleton_add_table(&rules->batch, RULES_TABLE, skeleton_flags(&rules->kernel));
	return batch_commit(&rules->batch, &rules->nl, error);
}

/* A table of our version: what is not as it should be is made anew, its elements stay. */
static int table_repair(struct rules *rules, struct rules_mended *mended, struct rules_error *error)
{
	bool same = false;
	int err = table_extra(&rules->nl, &rules->extra);

	mended->changed = false;
	if (!err)
		err = skeleton_verify(rules, &same);
	if (!err)
		err = strangers_delete(rules, &mended->removed);
	if (!err && same && !mended->removed)
		return table_claim(rules, error);
	mended->changed = true;
	return table_make(rules, TABLE_OURS, error);
}

/* One transaction puts our table in the place of the one before, so no packet finds none. */
static int table_upgrade(struct rules *rules, struct rules_error *error)
{
	struct upgrade upgrade = {0};
	int err = table_extra(&rules->nl, &rules->extra);

	if (!err || err == -ENOENT)
		err = upgrade_read(&rules->nl, &upgrade);
	if (!err) {
		batch_clear(&rules->batch);
		skeleton_delete(&rules->batch, RULES_TABLE);
		skeleton_add(&rules->batch, &rules->kernel, &rules->extra);
		err = upgrade_commit(rules, &upgrade, error);
	}
	upgrade_fini(&upgrade);
	return err;
}

/* What could not be taken over is made anew, and clients have to punch again. */
static int table_adopt(struct rules *rules, enum table_state state, struct rules_mended *mended,
	struct rules_error *error)
{
	int err;

	mended->changed = true;
	if (state == TABLE_OURS || state == TABLE_OWNED)
		err = table_repair(rules, mended, error);
	else
		err = table_upgrade(rules, error);
	/* Somebody has changed its sets or its hooks. */
	if (!err || (state != TABLE_BEFORE && err != -EEXIST && err != -EOPNOTSUPP &&
			    err != -EINVAL && err != -EBUSY))
		return err;
	mended->changed = rules->fresh = true;
	return table_make(rules, TABLE_OLD, error);
}

int rules_mend(struct rules *rules, struct rules_mended *mended, struct rules_error *error)
{
	enum table_state state;
	int err = table_examine(&rules->nl, &state);

	*mended = (struct rules_mended){false, 0};
	if (err)
		return nl_fail(error, err, -1, "reading table %s: %s", RULES_TABLE, strerror(-err));
	if (state == TABLE_FOREIGN)
		return nl_fail(error, -EEXIST, -1,
			"a table inet %s that is not ours is in the way: nft delete table inet %s",
			RULES_TABLE, RULES_TABLE);
	if (state == TABLE_OWNED && !rules->owner)
		return nl_fail(error, -EBUSY, -1, "another relayd is running");
	if (state == TABLE_OURS || state == TABLE_OWNED || state == TABLE_BEFORE)
		return table_adopt(rules, state, mended, error);
	mended->changed = rules->fresh = true;
	return table_make(rules, state, error);
}

static int table_open(struct rules *rules, bool *adopted, struct rules_error *error)
{
	struct rules_mended mended;
	int err = rules_mend(rules, &mended, error);

	*adopted = !err && !rules->fresh;
	rules->owner = !err && rules->kernel.persist;
	return err;
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
	/* Nobody can take an owned table away; another one is watched from now on. */
	if (!err && !rules->kernel.persist) {
		err = changes_open(&rules->events, &rules->nl);
		if (err)
			nl_fail(error, err, -1, "nf_tables' events: %s", strerror(-err));
	}
	if (!err)
		err = table_open(rules, adopted, error);
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
	rules->events.fd = -1;
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
	nl_close(&rules->events);
	nl_close(&rules->log);
	nl_close(&rules->nl);
	batch_fini(&rules->batch);
	free(rules->hints);
	free(rules);
}

const struct rules_features *rules_features(const struct rules *rules)
{
	return &rules->features;
}
