/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/queue.h"

#include <string.h>

static struct queue_entry *queue_at(struct queue *queue, unsigned int index)
{
	return &queue->entries[(queue->first + index) % QUEUE_DATAGRAMS];
}

static void queue_drop(struct queue *queue)
{
	queue->first = (queue->first + 1) % QUEUE_DATAGRAMS;
	queue->count--;
}

/* Where `size` bytes in a row are free, or QUEUE_BYTES. */
static uint32_t queue_room(struct queue *queue, uint32_t size)
{
	const struct queue_entry *first, *last;
	uint32_t end;

	if (queue->count == 0)
		return 0;
	if (queue->count == QUEUE_DATAGRAMS)
		return QUEUE_BYTES;
	first = queue_at(queue, 0);
	last = queue_at(queue, queue->count - 1);
	end = last->at + last->len + 1;
	if (last->at < first->at)
		return end + size <= first->at ? end : QUEUE_BYTES;
	if (end + size <= QUEUE_BYTES)
		return end;
	return size <= first->at ? 0 : QUEUE_BYTES;
}

unsigned int queue_put(struct queue *queue, const void *data, size_t len, int64_t now_ms)
{
	unsigned int dropped = 0;
	uint32_t at;

	/* An empty datagram takes a byte too, so that no two entries begin at the same place. */
	if (len + 1 > QUEUE_BYTES)
		return 1;
	for (at = queue_room(queue, (uint32_t)len + 1); at == QUEUE_BYTES; dropped++) {
		queue_drop(queue);
		at = queue_room(queue, (uint32_t)len + 1);
	}
	if (len > 0)
		memcpy(queue->data + at, data, len);
	queue->count++;
	*queue_at(queue, queue->count - 1) = (struct queue_entry){at, (uint32_t)len, now_ms};
	return dropped;
}

uint8_t *queue_take(struct queue *queue, int64_t now_ms, size_t *len, uint64_t *dropped)
{
	while (queue->count > 0) {
		const struct queue_entry *entry = queue_at(queue, 0);

		queue_drop(queue);
		if (now_ms - entry->ms <= QUEUE_MS) {
			*len = entry->len;
			return queue->data + entry->at;
		}
		++*dropped;
	}
	return NULL;
}
