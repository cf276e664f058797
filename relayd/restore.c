/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/restore.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "relayd/compare.h"

#define DOUBT_MS 1000
/* Comparisons to be sure take no more than such a share of the time. */
#define DOUBT_SHARE 10

static const char *change_text(enum rules_cause cause)
{
	switch (cause) {
	case RULES_CAUSE_ELEMENT:
		return "elements of table inet " RULES_TABLE " were changed";
	case RULES_CAUSE_RULE:
		return "rules of table inet " RULES_TABLE " were changed";
	case RULES_CAUSE_TABLE:
		return "table inet " RULES_TABLE " was removed";
	case RULES_CAUSE_LOST:
		return "changes of nf_tables were missed";
	case RULES_CAUSE_REFUSED:
		return "the kernel refused what should be possible";
	case RULES_CAUSE_NONE:
	case RULES_CAUSES:
		break;
	}
	return "the kernel did not hold what it was told";
}

static void log_restored(
	const struct net *net, const struct rules_change *change, const struct compare_count *count)
{
	char who[64] = "";

	if (*change->process)
		snprintf(who, sizeof who, " by %s (process %u)", change->process, change->pid);
	/* To be sure, and it was as it should be. */
	if (change->cause == RULES_CAUSE_NONE && !count->missing && !count->orphans)
		return;
	log_warning("%s%s: %zu restored, %zu removed, %lld ms later", change_text(change->cause),
		who, count->missing, count->orphans,
		(long long)(net_now(net) - net->restore.since_ms));
}

static void compare_begin(struct net *net);

int restore_begin(struct net *net, sync_part_fn *part, sync_read_fn *done)
{
	struct restore *restore = &net->restore;
	int err;

	restore->compare = compare_open(net);
	err = restore->compare ? sync_check(&net->sync, part, done, net) : -ENOMEM;
	net->sync.held = !err;
	if (err)
		restore_close(net);
	return err;
}

void restore_close(struct net *net)
{
	struct restore *restore = &net->restore;

	if (restore->compare)
		compare_close(restore->compare);
	restore->compare = NULL;
	net->sync.held = false;
}

void restore_end(struct net *net)
{
	restore_close(net);
	if (net->restore.again)
		compare_begin(net);
}

/* Pairs are compared with the first part, while nothing is under way; then all may go on. */
static void part_compared(void *data, const struct sync_snapshot *part)
{
	struct net *net = data;

	uv_update_time(&net->loop);
	if (!compare_load(net->restore.compare, part))
		compare_part(net->restore.compare);
	net->sync.held = false;
}

static void compared(void *data, int error, const struct sync_snapshot *snapshot)
{
	struct net *net = data;
	struct restore *restore = &net->restore;
	struct compare_count count;
	int64_t spent_ms;

	(void)snapshot;
	if (!error)
		error = compare_finish(restore->compare, &count);
	uv_update_time(&net->loop);
	if (!error) {
		restore->missing += count.missing;
		/* Also what was in the table and is of no stream. */
		count.orphans += restore->change.removed;
		restore->orphans += count.orphans;
		log_restored(net, &restore->change, &count);
		restore->change.cause = RULES_CAUSE_NONE;
		restore->change.removed = 0;
	}
	spent_ms = net_now(net) - restore->since_ms;
	restore->doubt_ms = net_now(net) +
			    (spent_ms * DOUBT_SHARE > DOUBT_MS ? spent_ms * DOUBT_SHARE : DOUBT_MS);
	if (error)
		restore->doubt = true;
	restore_end(net);
}

static void compare_begin(struct net *net)
{
	net->restore.again = net->restore.compare != NULL;
	if (net->restore.again)
		return;
	net->restore.doubt = false;
	if (restore_begin(net, part_compared, compared))
		restore_doubt(net);
}

void restore_changed(struct net *net, const struct rules_change *change, int64_t since_ms)
{
	struct restore *restore = &net->restore;

	restore->changes[change->cause]++;
	if (restore->change.cause == RULES_CAUSE_NONE) {
		memset(&restore->change, 0, sizeof restore->change);
		restore->since_ms = since_ms;
	}
	rules_change_add(&restore->change, change);
	compare_begin(net);
}

void restore_doubt(struct net *net)
{
	net->restore.doubt = true;
}

void restore_tick(struct net *net)
{
	struct restore *restore = &net->restore;

	if (!restore->doubt || restore->compare || net_now(net) < restore->doubt_ms)
		return;
	if (restore->change.cause == RULES_CAUSE_NONE)
		restore->since_ms = net_now(net);
	compare_begin(net);
}
