/* SPDX-License-Identifier: GPL-2.0-or-later */
/* adopt: at a start, what the kernel holds is taken into the stream table, and then compared. */
#ifndef RELAYD_ADOPT_H
#define RELAYD_ADOPT_H

#include "relayd/compare.h"

void adopt_begin(const struct net *net);
/* Takes a part in, and compares it; see compare.h. */
void adopt_part(struct net *net, struct compare *compare, const struct sync_snapshot *part);
/* After the last part; 0 or -errno. */
int adopt_finish(struct net *net, struct compare *compare, struct compare_count *count);

#endif
