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

/* The records by what they are about, sorted, for one comparison. */
struct compare;
/* NULL: no memory. The snapshot must stay. */
struct compare *compare_open(const struct sync_snapshot *snapshot);
void compare_close(struct compare *compare);
/* NULL: the kernel has none. */
const struct rules_listening *compare_listening(
	const struct compare *compare, const struct endpoint *listen);
/* Any of those that lead to the client. */
const struct rules_ingress *compare_destination(
	const struct compare *compare, const struct endpoint *client);

/* 0 or -ENOMEM. Costs n log n. */
int compare_run(struct net *net, struct compare *compare, struct compare_count *out);

#endif
