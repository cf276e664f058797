/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * max_rate: the limit of what all streams and pairs of peers may have together. Its chain costs
 * every packet, so it exists only where there is a limit.
 */
#ifndef RULES_MAX_RATE_H
#define RULES_MAX_RATE_H

#include "rules/batch.h"
#include "rules/nl.h"

#define CHAIN_MAX_RATE "keep_max_rate"

struct max_rate {
	uint64_t rate; /* bytes per second, 0: no limit */
	uint64_t cut;  /* packets that were too many since it was set */
};

/* Zeros where there is none. */
int max_rate_read(struct nl *nl, struct max_rate *out);
/* Makes it, or makes it anew; the rate is not 0. */
void max_rate_add(struct batch *batch, uint64_t rate);
void max_rate_delete(struct batch *batch);

#endif
