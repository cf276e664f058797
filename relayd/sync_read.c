/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/sync_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "relayd/sync_batch.h"

/* With fewer streams the kernel is read as fast without hints. */
#define HINTS_MIN 4096
/* Records for which memory is kept from one reading to the next. */
#define RECORDS_KEPT 4096

int sync_reader_add(struct sync *sync, struct sync_readers *readers, sync_read_fn *done, void *data)
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
	return sync_reader_add(sync, &sync->next, done, data);
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

/* It is in no list any more. */
void sync_reader_finish(struct sync_reader *reader, int error, const struct sync_snapshot *snapshot)
{
	if (reader->done)
		reader->done(reader->data, error, snapshot);
	free(reader);
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
			const struct slot *slot = stream->slots[i];

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

bool sync_reader_is_planned(const struct sync *sync, const struct sync_reader *reader)
{
	return reader && sync->table->plans >= reader->mark && !sync_batch_pending(sync);
}

/* The dirty list is a queue: what turns dirty all the time keeps nobody waiting. */
void sync_reading_start(struct sync *sync)
{
	struct sync_reader *reader = TAILQ_FIRST(&sync->next);
	bool check;
	size_t len;

	if (sync->read_id || !reader || (!sync->held && !sync_reader_is_planned(sync, reader)))
		return;
	do {
		check = reader->part;
		TAILQ_REMOVE(&sync->next, reader, link);
		TAILQ_INSERT_TAIL(&sync->asking, reader, link);
		reader = TAILQ_FIRST(&sync->next);
	} while (reader && !check && !reader->part && sync_reader_is_planned(sync, reader));
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
		sync_reader_finish(reader, error, check ? NULL : &snapshot);
	}
	if (sync->record_room > RECORDS_KEPT) {
		free(sync->records);
		sync->records = NULL;
		sync->record_room = 0;
	}
	sync->record_count = 0;
}

bool sync_is_checking(const struct sync *sync)
{
	return checker(sync);
}

void sync_reading_message(
	struct sync *sync, const struct ipc *message, const struct ipc_record *records)
{
	if (sync->sample_id && message->id == sync->sample_id)
		sample_part(sync, message, records);
	else if (!sync->read_id || message->id != sync->read_id)
		return;
	else if (message->kind == IPC_END)
		read_done(sync, message->error.code ? message->error.code : sync->record_error);
	else
		keep_records(sync, records, message->count);
}
