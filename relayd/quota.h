/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * quota: what a stream may carry in a day, in a month, or ever. The samples of the kernel's
 * counters are what is counted, so a stream exceeds its quota by no more than what flows between
 * two of them.
 */
#ifndef RELAYD_QUOTA_H
#define RELAYD_QUOTA_H

#include "relayd/registry.h"
#include "relayd/stream.h"

/* When the period began that now is in: seconds of the wall clock, 0 for SPEC_EVER. */
int64_t quota_since(enum spec_period period, int64_t now);
/* What a stream that comes has used, as an earlier relayd has stored it. */
int quota_load(struct registry *registry, struct stream *stream);
/* After a sample: closes the holes of a stream whose quota is used up, and says so. */
void quota_check(struct stream_table *table, struct stream *stream);
/* Begins anew what has a new period, by the wall clock in seconds. */
void quota_renew(struct stream_table *table, int64_t now);
/* Stores what was used since the last time. 0: nothing; 1; or -errno and why, and it is tried again
 * the next time. */
int quota_store(
	struct stream_table *table, struct registry *registry, char error[static REGISTRY_ERROR]);

#endif
