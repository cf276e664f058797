/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/sync.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "relayd/sync_batch.h"
#include "relayd/sync_plan.h"

/* With fewer streams the kernel is read as fast without hints. */
#define HINTS_MIN 4096
/* Records for which memory is kept from one reading to the next. */
#define RECORDS_KEPT 4096

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

static int reader_add(
	struct sync *sync, struct sync_readers *readers, sync_read_fn *done, void *data)
{
	struct sync_reader *reader = calloc(1, sizeof *reader);

	if (!reader)
		return -ENOMEM;
	reader->done = done;
	reader->data = data;
	reader->mark = sync->table->marks;
	TAILQ_INSERT_TAIL(readers, reader, link);
	return 0;
}

int sync_read(struct sync *sync, sync_read_fn *done, void *data)
{
	return reader_add(sync, &sync->next, done, data);
}

int sync_settle(struct sync *sync, sync_read_fn *done, void *data)
{
	return reader_add(sync, &sync->settling, done, data);
}

int sync_check(struct sync *sync, sync_part_fn *part, sync_read_fn *done, void *data)
{
	int err = sync_read(sync, done, data);

	if (!err)
		TAILQ_LAST(&sync->next, sync_readers)->part = part;
	return err;
}

/* The reading under way, if it is one for a comparison: then that is all that asks for it. */
static struct sync_reader *checker(const struct sync *sync)
{
	struct sync_reader *reader = sync->read_id ? TAILQ_FIRST(&sync->asking) : NULL;

	return reader && reader->part ? reader : NULL;
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

/* It is in no list any more. */
static void reader_finish(
	struct sync_reader *reader, int error, const struct sync_snapshot *snapshot)
{
	if (reader->done)
		reader->done(reader->data, error, snapshot);
	free(reader);
}

/* The verdict on a transaction: whose changes were in it, or in one before, is settled. */
static void settle_readers(struct sync *sync)
{
	struct sync_reader *reader = TAILQ_FIRST(&sync->settling), *next;

	for (; reader && reader->sent; reader = next) {
		next = TAILQ_NEXT(reader, link);
		TAILQ_REMOVE(&sync->settling, reader, link);
		reader_finish(reader, 0, NULL);
	}
}

/* What was refused goes again behind everything else. */
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
		if (!slot->listening || memcmp(&slot->listening_source, &slot->doing_source,
						sizeof slot->doing_source))
			slot->seen = sync->table->round;
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

static void send_spots(
	struct sync *sync, enum ipc_kind kind, const struct rules_spot *spots, size_t count)
{
	size_t len = ipc_encode_spots(sync->message, kind, sync->id, spots, count);

	sync->send(sync->send_data, sync->message, len);
}

/* Where all streams are: dumps of large sets take the kernel very long. */
static void send_hints(struct sync *sync)
{
	struct rules_spot spots[RULES_OPS_MAX] = {0};
	const struct stream *stream;
	size_t count = 0;

	send_spots(sync, IPC_HINT, spots, 0);
	LIST_FOREACH(stream, &sync->table->streams, link)
		for (size_t i = 0; i < stream->slot_count; i++) {
			const struct slot *slot = &stream->slots[i];

			for (size_t a = 0; a < sync->config->address_count; a++) {
				const struct addr *addr = &sync->config->addresses[a];

				if (!slot_is_at(slot, addr))
					continue;
				spots[count].client = slot->have.client;
				spots[count++].listen = (struct endpoint){*addr, slot->port};
				if (count < RULES_OPS_MAX)
					continue;
				send_spots(sync, IPC_HINT, spots, count);
				count = 0;
			}
		}
	if (count)
		send_spots(sync, IPC_HINT, spots, count);
}

int sync_sample(struct sync *sync, const struct rules_spot *spots, size_t count,
	sync_sampled_fn *sampled, void *data)
{
	if (sync->sample_id)
		return -EBUSY;
	sync->sample_id = ++sync->id;
	sync->sampled = sampled;
	sync->sampled_data = data;
	send_spots(sync, IPC_SAMPLE, spots, count);
	return 0;
}

static void sample_part(
	struct sync *sync, const struct ipc *message, const struct ipc_record *records)
{
	const struct sync_snapshot part = {.records = records, .count = message->count};

	if (message->kind == IPC_RECORDS) {
		if (sync->sample)
			sync->sample(sync->sample_data, &part);
		return;
	}
	sync->sample_id = 0;
	sync->sampled(sync->sampled_data, message->error.code);
}

static bool is_planned(const struct sync *sync, const struct sync_reader *reader)
{
	return reader && sync->table->plans >= reader->mark && !sync_batch_pending(sync);
}

/* The dirty list is a queue: what turns dirty all the time keeps nobody waiting. */
static void start_read(struct sync *sync)
{
	struct sync_reader *reader = TAILQ_FIRST(&sync->next);
	bool check;
	size_t len;

	if (sync->read_id || !reader || (!sync->held && !is_planned(sync, reader)))
		return;
	do {
		check = reader->part;
		TAILQ_REMOVE(&sync->next, reader, link);
		TAILQ_INSERT_TAIL(&sync->asking, reader, link);
		reader = TAILQ_FIRST(&sync->next);
	} while (reader && !check && !reader->part && is_planned(sync, reader));
	sync->record_count = 0;
	sync->record_error = 0;
	sync->part_first = true;
	if (sync->table->count >= HINTS_MIN)
		send_hints(sync);
	sync->read_id = ++sync->id;
	len = check ? ipc_encode_check(sync->message, sync->read_id)
		    : ipc_encode_read(sync->message, sync->read_id);
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
	struct sync_reader *reader;

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
	start_read(sync);
	TAILQ_FOREACH(reader, &sync->settling, link)
		reader->sent = reader->sent || is_planned(sync, reader);
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
	if (sync->held || checker(sync)) {
		sync_batch_again(sync);
		revert(sync, NULL, error);
		unsettle_readers(sync);
		return;
	}
	if (sync->failed)
		sync->failed(sync->failed_data, error->code);
	if (!sync_batch_refuse(sync, error) && sync->slot_count)
		failed = sync->slots[sync->op_slot[op]];
	revert(sync, failed, error);
	unsettle_readers(sync);
}

/* Who compares has no need of it any more: of 100,000 streams all would be 60 MB. */
static void tell_part(struct sync *sync)
{
	const struct sync_snapshot part = {sync->records, sync->record_count, sync->part_first};
	const struct sync_reader *reader = checker(sync);

	if (!reader || sync->record_error)
		return;
	if (sync->sample)
		sync->sample(sync->sample_data, &part);
	if (reader->done)
		reader->part(reader->data, &part);
	sync->record_count = 0;
	sync->part_first = false;
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
	for (size_t i = 0; i < count; i++) {
		if (records[i].kind == IPC_PART) {
			tell_part(sync);
		} else if (records[i].kind == IPC_AGAIN) {
			sync->record_count = 0;
			sync->part_first = true;
		} else {
			sync->records[sync->record_count++] = records[i];
		}
	}
}

static void read_done(struct sync *sync, int error)
{
	const struct sync_snapshot snapshot = {sync->records, sync->record_count, true};
	struct sync_reader *reader;

	bool check = checker(sync);

	if (!error && check)
		tell_part(sync);
	else if (!error && sync->sample)
		sync->sample(sync->sample_data, &snapshot);
	sync->read_id = 0;
	while ((reader = TAILQ_FIRST(&sync->asking))) {
		TAILQ_REMOVE(&sync->asking, reader, link);
		reader_finish(reader, error, check ? NULL : &snapshot);
	}
	if (sync->record_room > RECORDS_KEPT) {
		free(sync->records);
		sync->records = NULL;
		sync->record_room = 0;
	}
	sync->record_count = 0;
}

void sync_message(struct sync *sync, const struct ipc *message, const struct ipc_record *records)
{
	bool answer = message->kind == IPC_RECORDS || message->kind == IPC_END;

	if (answer && sync->sample_id && message->id == sync->sample_id) {
		sample_part(sync, message, records);
		return;
	}
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
	case IPC_HINT:
	case IPC_SAMPLE:
	case IPC_CHANGED:
	case IPC_ASK:
	case IPC_FACTS:
		break;
	}
}
