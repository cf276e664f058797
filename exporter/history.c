/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exporter/history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Where the name is, or would be. */
static size_t position(const struct history *history, const char *name, bool *found)
{
	size_t low = 0, high = history->count;

	*found = false;
	while (low < high && !*found) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(name, history->streams[middle]->name);

		if (order > 0)
			low = middle + 1;
		else
			high = middle;
		*found = order == 0;
	}
	return *found ? high : low;
}

static void drop(struct history *history, size_t at)
{
	free(history->streams[at]);
	history->count--;
	memmove(&history->streams[at], &history->streams[at + 1],
		(history->count - at) * sizeof(history->streams[0]));
}

void history_fini(struct history *history)
{
	while (history->count)
		drop(history, history->count - 1);
}

static int make_room(struct history *history, int64_t now_ms)
{
	size_t oldest = 0;

	if (history->count < HISTORY_STREAMS)
		return 0;
	for (size_t i = 1; i < history->count; i++)
		if (history->streams[i]->seen_ms < history->streams[oldest]->seen_ms)
			oldest = i;
	if (history->streams[oldest]->seen_ms >= now_ms - RING_GAP_MS)
		return -ENOSPC;
	drop(history, oldest);
	return 0;
}

static int insert(struct history *history, const char *name, int64_t now_ms)
{
	struct history_stream *stream;
	int err = make_room(history, now_ms);
	bool found;
	size_t at;

	if (err)
		return err;
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return -ENOMEM;
	strcpy(stream->name, name);
	at = position(history, name, &found);
	memmove(&history->streams[at + 1], &history->streams[at],
		(history->count - at) * sizeof(history->streams[0]));
	history->streams[at] = stream;
	history->count++;
	return 0;
}

/* A counter that begins anew has counted all that it shows. */
static uint64_t more(uint64_t now, uint64_t before)
{
	return now >= before ? now - before : now;
}

int history_take(
	struct history *history, const char *name, const struct tally *tally, int64_t now_ms)
{
	struct history_stream *stream;
	bool found;
	size_t at;
	int err;

	if (strlen(name) >= HISTORY_NAME)
		return -ENAMETOOLONG;
	at = position(history, name, &found);
	if (!found) {
		err = insert(history, name, now_ms);
		if (err)
			return err;
		at = position(history, name, &found);
	}
	stream = history->streams[at];
	if (found && stream->seen_ms && now_ms - stream->seen_ms <= RING_GAP_MS) {
		const struct tally grown = {more(tally->bytes, stream->last.bytes),
			more(tally->packets, stream->last.packets),
			more(tally->refused, stream->last.refused),
			more(tally->limited, stream->last.limited)};

		ring_add(&stream->ring, &grown, stream->seen_ms, now_ms);
		ring_add(&history->total, &grown, stream->seen_ms, now_ms);
	}
	stream->last = *tally;
	stream->seen_ms = now_ms;
	return 0;
}

void history_done(struct history *history, int64_t now_ms)
{
	const int64_t hour = (int64_t)RING_STEPS * RING_STEP_MS;

	/* Of a relay without streams it is known that nothing passed. */
	if (history->done_ms && now_ms - history->done_ms <= RING_GAP_MS)
		ring_add(&history->total, &(struct tally){0}, history->done_ms, now_ms);
	history->done_ms = now_ms;

	for (size_t i = history->count; i-- > 0;)
		if (now_ms - history->streams[i]->seen_ms > hour)
			drop(history, i);
}

const struct ring *history_find(const struct history *history, const char *name)
{
	bool found;
	size_t at = position(history, name, &found);

	return found ? &history->streams[at]->ring : NULL;
}
