/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sampler: the kernel's counters of all streams, again and again, a few at a time. */
#ifndef RELAYD_SAMPLER_H
#define RELAYD_SAMPLER_H

#include "relayd/net.h"

/* Once a second: begins the next round when it is time. */
void sampler_tick(struct net *net);
/* Takes what the kernel counted into the table; for sync.sample. */
void sampler_take(void *net, const struct sync_snapshot *snapshot);
/* With so many streams answers show what the last round has found, and nothing is read for them. */
bool sampler_is_enough(const struct net *net);

#endif
