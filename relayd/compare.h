/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * compare: finds out where what the kernel holds differs from what it should, after a start, after
 * somebody else's change, and when it is not known whether there was one. Nothing is sent: slots
 * that differ are left dirty, operations for the rest are queued.
 */
#ifndef RELAYD_COMPARE_H
#define RELAYD_COMPARE_H

#include "relayd/net.h"

/* How much differs. */
struct compare_count {
	size_t missing; /* what should be there and is not, or is otherwise */
	size_t orphans; /* what is there and should not be */
};

/*
 * One comparison: of parts of what the kernel holds (sync.h), each with what it should hold by the
 * transactions whose verdict has come, and at the end of slots of which nothing was seen.
 */
struct compare;
/* NULL: no memory. */
struct compare *compare_open(struct net *net);
void compare_close(struct compare *compare);
/* A part, by what its records are about; it must stay until the next. -ENOMEM. */
int compare_load(struct compare *compare, const struct sync_snapshot *part);
/* Any of those that lead to the client from an address of ours; NULL: none in this part. */
const struct rules_ingress *compare_destination(
	const struct compare *compare, const struct endpoint *client);
/* What listens there; NULL: nothing in this part. */
const struct rules_listening *compare_listening(
	const struct compare *compare, const struct endpoint *listen);
/* Compares the part that was loaded. Costs n log n. */
void compare_part(struct compare *compare);
/* After the last part; 0 or the first error. */
int compare_finish(struct compare *compare, struct compare_count *out);

#endif
