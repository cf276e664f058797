/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/sync.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "relayd/sync_batch.h"
#include "relayd/sync_plan.h"
#include "relayd/sync_read.h"

int sync_init(struct sync *sync, struct stream_table *table, const struct config *config)
{
	memset(sync, 0, sizeof *sync);
	sync->table = table;
	sync->config = config;
	TAILQ_INIT(&sync->waiters);
	TAILQ_INIT(&sync->spare);
	TAILQ_INIT(&sync->asking);
	TAILQ_INIT(&sync->next);
	TAILQ_INIT(&sync->settling);
	TAILQ_INIT(&sync->batches);
	sync->pool = calloc(SYNC_WAITERS, sizeof *sync->pool);
	if (!sync->pool)
		return -ENOMEM;
	for (size_t i = 0; i < SYNC_WAITERS; i++)
		TAILQ_INSERT_TAIL(&sync->spare, &sync->pool[i], link);
	return 0;
}

static void free_readers(struct sync_readers *readers)
{
	struct sync_reader *reader;

	while ((reader = TAILQ_FIRST(readers))) {
		TAILQ_REMOVE(readers, reader, link);
		free(reader);
	}
}

void sync_fini(struct sync *sync)
{
	free_readers(&sync->asking);
	free_readers(&sync->next);
	free_readers(&sync->settling);
	free(sync->pool);
	free(sync->records);
	sync_batch_fini(sync);
}

int sync_wait(struct sync *sync, struct slot *slot, sync_settled_fn *settled, void *data)
{
	struct sync_waiter *waiter = TAILQ_FIRST(&sync->spare);

	if (!waiter) {
		sync->dropped++;
		return -EBUSY;
	}
	TAILQ_REMOVE(&sync->spare, waiter, link);
	*waiter = (struct sync_waiter){.slot = slot, .settled = settled, .data = data};
	/* Nothing to change since: what is under way, if anything, is what it waits for. */
	waiter->sent = !slot->dirty;
	TAILQ_INSERT_TAIL(&sync->waiters, waiter, link);
	return 0;
}

int sync_settle(struct sync *sync, sync_read_fn *done, void *data)
{
	return sync_reader_add(sync, &sync->settling, done, data);
}

void sync_forget(struct sync *sync, void *data)
{
	struct sync_readers *const lists[] = {&sync->asking, &sync->next, &sync->settling};
	struct sync_reader *reader;

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		TAILQ_FOREACH(reader, lists[i], link)
			if (reader->data == data)
				reader->done = NULL;
}

/* The verdict on a transaction: whose changes were in it, or in one before, is settled. */
static void settle_readers(struct sync *sync)
{
	struct sync_reader *reader = TAILQ_FIRST(&sync->settling), *next;

	for (; reader && reader->sent; reader = next) {
		next = TAILQ_NEXT(reader, link);
		TAILQ_REMOVE(&sync->settling, reader, link);
		sync_reader_finish(reader, 0, NULL);
	}
}

/* What was refused goes again, with all that came since. */
static void unsettle_readers(struct sync *sync)
{
	struct sync_reader *reader;

	TAILQ_FOREACH(reader, &sync->settling, link) {
		reader->sent = false;
		reader->mark = sync->table->marks;
	}
}

static int send_ops(struct sync *sync, const struct rules_op *ops, size_t count)
{
	size_t len = ipc_encode_apply(sync->message, ++sync->id, ops, count);

	sync->busy = true;
	sync->transactions++;
	return sync->send(sync->send_data, sync->message, len);
}

static void finish(struct sync *sync, struct sync_waiter *waiter, int error)
{
	TAILQ_REMOVE(&sync->waiters, waiter, link);
	TAILQ_INSERT_TAIL(&sync->spare, waiter, link);
	waiter->settled(waiter->data, error);
}

/* Answers whose slots are settled: all that were sent, with the verdict of their slot. */
static void settle_waiters(struct sync *sync, const struct slot *failed, int error)
{
	struct sync_waiter *waiter = TAILQ_FIRST(&sync->waiters), *next;

	for (; waiter; waiter = next) {
		next = TAILQ_NEXT(waiter, link);
		if (waiter->sent)
			finish(sync, waiter, waiter->slot == failed ? error : 0);
	}
}

static void commit(struct sync *sync)
{
	for (size_t i = 0; i < sync->slot_count; i++) {
		struct slot *slot = sync->slots[i];

		slot->busy = false;
		sync_plan_close_old(sync, slot);
		slot->have = slot->doing;
		if (!slot->listening || !prefix_equal(&slot->listening_source, &slot->doing_source))
			slot->seen = sync->table->round;
		slot->listening = !slot->doing_gone;
		slot->listening_source = slot->doing_source;
		slot->listening_number = slot->doing_number;
		slot->have_rate = slot->doing_rate;
		slot->raw_open = slot->doing_raw;
	}
	settle_waiters(sync, NULL, 0);
	for (size_t i = 0; i < sync->slot_count; i++)
		slot_reap(sync->table, sync->slots[i]);
}

/* What the kernel still has of it is nobody's: a comparison takes that away. */
static void forget(struct sync *sync, struct slot *slot)
{
	memset(&slot->have, 0, sizeof slot->have);
	slot->listening = false;
	slot->raw_open = 0;
	slot_reap(sync->table, slot);
}

/*
 * The slot at fault gives up what it wanted; the others, which were not to blame, are sent again,
 * and in their order: who gives up a port comes before who has it next.
 */
static void revert(struct sync *sync, struct slot *failed, const struct rules_error *error)
{
	struct sync_waiter *waiter;

	TAILQ_FOREACH(waiter, &sync->waiters, link)
		if (waiter->sent && waiter->slot != failed)
			waiter->sent = false;
	for (size_t i = sync->slot_count; i-- > 0;) {
		struct slot *slot = sync->slots[i];

		slot->busy = false;
		if (slot != failed) {
			slot->refresh = true;
			slot->flush |= slot->doing_flush;
			slot_mark_first(sync->table, slot);
		}
	}
	if (!failed)
		return;
	if (sync->failed)
		sync->failed(sync->failed_data, failed->stream->spec.name, error);
	settle_waiters(sync, failed, error->code);
	stream_tell(sync->table, "failed", failed, error->text);
	if (failed->gone)
		forget(sync, failed);
	else if (!hole_equal(&failed->want, &failed->have))
		slot_release(sync->table, failed);
}

/* Batches first: one may close a hole that a slot opens again. */
static void send_changes(struct sync *sync)
{
	struct slot *slot;
	bool room;

	sync->slot_count = sync->op_count = 0;
	room = sync_batch_plan(sync);
	/* Many a slot may need no operation. */
	while (room && (slot = TAILQ_FIRST(&sync->table->dirty)) &&
		sync->slot_count < RULES_OPS_MAX && sync->op_count + SLOT_OPS_MAX <= RULES_OPS_MAX)
		sync_plan(sync, slot);
	for (struct sync_waiter *waiter = TAILQ_FIRST(&sync->waiters); waiter;
		waiter = TAILQ_NEXT(waiter, link))
		if (waiter->slot->busy)
			waiter->sent = true;
	if (sync->op_count)
		send_ops(sync, sync->ops, sync->op_count);
	else
		commit(sync);
}

void sync_turn(struct sync *sync)
{
	struct sync_waiter *waiter, *next;
	struct sync_reader *reader;

	if (sync->held) {
		sync_reading_start(sync);
		return;
	}
	while (!sync->busy && (sync_batch_pending(sync) || !TAILQ_EMPTY(&sync->table->dirty)))
		send_changes(sync);
	/* Those that waited for a slot that had nothing to send. */
	for (waiter = TAILQ_FIRST(&sync->waiters); waiter; waiter = next) {
		next = TAILQ_NEXT(waiter, link);
		if (waiter->sent && !waiter->slot->busy)
			finish(sync, waiter, 0);
	}
	sync_reading_start(sync);
	TAILQ_FOREACH(reader, &sync->settling, link)
		reader->sent = reader->sent || sync_reader_is_planned(sync, reader);
	if (!sync->busy)
		settle_readers(sync);
}

static void transaction_done(struct sync *sync, const struct rules_error *error)
{
	struct slot *failed = NULL;
	size_t op = error->op >= 0 && (size_t)error->op < sync->op_count ? (size_t)error->op : 0;

	sync->busy = false;
	if (!error->code) {
		commit(sync);
		sync_batch_commit(sync);
		settle_readers(sync);
		return;
	}
	sync->failures++;
	if (sync->doubt)
		sync->doubt(sync->send_data);
	if (sync->held || sync_is_checking(sync)) {
		sync_batch_again(sync);
		revert(sync, NULL, error);
		unsettle_readers(sync);
		return;
	}
	if (!sync_batch_refuse(sync, error) && sync->slot_count)
		failed = sync->slots[sync->op_slot[op]];
	revert(sync, failed, error);
	unsettle_readers(sync);
}

void sync_message(struct sync *sync, const struct ipc *message, const struct ipc_record *records)
{
	if (message->kind == IPC_DONE && sync->busy)
		transaction_done(sync, &message->error);
	else if (message->kind == IPC_RECORDS || message->kind == IPC_END)
		sync_reading_message(sync, message, records);
}
