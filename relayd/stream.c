/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/stream.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t family_index(uint8_t family)
{
	return family == AF_INET6;
}

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

void stream_table_fini(struct stream_table *table)
{
	tdestroy(table->names, keep_node);
	tdestroy(table->clients, keep_node);
	free_all(&table->streams);
	free_all(&table->graves);
	for (size_t i = 0; i < STREAM_FAMILIES; i++)
		free(table->listens[i]);
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

static struct slot **port_head(const struct stream_table *table, const struct slot *slot)
{
	return &table->listens[family_index(slot->family)][slot->port];
}

static void port_enter(struct stream_table *table, struct slot *slot)
{
	struct slot **head = port_head(table, slot);

	slot->port_next = *head;
	*head = slot;
}

static void port_leave(struct stream_table *table, struct slot *slot)
{
	struct slot **at = port_head(table, slot);

	while (*at && *at != slot)
		at = &(*at)->port_next;
	if (*at)
		*at = slot->port_next;
}

/* No more of them than the relay has addresses. */
struct slot *slot_by_listen(const struct stream_table *table, const struct endpoint *listen)
{
	struct slot *slot = table->listens[family_index(listen->addr.family)][listen->port];

	while (slot && !slot_is_at(slot, &listen->addr))
		slot = slot->port_next;
	return slot;
}

static bool same_place(const struct addr *a, const struct addr *b)
{
	return !a->family || !b->family || addr_equal(a, b);
}

/* The stream that already uses a port of the spec, a stream that is going away included. */
static const struct stream *conflict(
	const struct stream_table *table, const struct spec *spec, uint16_t *port)
{
	const struct stream *stream;
	const struct slot *slot;

	for (size_t f = 0; f < STREAM_FAMILIES; f++)
		for (size_t i = 0; i < spec->listen.count; i++) {
			*port = spec->listen.port[i];
			for (slot = table->listens[f][*port]; slot; slot = slot->port_next)
				if (same_place(&slot->stream->spec.at, &spec->at))
					return slot->stream;
		}
	LIST_FOREACH(stream, &table->raws, raw_link)
		if ((*port = spec_overlap(spec, &stream->spec)))
			return stream;
	if (spec->raw_punch)
		LIST_FOREACH(stream, &table->streams, link)
			if ((*port = spec_overlap(spec, &stream->spec)))
				return stream;
	return NULL;
}

/* A stream at one address has ports in its family only. */
static bool wants_family(const struct stream_table *table, const struct spec *spec, size_t family)
{
	return table->families[family] &&
	       (!spec->at.family || family_index(spec->at.family) == family);
}

static int make_slots(struct stream_table *table, struct stream *stream)
{
	const struct spec *spec = &stream->spec;
	size_t families = (size_t)wants_family(table, spec, 0) + wants_family(table, spec, 1);

	if (!spec->listen.count || !families)
		return 0;
	stream->slots = calloc(spec->listen.count * families, sizeof *stream->slots);
	if (!stream->slots)
		return -ENOMEM;
	for (size_t i = 0; i < spec->listen.count; i++)
		for (size_t f = 0; f < STREAM_FAMILIES; f++) {
			struct slot *slot = &stream->slots[stream->slot_count];

			if (!wants_family(table, spec, f))
				continue;
			stream->slot_count++;
			slot->stream = stream;
			slot->index = (uint16_t)i;
			slot->port = spec->listen.port[i];
			slot->family = f ? AF_INET6 : AF_INET;
			port_enter(table, slot);
			slot_mark(table, slot);
		}
	return 0;
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
	other = conflict(table, spec, &port);
	if (other) {
		snprintf(why, SPEC_WHY, "port %u is used by stream %s", port, other->spec.name);
		return -EEXIST;
	}
	return 0;
}

int stream_add(struct stream_table *table, const struct spec *spec, uint32_t number,
	struct stream **out, char why[static SPEC_WHY])
{
	struct stream *stream;

	if (stream_check(table, spec, why))
		return -EEXIST;
	stream = calloc(1, sizeof *stream);
	if (!stream)
		return -ENOMEM;
	stream->spec = *spec;
	stream->number = number;
	if (make_slots(table, stream) || !tsearch(stream, &table->names, compare_name)) {
		for (size_t i = 0; i < stream->slot_count; i++) {
			TAILQ_REMOVE(&table->dirty, &stream->slots[i], dirty_link);
			table->marks--;
			port_leave(table, &stream->slots[i]);
		}
		stream_free(stream);
		return -ENOMEM;
	}
	LIST_INSERT_HEAD(&table->streams, stream, link);
	table->count++;
	if (spec->raw_punch)
		LIST_INSERT_HEAD(&table->raws, stream, raw_link);
	*out = stream;
	stream_tell_all(table, "added", stream, NULL);
	return 0;
}

void stream_remove(struct stream_table *table, struct stream *stream)
{
	stream_tell_all(table, "removed", stream, NULL);
	tdelete(stream, &table->names, compare_name);
	stream->gone = true;
	table->count--;
	for (size_t i = 0; i < stream->slot_count; i++) {
		slot_release(table, &stream->slots[i]);
		slot_mark(table, &stream->slots[i]);
	}
	/* Of one without ports the kernel has nothing that it would have to forget. */
	if (!stream->slot_count)
		stream_reap(table, stream);
}

void stream_reap(struct stream_table *table, struct stream *stream)
{
	if (!stream->gone)
		return;
	for (size_t i = 0; i < stream->slot_count; i++) {
		const struct slot *slot = &stream->slots[i];

		if (slot->dirty || slot->busy || slot->listening)
			return;
	}
	for (size_t i = 0; i < stream->slot_count; i++)
		port_leave(table, &stream->slots[i]);
	if (stream->spec.raw_punch)
		LIST_REMOVE(stream, raw_link);
	if (table->cursor == stream)
		table->cursor = LIST_NEXT(stream, link);
	LIST_REMOVE(stream, link);
	if (table->pins)
		LIST_INSERT_HEAD(&table->graves, stream, link);
	else
		stream_free(stream);
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

int stream_change(
	struct stream_table *table, struct stream *stream, const struct spec *spec, uint32_t number)
{
	if (memcmp(&stream->spec.listen, &spec->listen, sizeof spec->listen) ||
		!addr_equal(&stream->spec.at, &spec->at) ||
		stream->spec.raw_punch != spec->raw_punch)
		return -EBUSY;
	if (stream->spec.source != spec->source)
		stream->lock.family = 0;
	for (size_t i = 0; i < stream->slot_count; i++) {
		struct slot *slot = &stream->slots[i];
		const struct addr *client = &slot->want.client.addr;
		bool denied = client->family && !spec_admits(spec, client);

		/* Who punched with the key of before, or from where one may not any more, punches
		 * again. */
		if (denied || strcmp(stream->spec.key, spec->key) ||
			stream->spec.rate != spec->rate)
			slot_release(table, slot);
		slot->holder.family = 0;
		slot_mark(table, slot);
	}
	stream->spec = *spec;
	stream->number = number;
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
		enum stream_state state = slot_state(&stream->slots[i], now_ms);

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
