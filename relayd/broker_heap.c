/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is due next: a binary heap. */
#include <errno.h>
#include <stdlib.h>

#include "relayd/broker_inner.h"

int heap_init(struct broker_heap *heap, size_t room)
{
	heap->count = 0;
	heap->entries = calloc(room + 1, sizeof(struct broker_timer *));
	return heap->entries ? 0 : -ENOMEM;
}

void heap_fini(struct broker_heap *heap)
{
	free(heap->entries);
	heap->entries = NULL;
	heap->count = 0;
}

static void entry_put(struct broker_heap *heap, size_t place, struct broker_timer *timer)
{
	heap->entries[place] = timer;
	timer->place = place;
}

static void entry_up(struct broker_heap *heap, size_t place)
{
	struct broker_timer *timer = heap->entries[place];

	for (; place > 1 && heap->entries[place / 2]->due_ms > timer->due_ms; place /= 2)
		entry_put(heap, place, heap->entries[place / 2]);
	entry_put(heap, place, timer);
}

static void entry_down(struct broker_heap *heap, size_t place)
{
	struct broker_timer *timer = heap->entries[place];

	for (size_t child; (child = 2 * place) <= heap->count; place = child) {
		if (child < heap->count &&
			heap->entries[child + 1]->due_ms < heap->entries[child]->due_ms)
			child++;
		if (heap->entries[child]->due_ms >= timer->due_ms)
			break;
		entry_put(heap, place, heap->entries[child]);
	}
	entry_put(heap, place, timer);
}

static void entry_remove(struct broker_heap *heap, struct broker_timer *timer)
{
	struct broker_timer *last = heap->entries[heap->count--];
	size_t place = timer->place;

	timer->place = 0;
	if (last == timer)
		return;
	entry_put(heap, place, last);
	entry_up(heap, place);
	entry_down(heap, last->place);
}

void heap_set(struct broker_heap *heap, struct broker_timer *timer, int64_t due_ms)
{
	timer->due_ms = due_ms;
	if (due_ms == INT64_MAX) {
		if (timer->place)
			entry_remove(heap, timer);
		return;
	}
	if (!timer->place)
		entry_put(heap, ++heap->count, timer);
	entry_up(heap, timer->place);
	entry_down(heap, timer->place);
}

struct broker_timer *heap_first(const struct broker_heap *heap)
{
	return heap->count ? heap->entries[1] : NULL;
}
