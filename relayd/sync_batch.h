/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sync_batch: operations that belong together and to no slot; they go in front of the slots'. */
#ifndef RELAYD_SYNC_BATCH_H
#define RELAYD_SYNC_BATCH_H

#include "relayd/sync.h"

/* Puts what waits and fits into the next transaction; false: no slot may be in it besides. */
bool sync_batch_plan(struct sync *sync);
/* Some wait that are not in a transaction under way. */
bool sync_batch_pending(const struct sync *sync);
/* The transaction has been committed. */
void sync_batch_commit(struct sync *sync);
/*
 * It was refused. The batch at fault fails, the others are sent again; false: none of them is at
 * fault, so it is one of the slots.
 */
bool sync_batch_refuse(struct sync *sync, const struct rules_error *error);
/* Those that were sent are sent again, and none is to blame. */
void sync_batch_again(struct sync *sync);
void sync_batch_fini(struct sync *sync);

#endif
