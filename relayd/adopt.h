/* SPDX-License-Identifier: GPL-2.0-or-later */
/* adopt: at a start, what the kernel holds is taken into the stream table, and the rest is removed.
 */
#ifndef RELAYD_ADOPT_H
#define RELAYD_ADOPT_H

#include "relayd/net.h"

/* 0, or -ENOMEM. Nothing is sent: slots that differ are left dirty, orphans are queued. */
int adopt(struct net *net, const struct sync_snapshot *snapshot);

#endif
