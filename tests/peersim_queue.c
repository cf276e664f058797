/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/peersim_queue.h"

#include <check.h>
#include <stdlib.h>

#define EVENTS_MAX 16384

void simqueue_open(struct simqueue *queue)
{
	*queue = (struct simqueue){.order = 0};
	queue->pool = calloc(EVENTS_MAX, sizeof(*queue->pool));
	queue->heap = calloc(EVENTS_MAX, sizeof(struct event *));
	queue->spare = calloc(EVENTS_MAX, sizeof(struct event *));
	ck_assert(queue->pool && queue->heap && queue->spare);
	for (unsigned int i = 0; i < EVENTS_MAX; i++)
		queue->spare[queue->spare_count++] = &queue->pool[EVENTS_MAX - 1 - i];
}

void simqueue_close(struct simqueue *queue)
{
	free(queue->pool);
	free(queue->heap);
	free(queue->spare);
}

static bool event_is_before(const struct event *a, const struct event *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

void simqueue_push(struct simqueue *queue, const struct event *event)
{
	struct event *copy;
	unsigned int at;

	ck_assert_uint_gt(queue->spare_count, 0);
	copy = queue->spare[--queue->spare_count];
	*copy = *event;
	copy->order = queue->order++;
	for (at = queue->count++; at > 0; at = (at - 1) / 2) {
		if (!event_is_before(copy, queue->heap[(at - 1) / 2]))
			break;
		queue->heap[at] = queue->heap[(at - 1) / 2];
	}
	queue->heap[at] = copy;
}

int64_t simqueue_due_ms(const struct simqueue *queue)
{
	return queue->count > 0 ? queue->heap[0]->at_ms : INT64_MAX;
}

const struct event *simqueue_pop(struct simqueue *queue)
{
	struct event *top = queue->heap[0], *last = queue->heap[--queue->count];
	unsigned int at = 0, child;

	while ((child = 2 * at + 1) < queue->count) {
		if (child + 1 < queue->count &&
			event_is_before(queue->heap[child + 1], queue->heap[child]))
			child++;
		if (!event_is_before(queue->heap[child], last))
			break;
		queue->heap[at] = queue->heap[child];
		at = child;
	}
	queue->heap[at] = last;
	queue->spare[queue->spare_count++] = top;
	return top;
}
