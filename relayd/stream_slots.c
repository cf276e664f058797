/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/stream_slots.h"

#include <errno.h>
#include <stdlib.h>

static size_t family_index(uint8_t family)
{
	return family == AF_INET6;
}

static struct slot **port_head(const struct stream_table *table, const struct slot *slot)
{
	return &table->listens[family_index(slot->family)][slot->port];
}

static void port_enter(struct stream_table *table, struct slot *slot)
{
	struct slot **at = port_head(table, slot);

	while (*at)
		at = &(*at)->port_next;
	*at = slot;
}

void slots_leave(struct stream_table *table, struct slot *slot)
{
	struct slot **at = port_head(table, slot);

	while (*at && *at != slot)
		at = &(*at)->port_next;
	if (*at)
		*at = slot->port_next;
	if (slot->raw_listed)
		LIST_REMOVE(slot, raw_link);
}

struct slot *slot_by_listen(const struct stream_table *table, const struct endpoint *listen)
{
	struct slot *slot = table->listens[family_index(listen->addr.family)][listen->port];

	while (slot && !slot_is_at(slot, &listen->addr))
		slot = slot->port_next;
	return slot;
}

struct slot *slot_by_raw(const struct stream_table *table, const struct endpoint *local)
{
	struct slot *slot;

	LIST_FOREACH(slot, &table->raws, raw_link)
		if (!slot->gone && slot->raw_port == local->port && slot_is_at(slot, &local->addr))
			return slot;
	return NULL;
}

static bool same_place(const struct addr *a, const struct addr *b)
{
	return !a->family || !b->family || addr_equal(a, b);
}

/* Somebody who listens there. */
static const struct slot *listener(
	const struct stream_table *table, uint16_t port, const struct addr *at)
{
	const struct slot *slot;

	for (size_t f = 0; f < STREAM_FAMILIES; f++)
		for (slot = table->listens[f][port]; slot; slot = slot->port_next)
			if (!slot->gone && same_place(&slot->at, at))
				return slot;
	return NULL;
}

const struct stream *slots_conflict(
	const struct stream_table *table, const struct spec *spec, uint16_t *port)
{
	const struct slot *slot = NULL;

	for (size_t i = 0; i < spec->listen.count && !slot; i++) {
		*port = spec->listen.port[i];
		slot = listener(table, *port, &spec->at);
		if (slot || !spec->raw_punch)
			continue;
		*port = (uint16_t)(spec->raw_punch + i);
		slot = listener(table, *port, &spec->at);
	}
	if (slot)
		return slot->stream;
	LIST_FOREACH(slot, &table->raws, raw_link) {
		*port = slot->raw_port;
		if (!slot->gone && *port && same_place(&slot->at, &spec->at) &&
			spec_wants(spec, *port))
			return slot->stream;
	}
	return NULL;
}

/* A stream at one address has ports in its family only. */
static bool wants_family(const struct stream_table *table, const struct spec *spec, size_t family)
{
	return table->families[family] &&
	       (!spec->at.family || family_index(spec->at.family) == family);
}

static struct slot *find_slot(const struct stream *stream, uint16_t port, uint8_t family)
{
	for (size_t i = 0; i < stream->slot_count; i++)
		if (stream->slots[i]->port == port && stream->slots[i]->family == family)
			return stream->slots[i];
	return NULL;
}

bool slots_stay(const struct slot *slot, const struct spec *spec)
{
	return ports_index(&spec->listen, slot->port) >= 0 && addr_equal(&slot->at, &spec->at);
}

/* The one that the stream has already, or a new one, which is in no list yet. */
static struct slot *make_slot(
	const struct stream *stream, const struct spec *spec, uint16_t port, uint8_t family)
{
	struct slot *slot = find_slot(stream, port, family);

	if (slot && slots_stay(slot, spec))
		return slot;
	slot = calloc(1, sizeof *slot);
	if (!slot)
		return NULL;
	slot->at = spec->at;
	slot->port = port;
	slot->family = family;
	return slot;
}

void slots_free_new(struct slot **slots, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!slots[i]->stream)
			free(slots[i]);
	free(slots);
}

int slots_make(const struct stream_table *table, const struct stream *stream,
	const struct spec *spec, struct slot ***out, size_t *count)
{
	struct slot **slots = calloc(spec->listen.count * STREAM_FAMILIES + 1, sizeof *slots);

	*count = 0;
	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < spec->listen.count; i++)
		for (size_t f = 0; f < STREAM_FAMILIES; f++) {
			if (!wants_family(table, spec, f))
				continue;
			slots[*count] = make_slot(
				stream, spec, spec->listen.port[i], f ? AF_INET6 : AF_INET);
			if (!slots[*count]) {
				slots_free_new(slots, *count);
				*count = 0;
				return -ENOMEM;
			}
			++*count;
		}
	*out = slots;
	return 0;
}

uint16_t slots_raw_port(const struct slot *slot, const struct spec *spec)
{
	int index = ports_index(&spec->listen, slot->port);

	return spec->raw_punch && index >= 0 ? (uint16_t)(spec->raw_punch + index) : 0;
}

/* Once in the list it stays there: it may get another one. */
static void set_raw_port(struct stream_table *table, struct slot *slot, uint16_t port)
{
	slot->raw_port = port;
	if (!port || slot->raw_listed)
		return;
	slot->raw_listed = true;
	LIST_INSERT_HEAD(&table->raws, slot, raw_link);
}

void slots_take(
	struct stream_table *table, struct stream *stream, struct slot **slots, size_t count)
{
	free(stream->slots);
	stream->slots = slots;
	stream->slot_count = count;
	for (size_t i = 0; i < count; i++) {
		if (!slots[i]->stream) {
			slots[i]->stream = stream;
			port_enter(table, slots[i]);
		}
		set_raw_port(table, slots[i], slots_raw_port(slots[i], &stream->spec));
		slot_mark(table, slots[i]);
	}
}
