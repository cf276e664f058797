/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/sync_batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

struct sync_batch {
	sync_settled_fn *settled;
	void *data;
	bool sent;    /* it is in the transaction under way, */
	size_t first; /* from this operation on */
	TAILQ_ENTRY(sync_batch) link;
	size_t count;
	struct rules_op ops[];
};

int sync_batch(struct sync *sync, const struct rules_op *ops, size_t count,
	sync_settled_fn *settled, void *data)
{
	struct sync_batch *batch;

	if (!count || count > SYNC_BATCH)
		return -EINVAL;
	batch = calloc(1, sizeof *batch + count * sizeof *ops);
	if (!batch)
		return -ENOMEM;
	batch->settled = settled;
	batch->data = data;
	batch->count = count;
	memcpy(batch->ops, ops, count * sizeof *ops);
	TAILQ_INSERT_TAIL(&sync->batches, batch, link);
	return 0;
}

bool sync_batch_plan(struct sync *sync)
{
	struct sync_batch *batch;

	TAILQ_FOREACH(batch, &sync->batches, link) {
		if (sync->op_count + batch->count > RULES_OPS_MAX)
			return false;
		batch->sent = true;
		batch->first = sync->op_count;
		memcpy(sync->ops + sync->op_count, batch->ops, batch->count * sizeof *batch->ops);
		sync->op_count += batch->count;
		if (sync->alone) {
			sync->alone--;
			return false;
		}
	}
	return true;
}

bool sync_batch_pending(const struct sync *sync)
{
	const struct sync_batch *last = TAILQ_LAST(&sync->batches, sync_batches);

	return last && !last->sent;
}

static void settle(struct sync *sync, struct sync_batch *batch, int error)
{
	TAILQ_REMOVE(&sync->batches, batch, link);
	if (batch->settled)
		batch->settled(batch->data, error);
	free(batch);
}

/* Who is told may add another, behind those that were sent. */
void sync_batch_commit(struct sync *sync)
{
	struct sync_batch *batch = TAILQ_FIRST(&sync->batches), *next;

	for (; batch && batch->sent; batch = next) {
		next = TAILQ_NEXT(batch, link);
		settle(sync, batch, 0);
	}
}

bool sync_batch_refuse(struct sync *sync, const struct rules_error *error)
{
	struct sync_batch *batch, *failed = NULL;
	size_t op = (size_t)error->op, sent = 0;

	TAILQ_FOREACH(batch, &sync->batches, link) {
		if (!batch->sent)
			break;
		batch->sent = false;
		sent++;
		if (error->op >= 0 && op >= batch->first && op < batch->first + batch->count)
			failed = batch;
	}
	if (!sent || (error->op >= 0 && !failed))
		return false;
	/* The kernel does not say which: each by itself then, and the slots behind them. */
	if (!failed && (sent > 1 || sync->slot_count)) {
		sync->alone = sent;
		return true;
	}
	if (!failed)
		failed = TAILQ_FIRST(&sync->batches);
	if (sync->failed)
		sync->failed(sync->failed_data, failed->ops->name, error);
	settle(sync, failed, error->code);
	return true;
}

void sync_batch_again(struct sync *sync)
{
	struct sync_batch *batch;

	TAILQ_FOREACH(batch, &sync->batches, link)
		batch->sent = false;
}

void sync_batch_fini(struct sync *sync)
{
	struct sync_batch *batch;

	while ((batch = TAILQ_FIRST(&sync->batches))) {
		TAILQ_REMOVE(&sync->batches, batch, link);
		free(batch);
	}
}
