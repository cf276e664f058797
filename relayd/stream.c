/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/stream.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Media that pauses no longer than this is live. */
#define LIVE_MS 5000

static size_t family_index(uint8_t family)
{
	return family == AF_INET6;
}

static int compare_name(const void *a, const void *b)
{
	const struct stream *x = a, *y = b;

	return strcmp(x->spec.name, y->spec.name);
}

static int compare_endpoint(const struct endpoint *x, const struct endpoint *y)
{
	int order = memcmp(x->addr.bytes, y->addr.bytes, sizeof x->addr.bytes);

	if (!order)
		order = (int)x->addr.family - (int)y->addr.family;
	return order ? order : (int)x->port - (int)y->port;
}

/* By the client alone, as in the kernel: there one socket of a client is one element. */
static int compare_client(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;

	return compare_endpoint(&x->want.client, &y->want.client);
}

int stream_table_init(struct stream_table *table, const bool families[static STREAM_FAMILIES],
	uint32_t consent_ms)
{
	memset(table, 0, sizeof *table);
	LIST_INIT(&table->streams);
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

static void keep_node(void *node)
{
	(void)node;
}

void stream_table_fini(struct stream_table *table)
{
	struct stream *stream;

	tdestroy(table->names, keep_node);
	tdestroy(table->clients, keep_node);
	while ((stream = LIST_FIRST(&table->streams))) {
		LIST_REMOVE(stream, link);
		stream_free(stream);
	}
	for (size_t i = 0; i < STREAM_FAMILIES; i++)
		free(table->listens[i]);
}

static void emit(const struct stream_table *table, const char *what, const struct stream *stream,
	const struct slot *slot)
{
	struct stream_event event = {.what = what, .stream = stream, .slot = slot};

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

struct slot *slot_by_listen(const struct stream_table *table, const struct endpoint *listen)
{
	return table->listens[family_index(listen->addr.family)][listen->port];
}

struct slot *slot_by_client(const struct stream_table *table, const struct endpoint *client)
{
	struct slot key = {.want.client = *client};
	void *node = tfind(&key, &table->clients, compare_client);

	return node ? *(struct slot **)node : NULL;
}

/* The stream that already uses a port of the spec, a stream that is going away included. */
static const struct stream *conflict(
	const struct stream_table *table, const struct spec *spec, uint16_t *port)
{
	struct stream *stream;

	for (size_t f = 0; f < STREAM_FAMILIES; f++)
		for (size_t i = 0; i < spec->listen.count; i++) {
			*port = spec->listen.port[i];
			if (table->listens[f][*port])
				return table->listens[f][*port]->stream;
		}
	if (!spec->raw_punch && !table->raw_count)
		return NULL;
	LIST_FOREACH(stream, &table->streams, link)
		if ((*port = spec_overlap(spec, &stream->spec)))
			return stream;
	return NULL;
}

static int make_slots(struct stream_table *table, struct stream *stream)
{
	const struct ports *ports = &stream->spec.listen;
	size_t families = (size_t)table->families[0] + table->families[1];

	stream->slots = calloc(ports->count * families, sizeof *stream->slots);
	if (!stream->slots)
		return -ENOMEM;
	for (size_t i = 0; i < ports->count; i++)
		for (size_t f = 0; f < STREAM_FAMILIES; f++) {
			struct slot *slot = &stream->slots[stream->slot_count];

			if (!table->families[f])
				continue;
			stream->slot_count++;
			slot->stream = stream;
			slot->index = (uint16_t)i;
			slot->port = ports->port[i];
			slot->family = f ? AF_INET6 : AF_INET;
			table->listens[f][slot->port] = slot;
			slot_mark(table, slot);
		}
	return 0;
}

int stream_add(struct stream_table *table, const struct spec *spec, uint32_t number,
	struct stream **out, char why[static SPEC_WHY])
{
	const struct stream *other;
	struct stream *stream;
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
	stream = calloc(1, sizeof *stream);
	if (!stream)
		return -ENOMEM;
	stream->spec = *spec;
	stream->number = number;
	if (make_slots(table, stream) || !tsearch(stream, &table->names, compare_name)) {
		for (size_t i = 0; i < stream->slot_count; i++) {
			TAILQ_REMOVE(&table->dirty, &stream->slots[i], dirty_link);
			table->listens[family_index(stream->slots[i].family)]
				      [stream->slots[i].port] = NULL;
		}
		stream_free(stream);
		return -ENOMEM;
	}
	LIST_INSERT_HEAD(&table->streams, stream, link);
	table->count++;
	table->raw_count += spec->raw_punch != 0;
	*out = stream;
	emit(table, "added", stream, NULL);
	return 0;
}

void stream_remove(struct stream_table *table, struct stream *stream)
{
	emit(table, "removed", stream, NULL);
	tdelete(stream, &table->names, compare_name);
	stream->gone = true;
	table->count--;
	for (size_t i = 0; i < stream->slot_count; i++) {
		slot_release(table, &stream->slots[i]);
		slot_mark(table, &stream->slots[i]);
	}
}

void stream_reap(struct stream_table *table, struct stream *stream)
{
	for (size_t i = 0; i < stream->slot_count; i++) {
		const struct slot *slot = &stream->slots[i];

		if (!stream->gone || slot->dirty || slot->busy || slot->listening)
			return;
	}
	for (size_t i = 0; i < stream->slot_count; i++)
		table->listens[family_index(stream->slots[i].family)][stream->slots[i].port] = NULL;
	table->raw_count -= stream->spec.raw_punch != 0;
	LIST_REMOVE(stream, link);
	stream_free(stream);
}

int stream_change(struct stream_table *table, struct stream *stream, const struct spec *spec)
{
	if (memcmp(&stream->spec.listen, &spec->listen, sizeof spec->listen) ||
		stream->spec.raw_punch != spec->raw_punch)
		return -EBUSY;
	if (stream->spec.source != spec->source)
		stream->lock.family = 0;
	for (size_t i = 0; i < stream->slot_count; i++) {
		struct slot *slot = &stream->slots[i];
		const struct addr *client = &slot->want.client.addr;
		bool denied = client->family && spec->clients.bits &&
			      !prefix_contains(&spec->clients, client);

		/* Who punched with the key of before, or from where one may not any more, punches
		 * again. */
		if (denied || strcmp(stream->spec.key, spec->key) ||
			stream->spec.rate != spec->rate)
			slot_release(table, slot);
		slot->holder.family = 0;
		slot_mark(table, slot);
	}
	stream->spec = *spec;
	emit(table, "changed", stream, NULL);
	return 0;
}

static bool has_hole(const struct slot *slot)
{
	return slot->want.client.addr.family != 0;
}

enum stream_state slot_state(const struct slot *slot, int64_t now_ms)
{
	if (!has_hole(slot))
		return slot->stale ? STREAM_STALE : STREAM_WAITING;
	return slot->media_ms && now_ms - slot->media_ms < LIVE_MS ? STREAM_LIVE : STREAM_READY;
}

enum stream_state stream_state(const struct stream *stream, int64_t now_ms)
{
	enum stream_state best = STREAM_WAITING;
	/* From the least to the most that can be said of a stream. */
	static const int rank[] = {
		[STREAM_WAITING] = 0, [STREAM_STALE] = 1, [STREAM_READY] = 2, [STREAM_LIVE] = 3};

	for (size_t i = 0; i < stream->slot_count; i++) {
		enum stream_state state = slot_state(&stream->slots[i], now_ms);

		if (rank[state] > rank[best])
			best = state;
	}
	return best;
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
	}
	return "";
}

struct prefix slot_source(const struct slot *slot)
{
	const struct stream *stream = slot->stream;
	const struct addr *one = stream->spec.source == SPEC_FIRST ? &stream->lock : &slot->holder;
	struct prefix source = {.bits = 0};

	if (one->family)
		source = (struct prefix){*one, (uint8_t)(addr_size(one->family) * 8)};
	else if (stream->spec.source == SPEC_PREFIX)
		source = stream->spec.prefix;
	/* Nobody of this family: the unspecified address, which no packet comes from. */
	if (source.addr.family && source.addr.family != slot->family)
		source = (struct prefix){
			{.family = slot->family}, (uint8_t)(addr_size(slot->family) * 8)};
	return source;
}

void slot_mark(struct stream_table *table, struct slot *slot)
{
	if (slot->dirty)
		return;
	slot->dirty = true;
	TAILQ_INSERT_TAIL(&table->dirty, slot, dirty_link);
}

static void forget_hole(struct stream_table *table, struct slot *slot)
{
	tdelete(slot, &table->clients, compare_client);
	TAILQ_REMOVE(&table->consents, slot, consent_link);
	memset(&slot->want, 0, sizeof slot->want);
	table->holes--;
}

static int take_hole(struct stream_table *table, struct slot *slot, const struct hole *hole)
{
	slot->want = *hole;
	if (!tsearch(slot, &table->clients, compare_client)) {
		memset(&slot->want, 0, sizeof slot->want);
		return -ENOMEM;
	}
	TAILQ_INSERT_TAIL(&table->consents, slot, consent_link);
	table->holes++;
	return 0;
}

int slot_claim(struct stream_table *table, struct slot *slot, const struct hole *hole,
	int64_t now_ms, bool *moved)
{
	struct slot *owner = slot_by_client(table, &hole->client);
	int err;

	*moved = false;
	if (owner && owner != slot)
		return -EADDRINUSE;
	slot->stale = false;
	slot->punched_ms = now_ms;
	if (owner && endpoint_equal(&slot->want.punch, &hole->punch)) {
		TAILQ_REMOVE(&table->consents, slot, consent_link);
		TAILQ_INSERT_TAIL(&table->consents, slot, consent_link);
		slot->refresh = true;
		slot_mark(table, slot);
		return 0;
	}
	*moved = has_hole(slot);
	if (*moved)
		forget_hole(table, slot);
	err = take_hole(table, slot, hole);
	slot->moves += *moved;
	slot->packets = slot->bytes = 0;
	slot_mark(table, slot);
	if (!err)
		emit(table, *moved ? "moved" : "punched", slot->stream, slot);
	return err;
}

void slot_release(struct stream_table *table, struct slot *slot)
{
	if (!has_hole(slot))
		return;
	forget_hole(table, slot);
	slot_mark(table, slot);
}

void slot_expire(struct stream_table *table, int64_t now_ms)
{
	struct slot *slot;

	while ((slot = TAILQ_FIRST(&table->consents)) &&
		now_ms - slot->punched_ms >= table->consent_ms) {
		slot_release(table, slot);
		slot->stale = true;
		emit(table, "stale", slot->stream, slot);
	}
}

void slot_adopt(
	struct stream_table *table, struct slot *slot, const struct hole *hole, int64_t punched_ms)
{
	struct slot *other = TAILQ_LAST(&table->consents, slot_list);

	if (has_hole(slot) || slot_by_client(table, &hole->client) || take_hole(table, slot, hole))
		return;
	slot->have = *hole;
	slot->punched_ms = punched_ms;
	/* The list is ordered by time: find the place from the end. */
	TAILQ_REMOVE(&table->consents, slot, consent_link);
	while (other && other->punched_ms > punched_ms)
		other = TAILQ_PREV(other, slot_list, consent_link);
	if (other)
		TAILQ_INSERT_AFTER(&table->consents, other, slot, consent_link);
	else
		TAILQ_INSERT_HEAD(&table->consents, slot, consent_link);
}

void slot_sample(struct stream_table *table, struct slot *slot, uint64_t packets, uint64_t bytes,
	int64_t now_ms)
{
	int64_t span = now_ms - slot->sampled_ms;
	bool live;

	if (packets < slot->packets || bytes < slot->bytes)
		slot->packets = slot->bytes = 0; /* the element was made anew */
	if (packets > slot->packets) {
		slot->stream->lock_packets += packets - slot->packets;
		slot->media_ms = now_ms;
	}
	if (span > 0)
		slot->byte_rate = (bytes - slot->bytes) * 1000 / (uint64_t)span;
	slot->packets = packets;
	slot->bytes = bytes;
	slot->sampled_ms = now_ms;
	live = slot_state(slot, now_ms) == STREAM_LIVE;
	if (live != slot->live)
		emit(table, live ? "live" : "idle", slot->stream, slot);
	slot->live = live;
}
