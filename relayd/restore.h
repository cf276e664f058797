/* SPDX-License-Identifier: GPL-2.0-or-later */
/* restore: when the kernel may hold something else than it was told, it is compared and mended. */
#ifndef RELAYD_RESTORE_H
#define RELAYD_RESTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relayd/sync.h"

struct compare;
struct net;

struct restore {
	struct compare *compare;    /* under way, at a start too; or NULL */
	bool again;		    /* there was another change since */
	struct rules_change change; /* what it is compared for; NONE: to be sure */
	int64_t since_ms;	    /* when that was noticed */
	bool doubt;		    /* it is to be compared, but not before */
	int64_t doubt_ms;
	uint64_t changes[RULES_CAUSES]; /* for the metrics */
	uint64_t missing, orphans;
};

/* The kernel side says that the table was changed. */
void restore_changed(struct net *net, const struct rules_change *change, int64_t since_ms);
/* Something has failed, and may have left something behind. */
void restore_doubt(struct net *net);
/* Each second. */
void restore_tick(struct net *net);
/* Begins a comparison, at a start too; nothing is sent until sync.held is cleared. -errno. */
int restore_begin(struct net *net, sync_part_fn *part, sync_read_fn *done);
/* It is over; if there was another change since, the next begins. */
void restore_end(struct net *net);
/* Gives up the one that is under way. */
void restore_close(struct net *net);

#endif
