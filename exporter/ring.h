/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ring: what passed in the last hour, in steps of five seconds. Pure. */
#ifndef EXPORTER_RING_H
#define EXPORTER_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_STEP_MS 5000
#define RING_STEPS   720 /* an hour */
/* Counters that were not read for longer leave a gap, as nobody knows when they moved. */
#define RING_GAP_MS (3 * RING_STEP_MS)

/* What a stream has counted, or by how much more. */
struct tally {
	uint64_t bytes, packets;
	uint64_t refused; /* packets that were let to nobody */
	uint64_t limited; /* packets that were more than the rate allows */
};

struct ring_step {
	uint64_t bytes;
	uint32_t packets, lost; /* lost: both of the above */
};

struct ring {
	int64_t newest; /* the number of the newest step: its time divided by RING_STEP_MS */
	bool begun;
	struct ring_step steps[RING_STEPS];
	bool known[RING_STEPS];
};

/* All zero is an empty ring. Spreads `more` evenly over the time from from_ms to to_ms. */
void ring_add(struct ring *ring, const struct tally *more, int64_t from_ms, int64_t to_ms);
/* The step `ago` steps before the one of now_ms, or NULL when nothing is known of it. */
const struct ring_step *ring_at(const struct ring *ring, size_t ago, int64_t now_ms);

#endif
