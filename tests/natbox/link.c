/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/natbox/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int link_init(struct link *link, const struct link_config *config)
{
	memset(link, 0, sizeof(*link));
	link->config = *config;
	link->random = config->seed + 0x9e3779b97f4a7c15ull;
	for (uint32_t i = 0; i < LINK_PACKETS; i++)
		link->heap[i] = i;
	link->packets = calloc(LINK_PACKETS, sizeof(*link->packets));
	return link->packets ? 0 : -ENOMEM;
}

void link_fini(struct link *link)
{
	free(link->packets);
	link->packets = NULL;
}

/* From 0 to 1, without 1: xorshift64*. */
static double random_get(struct link *link)
{
	link->random ^= link->random >> 12;
	link->random ^= link->random << 25;
	link->random ^= link->random >> 27;
	return (double)(link->random * 0x2545f4914f6cdd1dull >> 11) / 9007199254740992.0;
}

static bool is_earlier(const struct link *link, uint32_t a, uint32_t b)
{
	const struct link_packet *pa = &link->packets[link->heap[a]];
	const struct link_packet *pb = &link->packets[link->heap[b]];

	return pa->due_us < pb->due_us || (pa->due_us == pb->due_us && pa->number < pb->number);
}

static void heap_swap(struct link *link, uint32_t a, uint32_t b)
{
	uint32_t index = link->heap[a];

	link->heap[a] = link->heap[b];
	link->heap[b] = index;
}

static void heap_rise(struct link *link, uint32_t at)
{
	for (; at && is_earlier(link, at, (at - 1) / 2); at = (at - 1) / 2)
		heap_swap(link, at, (at - 1) / 2);
}

static void heap_sink(struct link *link, uint32_t at)
{
	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child + 1 < link->count && is_earlier(link, child + 1, child))
			child++;
		if (child >= link->count || !is_earlier(link, child, at))
			return;
		heap_swap(link, at, child);
		at = child;
	}
}

static int64_t due_of(struct link *link, enum link_way way, int64_t now_us)
{
	double jitter = (2 * random_get(link) - 1) * (double)link->config.jitter_us;
	int64_t due = now_us + link->config.delay_us + (int64_t)jitter;

	if (due < now_us)
		due = now_us;
	if (!link->config.reorder && due < link->last_us[way])
		due = link->last_us[way];
	link->last_us[way] = due;
	return due;
}

void link_push(
	struct link *link, enum link_way way, const uint8_t *data, size_t size, int64_t now_us)
{
	struct link_packet *packet;

	if (random_get(link) < link->config.loss) {
		link->lost++;
		return;
	}
	if (link->count == LINK_PACKETS || size > LINK_MTU) {
		link->overflown++;
		return;
	}
	packet = &link->packets[link->heap[link->count]];
	packet->due_us = due_of(link, way, now_us);
	packet->number = link->number++;
	packet->way = way;
	packet->size = (uint16_t)size;
	memcpy(packet->data, data, size);
	heap_rise(link, link->count++);
}

int64_t link_due(const struct link *link)
{
	return link->count ? link->packets[link->heap[0]].due_us : -1;
}

struct link_packet *link_pop(struct link *link, int64_t now_us)
{
	if (!link->count || link->packets[link->heap[0]].due_us > now_us)
		return NULL;
	heap_swap(link, 0, --link->count);
	heap_sink(link, 0);
	return &link->packets[link->heap[link->count]];
}
