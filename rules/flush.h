/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flush: deletes the flows that stand in the way of a transaction, and looks again later. */
#ifndef RULES_FLUSH_H
#define RULES_FLUSH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/ct.h"

/* A hole is looked at twice; what does not fit is looked at early. */
#define FLUSH_STAGES 2
#define FLUSH_QUEUE  4096

struct flush_check {
	struct ct_tuple hole; /* client to punch: the flow's reply tuple */
	int64_t due;	      /* monotonic milliseconds */
	bool owed;	      /* what is there has to go, and could not be deleted yet */
};

/* Each stage waits equally long, so its queue is in order of time. */
struct flush_queue {
	struct flush_check list[FLUSH_QUEUE];
	uint32_t first, count;
};

struct flush {
	struct flush_queue queues[FLUSH_STAGES];
};

/*
 * Deletes what occupies the holes of CLIENT, UNCLIENT, FLUSH, PEER and UNPEER, and has them looked
 * at again. What the kernel does not delete now is tried again by flush_tick.
 */
void flush_holes(struct flush *flush, struct nl *nl, const struct rules_op *ops, size_t count);
int64_t flush_due(const struct flush *flush);
void flush_tick(struct flush *flush, struct nl *nl, int64_t now_ms);

#endif
