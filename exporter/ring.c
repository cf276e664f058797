/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exporter/ring.h"

#include <string.h>

static void ring_forget(struct ring *ring, int64_t step)
{
	size_t at = (size_t)(step % RING_STEPS);

	ring->steps[at] = (struct ring_step){0};
	ring->known[at] = false;
}

/* Makes room for the steps up to this one. */
static void ring_advance(struct ring *ring, int64_t step)
{
	if (!ring->begun || step - ring->newest >= RING_STEPS) {
		memset(ring, 0, sizeof(*ring));
		ring->begun = true;
		ring->newest = step;
	}
	while (ring->newest < step)
		ring_forget(ring, ++ring->newest);
}

static uint32_t add_saturated(uint32_t sum, uint64_t more)
{
	return more > UINT32_MAX - sum ? UINT32_MAX : (uint32_t)(sum + more);
}

/* The share of `total` that falls into the first `part` of `whole`. */
static uint64_t share(uint64_t total, int64_t part, int64_t whole)
{
	return (uint64_t)((unsigned __int128)total * (uint64_t)part / (uint64_t)whole);
}

static void step_add(struct ring_step *step, const struct tally *more, const struct tally *less)
{
	step->bytes += more->bytes - less->bytes;
	step->packets = add_saturated(step->packets, more->packets - less->packets);
	step->lost = add_saturated(step->lost, more->refused - less->refused);
	step->lost = add_saturated(step->lost, more->limited - less->limited);
}

void ring_add(struct ring *ring, const struct tally *more, int64_t from_ms, int64_t to_ms)
{
	const int64_t hour = (int64_t)RING_STEPS * RING_STEP_MS;
	struct tally before = {0};

	if (to_ms <= from_ms || from_ms < 0)
		return;
	if (from_ms <= to_ms - hour)
		from_ms = to_ms - hour + 1;
	ring_advance(ring, to_ms / RING_STEP_MS);
	for (int64_t step = from_ms / RING_STEP_MS; step <= (to_ms - 1) / RING_STEP_MS; step++) {
		int64_t end = (step + 1) * RING_STEP_MS < to_ms ? (step + 1) * RING_STEP_MS : to_ms;
		const struct tally until = {share(more->bytes, end - from_ms, to_ms - from_ms),
			share(more->packets, end - from_ms, to_ms - from_ms),
			share(more->refused, end - from_ms, to_ms - from_ms),
			share(more->limited, end - from_ms, to_ms - from_ms)};
		size_t at = (size_t)(step % RING_STEPS);

		/* Half a step would look like a fall of the rate. */
		if (step > ring->newest - RING_STEPS &&
			(ring->known[at] || from_ms <= step * RING_STEP_MS)) {
			step_add(&ring->steps[at], &until, &before);
			ring->known[at] = true;
		}
		before = until;
	}
}

const struct ring_step *ring_at(const struct ring *ring, size_t ago, int64_t now_ms)
{
	int64_t step = now_ms / RING_STEP_MS - (int64_t)ago;
	size_t at;

	if (!ring->begun || step < 0 || step > ring->newest || step <= ring->newest - RING_STEPS)
		return NULL;
	at = (size_t)(step % RING_STEPS);
	return ring->known[at] ? &ring->steps[at] : NULL;
}
