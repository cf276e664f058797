/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sync_plan: the operations that make the kernel what one slot wants. */
#ifndef RELAYD_SYNC_PLAN_H
#define RELAYD_SYNC_PLAN_H

#include "relayd/sync.h"

/* A slot needs at most: two raw punches, listen and ingress for every address, client, old client,
 * flush. */
#define SLOT_OPS_MAX (4 * CONFIG_ADDRESSES + 4)

/* Takes the slot out of the dirty list, and appends its operations to the transaction. */
void sync_plan(struct sync *sync, struct slot *slot);
/*
 * After the commit: queues the end of the hole that a client has moved away from, unless somebody
 * else has it by now.
 */
void sync_plan_close_old(struct sync *sync, const struct slot *slot);

#endif
