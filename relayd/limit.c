/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/limit.h"

#include <string.h>

#include "common/mac.h"

void limit_init(struct limit *limit, uint32_t per_second, uint32_t burst, uint32_t total)
{
	memset(limit, 0, sizeof *limit);
	limit->per_second = per_second;
	limit->burst = burst;
	limit->total = total;
	limit->total_burst = total;
	mac_random(&limit->seed, sizeof limit->seed);
}

/* A bucket that is full at full_ms lacks (full_ms - now) * rate tokens: one number is its whole
 * state. */
static bool may_take(
	const struct limit_bucket *bucket, uint32_t rate, uint32_t burst, int64_t now_ms)
{
	return bucket->full_ms - now_ms <= ((int64_t)burst - 1) * 1000 / rate;
}

static void take(struct limit_bucket *bucket, uint32_t rate, int64_t now_ms)
{
	bucket->full_ms = (bucket->full_ms > now_ms ? bucket->full_ms : now_ms) + 1000 / rate;
}

bool limit_take(struct limit *limit, const struct addr *addr, int64_t now_ms)
{
	struct endpoint prefix = {.addr = *addr};
	size_t keep = addr->family == AF_INET6 ? 7 : 3;
	struct limit_bucket *bucket;

	memset(prefix.addr.bytes + keep, 0, sizeof prefix.addr.bytes - keep);
	bucket = &limit->bucket[endpoint_hash(&prefix, limit->seed) % LIMIT_BUCKETS];
	if (!may_take(bucket, limit->per_second, limit->burst, now_ms) ||
		!may_take(&limit->all, limit->total, limit->total_burst, now_ms))
		return false;
	take(bucket, limit->per_second, now_ms);
	take(&limit->all, limit->total, now_ms);
	return true;
}
