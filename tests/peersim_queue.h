/* SPDX-License-Identifier: GPL-2.0-or-later */
/* peersim_queue: the datagrams that are on their way in peersim, by the time of their arrival. */
#ifndef TESTS_PEERSIM_QUEUE_H
#define TESTS_PEERSIM_QUEUE_H

#include "common/addr.h"

enum where { AT_OWN_NAT, AT_OTHER_NAT, AT_RELAY, AT_HOST };

/* A datagram on its way. */
struct event {
	int64_t at_ms;
	uint64_t order;
	enum where where;
	unsigned int side; /* AT_HOST and the NATs: whose */
	struct endpoint from, to;
	uint8_t ttl;
	uint16_t len;
	uint8_t data[640];
};

struct simqueue {
	struct event **heap, *pool, **spare;
	unsigned int count, spare_count;
	uint64_t order;
};

void simqueue_open(struct simqueue *queue);
void simqueue_close(struct simqueue *queue);
/* Copies it. Of those of one time the first that was pushed comes first. */
void simqueue_push(struct simqueue *queue, const struct event *event);
/* When the first one arrives; INT64_MAX when there is none. */
int64_t simqueue_due_ms(const struct simqueue *queue);
/* Valid until the next push. */
const struct event *simqueue_pop(struct simqueue *queue);

#endif
