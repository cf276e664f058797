/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/sync.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "relayd/sync_batch.h"
#include "relayd/sync_plan.h"

int sync_init(struct sync *sync, struct stream_table *table, const struct config *config)
{
	memset(sync, 0, sizeof *sync);
	sync->table = table;
	sync->config = config;
	TAILQ_INIT(&sync->waiters);
	TAILQ_INIT(&sync->spare);
	TAILQ_INIT(&sync->asking);
	TAILQ_INIT(&sync->next);
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

int sync_read(struct sync *sync, sync_read_fn *done, void *data)
{
	struct sync_reader *reader = calloc(1, sizeof *reader);

	if (!reader)
		return -ENOMEM;
	reader->done = done;
	reader->data = data;
	TAILQ_INSERT_TAIL(&sync->next, reader, link);
	return 0;
}

int sync_check(struct sync *sync, sync_read_fn *done, void *data)
{
	int err = sync_read(sync, done, data);

	sync->check |= !err;
	return err;
}

void sync_forget(struct sync *sync, void *data)
{
	struct sync_reader *reader;

	TAILQ_FOREACH(reader, &sync->asking, link)
		if (reader->data == data)
			reader->done = NULL;
	TAILQ_FOREACH(reader, &sync->next, link)
		if (reader->data == data)
			reader->done = NULL;
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
		slot->listening = !slot->doing_gone;
		slot->listening_source = slot->doing_source;
		slot->raw_open = slot->listening && slot->stream->spec.raw_punch;
	}
	settle_waiters(sync, NULL, 0);
	for (size_t i = 0; i < sync->slot_count; i++)
		if (sync->slots[i] && sync->slots[i]->stream->gone) {
			struct stream *stream = sync->slots[i]->stream;

			/* Freed with its last slot: do not look at its others again. */
			for (size_t j = i; j < sync->slot_count; j++)
				if (sync->slots[j] && sync->slots[j]->stream == stream)
					sync->slots[j] = NULL;
			stream_reap(sync->table, stream);
		}
}

/* The slot at fault gives up what it wanted; the others, which were not to blame, are sent again.
 */
static void revert(struct sync *sync, struct slot *failed, const struct rules_error *error)
{
	struct sync_waiter *waiter;

	TAILQ_FOREACH(waiter, &sync->waiters, link)
		if (waiter->sent && waiter->slot != failed)
			waiter->sent = false;
	for (size_t i = 0; i < sync->slot_count; i++) {
		struct slot *slot = sync->slots[i];

		slot->busy = false;
		if (slot != failed) {
			slot->refresh = true;
			slot->flush |= slot->doing_flush;
			slot_mark(sync->table, slot);
		}
	}
	if (!failed)
		return;
	log_warning(
		"the kernel refused a change for %s: %s", failed->stream->spec.name, error->text);
	settle_waiters(sync, failed, error->code);
	stream_tell(sync->table, "failed", failed, error->text);
	if (failed->stream->gone || hole_equal(&failed->want, &failed->have))
		return;
	slot_release(sync->table, failed);
}

static void start_read(struct sync *sync)
{
	size_t len;

	if (sync->read_id || TAILQ_EMPTY(&sync->next))
		return;
	TAILQ_CONCAT(&sync->asking, &sync->next, link);
	sync->record_count = 0;
	sync->record_error = 0;
	sync->read_id = ++sync->id;
	len = sync->check ? ipc_encode_check(sync->message, sync->read_id)
			  : ipc_encode_read(sync->message, sync->read_id);
	sync->check = false;
	sync->send(sync->send_data, sync->message, len);
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

	if (sync->held) {
		start_read(sync);
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
	if (TAILQ_EMPTY(&sync->table->dirty) && !sync_batch_pending(sync))
		start_read(sync);
}

static void transaction_done(struct sync *sync, const struct rules_error *error)
{
	struct slot *failed = NULL;
	size_t op = error->op >= 0 && (size_t)error->op < sync->op_count ? (size_t)error->op : 0;

	sync->busy = false;
	if (!error->code) {
		commit(sync);
		sync_batch_commit(sync);
		return;
	}
	sync->failures++;
	if (sync->doubt)
		sync->doubt(sync->send_data);
	if (sync->held) {
		sync_batch_again(sync);
		revert(sync, NULL, error);
		return;
	}
	if (!sync_batch_refuse(sync, error) && sync->slot_count)
		failed = sync->slots[sync->op_slot[op]];
	revert(sync, failed, error);
}

static void keep_records(struct sync *sync, const struct ipc_record *records, size_t count)
{
	if (sync->record_count + count > sync->record_room) {
		size_t room = (sync->record_count + count) * 2;
		struct ipc_record *grown = reallocarray(sync->records, room, sizeof *grown);

		if (!grown) {
			log_error("out of memory for what the kernel holds");
			sync->record_error = -ENOMEM;
			return;
		}
		sync->records = grown;
		sync->record_room = room;
	}
	memcpy(sync->records + sync->record_count, records, count * sizeof *records);
	sync->record_count += count;
}

static void read_done(struct sync *sync, int error)
{
	const struct sync_snapshot snapshot = {sync->records, sync->record_count};
	struct sync_reader *reader;

	sync->read_id = 0;
	if (!error && sync->sample)
		sync->sample(sync->sample_data, &snapshot);
	while ((reader = TAILQ_FIRST(&sync->asking))) {
		TAILQ_REMOVE(&sync->asking, reader, link);
		if (reader->done)
			reader->done(reader->data, error, &snapshot);
		free(reader);
	}
}

void sync_message(struct sync *sync, const struct ipc *message, const struct ipc_record *records)
{
	switch (message->kind) {
	case IPC_DONE:
		if (sync->busy)
			transaction_done(sync, &message->error);
		break;
	case IPC_RECORDS:
		if (sync->read_id && message->id == sync->read_id)
			keep_records(sync, records, message->count);
		break;
	case IPC_END:
		if (sync->read_id && message->id == sync->read_id)
			read_done(sync,
				message->error.code ? message->error.code : sync->record_error);
		break;
	case IPC_APPLY:
	case IPC_READ:
	case IPC_CHECK:
	case IPC_EVENT:
	case IPC_CHANGED:
		break;
	}
}
