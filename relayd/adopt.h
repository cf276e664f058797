/* SPDX-License-Identifier: GPL-2.0-or-later */
/* adopt: at a start, what the kernel holds is taken into the stream table, and then compared. */
#ifndef RELAYD_ADOPT_H
#define RELAYD_ADOPT_H

#include "relayd/compare.h"

/* 0, or -ENOMEM. Nothing is sent; see compare.h. */
int adopt(struct net *net, const struct sync_snapshot *snapshot, struct compare_count *count);

#endif
