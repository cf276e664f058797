/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * queue: a program's datagrams that wait for a path. Bounded in number, bytes and age; when it is
 * full the oldest go, as the program has sent them again by then.
 */
#ifndef PUNCHCTL_QUEUE_H
#define PUNCHCTL_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#define QUEUE_DATAGRAMS 64
#define QUEUE_BYTES	(128 * 1024)
#define QUEUE_MS	1000

struct queue_entry {
	uint32_t at, len;
	int64_t ms;
};

/* Zeros are an empty one. */
struct queue {
	unsigned int first, count;
	struct queue_entry entries[QUEUE_DATAGRAMS];
	uint8_t data[QUEUE_BYTES];
};

/* Copies it. How many were dropped to make room; a datagram that can never fit is one of them. */
unsigned int queue_put(struct queue *queue, const void *data, size_t len, int64_t now_ms);
/*
 * The oldest one that is not too old, or NULL; those before it are dropped, and *dropped grows by
 * their number. It stays valid until the next queue_put().
 */
uint8_t *queue_take(struct queue *queue, int64_t now_ms, size_t *len, uint64_t *dropped);

#endif
