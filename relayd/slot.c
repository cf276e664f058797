/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The slots of the stream table: who has punched for a port, and what media it has. */
#include "relayd/stream.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

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

struct slot *slot_by_client(const struct stream_table *table, const struct endpoint *client)
{
	struct slot key = {.want.client = *client};
	void *node = tfind(&key, &table->clients, compare_client);

	return node ? *(struct slot **)node : NULL;
}

bool slot_is_at(const struct slot *slot, const struct addr *local)
{
	return local->family == slot->family && (!slot->at.family || addr_equal(&slot->at, local));
}

bool hole_equal(const struct hole *a, const struct hole *b)
{
	return endpoint_equal(&a->client, &b->client) && endpoint_equal(&a->punch, &b->punch);
}

static bool has_hole(const struct slot *slot)
{
	return slot->want.client.addr.family != 0;
}

enum stream_state slot_state(const struct slot *slot, int64_t now_ms)
{
	if (stream_is_spent(slot->stream))
		return STREAM_SPENT;
	if (!has_hole(slot))
		return slot->stale ? STREAM_STALE : STREAM_WAITING;
	return slot->media_ms && now_ms - slot->media_ms < STREAM_LIVE_MS ? STREAM_LIVE
									  : STREAM_READY;
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

bool slot_admits(const struct slot *slot, const struct addr *sender)
{
	const struct prefix source = slot_source(slot);

	return !source.bits || prefix_contains(&source, sender);
}

/* false: it was marked already. */
static bool become_dirty(struct stream_table *table, struct slot *slot)
{
	if (slot->dirty)
		return false;
	slot->dirty = true;
	table->marks++;
	return true;
}

void slot_mark(struct stream_table *table, struct slot *slot)
{
	if (become_dirty(table, slot))
		TAILQ_INSERT_TAIL(&table->dirty, slot, dirty_link);
}

void slot_mark_first(struct stream_table *table, struct slot *slot)
{
	if (become_dirty(table, slot))
		TAILQ_INSERT_HEAD(&table->dirty, slot, dirty_link);
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

static int admit(const struct stream_table *table, const struct slot *slot)
{
	if (stream_is_spent(slot->stream))
		return -EDQUOT;
	if (has_hole(slot))
		return 0;
	if (table->draining)
		return -ESHUTDOWN;
	return table->holes_max && table->holes >= table->holes_max ? -EUSERS : 0;
}

int slot_claim(struct stream_table *table, struct slot *slot, const struct hole *hole,
	int64_t now_ms, bool *moved)
{
	struct slot *owner = slot_by_client(table, &hole->client);
	int err;

	*moved = false;
	if (owner && owner != slot)
		return -EADDRINUSE;
	err = admit(table, slot);
	if (err)
		return err;
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
		stream_tell(table, *moved ? "moved" : "punched", slot, NULL);
	return err;
}

void slot_release(struct stream_table *table, struct slot *slot)
{
	if (!has_hole(slot))
		return;
	forget_hole(table, slot);
	slot->byte_rate = 0;
	slot->live = false;
	slot_mark(table, slot);
}

void slot_expire(struct stream_table *table, int64_t now_ms)
{
	struct slot *slot;

	while ((slot = TAILQ_FIRST(&table->consents)) &&
		now_ms - slot->punched_ms >= table->consent_ms) {
		slot_release(table, slot);
		slot->stale = true;
		stream_tell(table, "stale", slot, NULL);
	}
}

void slot_adopt(
	struct stream_table *table, struct slot *slot, const struct hole *hole, int64_t punched_ms)
{
	if (has_hole(slot) || slot_by_client(table, &hole->client) || take_hole(table, slot, hole))
		return;
	slot->have = *hole;
	slot->punched_ms = punched_ms;
}

static int compare_punched(const void *a, const void *b)
{
	const struct slot *x = *(struct slot *const *)a, *y = *(struct slot *const *)b;

	return (x->punched_ms > y->punched_ms) - (x->punched_ms < y->punched_ms);
}

int slots_order(struct stream_table *table)
{
	struct slot **list = calloc(table->holes + 1, sizeof *list), *slot;
	size_t count = 0;

	if (!list)
		return -ENOMEM;
	TAILQ_FOREACH(slot, &table->consents, consent_link)
		list[count++] = slot;
	qsort(list, count, sizeof *list, compare_punched);
	TAILQ_INIT(&table->consents);
	for (size_t i = 0; i < count; i++)
		TAILQ_INSERT_TAIL(&table->consents, list[i], consent_link);
	free(list);
	return 0;
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
	if (slot->stream->spec.quota && bytes > slot->bytes) {
		slot->stream->used += bytes - slot->bytes;
		slot->stream->used_news = table->used_news = true;
	}
	if (span > 0)
		slot->byte_rate = (bytes - slot->bytes) * 1000 / (uint64_t)span;
	slot->packets = packets;
	slot->bytes = bytes;
	slot->sampled_ms = now_ms;
	live = slot_state(slot, now_ms) == STREAM_LIVE;
	if (live != slot->live)
		stream_tell(table, live ? "live" : "idle", slot, NULL);
	slot->live = live;
}
