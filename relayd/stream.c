/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/stream.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relayd/stream_slots.h"

static int compare_name(const void *a, const void *b)
{
	const struct stream *x = a, *y = b;

	return strcmp(x->spec.name, y->spec.name);
}

int stream_table_init(struct stream_table *table, const bool families[static STREAM_FAMILIES],
	uint32_t consent_ms)
{
	memset(table, 0, sizeof *table);
	LIST_INIT(&table->streams);
	LIST_INIT(&table->raws);
	LIST_INIT(&table->graves);
	TAILQ_INIT(&table->dirty);
	TAILQ_INIT(&table->consents);
	table->consent_ms = consent_ms;
	for (size_t i = 0; i < STREAM_FAMILIES; i++) {
		table->families[i] = families[i];
		table->listens[i] = calloc(UINT16_MAX + 1, sizeof *table->listens[i]);
		if (!table->listens[i]) {
			stream_table_fini(table);
			return -ENOMEM;
		}
	}
	return 0;
}

void stream_tell(const struct stream_table *table, const char *what, const struct slot *slot,
	const char *text)
{
	struct stream_event event = {
		.what = what, .stream = slot->stream, .slot = slot, .text = text};

	if (table->event)
		table->event(table->event_data, &event);
}

static void stream_free(struct stream *stream)
{
	explicit_bzero(stream->spec.key, sizeof stream->spec.key);
	free(stream->slots);
	free(stream);
}

static void free_all(struct stream_list *list)
{
	struct stream *stream;

	while ((stream = LIST_FIRST(list))) {
		LIST_REMOVE(stream, link);
		stream_free(stream);
	}
}

static void keep_node(void *node)
{
	(void)node;
}

/* Every slot has a port, those that no stream has any more included. */
static void free_slots(struct slot **listens)
{
	for (size_t port = 0; port <= UINT16_MAX; port++)
		for (struct slot *slot = listens[port], *next; slot; slot = next) {
			next = slot->port_next;
			free(slot);
		}
	free(listens);
}

void stream_table_fini(struct stream_table *table)
{
	tdestroy(table->names, keep_node);
	tdestroy(table->clients, keep_node);
	free_all(&table->streams);
	free_all(&table->graves);
	for (size_t i = 0; i < STREAM_FAMILIES; i++)
		if (table->listens[i])
			free_slots(table->listens[i]);
}

void stream_tell_all(const struct stream_table *table, const char *what,
	const struct stream *stream, const char *text)
{
	struct stream_event event = {.what = what, .stream = stream, .text = text};

	if (table->event)
		table->event(table->event_data, &event);
}

struct stream *stream_find(const struct stream_table *table, const char *name)
{
	struct stream key;
	void *node;

	if (strlen(name) >= sizeof key.spec.name)
		return NULL;
	strcpy(key.spec.name, name);
	node = tfind(&key, &table->names, compare_name);
	return node ? *(struct stream **)node : NULL;
}

int stream_check(
	const struct stream_table *table, const struct spec *spec, char why[static SPEC_WHY])
{
	const struct stream *other;
	uint16_t port = 0;

	if (stream_find(table, spec->name)) {
		snprintf(why, SPEC_WHY, "there is a stream %s already", spec->name);
		return -EEXIST;
	}
	other = slots_conflict(table, spec, &port);
	if (other) {
		snprintf(why, SPEC_WHY, "port %u is used by stream %s", port, other->spec.name);
		return -EEXIST;
	}
	return 0;
}

int stream_add(struct stream_table *table, const struct spec *spec, uint32_t number,
	struct stream **out, char why[static SPEC_WHY])
{
	struct slot **slots = NULL;
	struct stream *stream;
	size_t count;

	if (stream_check(table, spec, why))
		return -EEXIST;
	stream = calloc(1, sizeof *stream);
	if (!stream)
		return -ENOMEM;
	stream->spec = *spec;
	stream->number = number;
	if (slots_make(table, stream, spec, &slots, &count) ||
		!tsearch(stream, &table->names, compare_name)) {
		slots_free_new(slots, count);
		stream_free(stream);
		return -ENOMEM;
	}
	slots_take(table, stream, slots, count);
	LIST_INSERT_HEAD(&table->streams, stream, link);
	table->count++;
	*out = stream;
	stream_tell_all(table, "added", stream, NULL);
	return 0;
}

static void leave(struct stream_table *table, struct slot *slot)
{
	slot_release(table, slot);
	slot->gone = true;
	slot->stream->leaving++;
	slot_mark(table, slot);
}

static void bury(struct stream_table *table, struct stream *stream)
{
	if (table->cursor == stream)
		table->cursor = LIST_NEXT(stream, link);
	LIST_REMOVE(stream, link);
	if (table->pins)
		LIST_INSERT_HEAD(&table->graves, stream, link);
	else
		stream_free(stream);
}

void stream_remove(struct stream_table *table, struct stream *stream)
{
	stream_tell_all(table, "removed", stream, NULL);
	tdelete(stream, &table->names, compare_name);
	stream->gone = true;
	table->count--;
	for (size_t i = 0; i < stream->slot_count; i++)
		leave(table, stream->slots[i]);
	stream->slot_count = 0;
	/* Of one without ports the kernel has nothing that it would have to forget. */
	if (!stream->leaving)
		bury(table, stream);
}

void slot_reap(struct stream_table *table, struct slot *slot)
{
	struct stream *stream = slot->stream;

	if (!slot->gone || slot->dirty || slot->busy || slot->listening || slot->raw_open)
		return;
	slots_leave(table, slot);
	free(slot);
	if (!--stream->leaving && stream->gone)
		bury(table, stream);
}

void stream_table_pin(struct stream_table *table)
{
	table->pins++;
}

void stream_table_unpin(struct stream_table *table)
{
	if (!--table->pins)
		free_all(&table->graves);
}

void stream_shrink(struct stream_table *table, struct stream *stream, const struct spec *spec)
{
	size_t count = 0;

	for (size_t i = 0; i < stream->slot_count; i++) {
		struct slot *slot = stream->slots[i];

		if (slots_stay(slot, spec))
			stream->slots[count++] = slot;
		else
			leave(table, slot);
	}
	stream->slot_count = count;
}

/* May who has the hole punch again as he did? */
static bool keeps_hole(const struct slot *slot, const struct spec *spec)
{
	const struct hole *hole = &slot->want;

	return spec_admits(spec, &hole->client.addr) &&
	       !strcmp(slot->stream->spec.key, spec->key) &&
	       (hole->punch.port != slot->raw_port || slot->raw_port == slots_raw_port(slot, spec));
}

/* Who sends goes on if he may: of a stream that is to be its first sender's he is the first. */
static void change_source(struct stream *stream, const struct spec *spec)
{
	const bool first = spec->source == SPEC_FIRST;

	if (stream->spec.source != spec->source)
		stream->lock.family = 0;
	for (size_t i = 0; i < stream->slot_count; i++) {
		struct addr *holder = &stream->slots[i]->holder;

		if (first && holder->family && !stream->lock.family) {
			stream->lock = *holder;
			stream->lock_ms = stream->slots[i]->handed_ms;
			stream->lock_packets = 0;
		}
		if (first || !spec_means(spec, holder))
			holder->family = 0;
	}
}

int stream_change(
	struct stream_table *table, struct stream *stream, const struct spec *spec, uint32_t number)
{
	struct slot **slots;
	size_t count;
	int err = slots_make(table, stream, spec, &slots, &count);

	if (err)
		return err;
	stream_shrink(table, stream, spec);
	change_source(stream, spec);
	for (size_t i = 0; i < stream->slot_count; i++) {
		struct slot *slot = stream->slots[i];

		if (!keeps_hole(slot, spec))
			slot_release(table, slot);
	}
	stream->spec = *spec;
	stream->number = number;
	slots_take(table, stream, slots, count);
	stream_tell_all(table, "changed", stream, NULL);
	return 0;
}

enum stream_state stream_state(const struct stream *stream, int64_t now_ms)
{
	const int64_t carried_ms = stream->carried.media_ms;
	enum stream_state best =
		carried_ms && now_ms - carried_ms < STREAM_LIVE_MS ? STREAM_LIVE : STREAM_WAITING;
	/* From the least to the most that can be said of a stream. */
	static const int rank[] = {[STREAM_WAITING] = 0,
		[STREAM_STALE] = 1,
		[STREAM_READY] = 2,
		[STREAM_LIVE] = 3,
		[STREAM_SPENT] = 4};

	for (size_t i = 0; i < stream->slot_count; i++) {
		enum stream_state state = slot_state(stream->slots[i], now_ms);

		if (rank[state] > rank[best])
			best = state;
	}
	return best;
}

bool stream_is_spent(const struct stream *stream)
{
	return stream->spec.quota && stream->used >= stream->spec.quota;
}

const char *stream_state_text(enum stream_state state)
{
	switch (state) {
	case STREAM_WAITING:
		return "waiting";
	case STREAM_READY:
		return "ready";
	case STREAM_LIVE:
		return "live";
	case STREAM_STALE:
		return "stale";
	case STREAM_SPENT:
		return "over-quota";
	}
	return "";
}
