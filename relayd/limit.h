/* SPDX-License-Identifier: GPL-2.0-or-later */
/* limit: token buckets per source prefix (/24, /56) in a table of fixed size, and one for all. */
#ifndef RELAYD_LIMIT_H
#define RELAYD_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

#define LIMIT_BUCKETS 4096

struct limit_bucket {
	int64_t full_ms; /* when it will be full again */
};

/*
 * Prefixes that fall into one bucket share it: an attacker can starve strangers of answers that
 * cost more than their question, and of nothing else. The seed keeps the choice from them.
 */
struct limit {
	uint32_t per_second, burst;  /* of a prefix */
	uint32_t total, total_burst; /* of all */
	uint32_t seed;
	struct limit_bucket all, bucket[LIMIT_BUCKETS];
};

void limit_init(struct limit *limit, uint32_t per_second, uint32_t burst, uint32_t total);
/* Takes a token of the prefix and one of all; false when either has none. */
bool limit_take(struct limit *limit, const struct addr *addr, int64_t now_ms);

#endif
