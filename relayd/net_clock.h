/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net_clock: the wall clock, which may be set at any time. A stream that was added for a time stays
 * as long as that nevertheless; nothing else is measured by it.
 */
#ifndef RELAYD_NET_CLOCK_H
#define RELAYD_NET_CLOCK_H

#include "relayd/net.h"

/* Seconds since 1970, by which stream->expires is to be judged and made. */
int64_t net_clock(struct net *net);
/* The same of a time that was read: milliseconds since 1970, and since the host was booted. */
void net_clock_check(struct net *net, int64_t wall_ms, int64_t boot_ms);

#endif
