/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net_trouble: notices what the host is short of, and tells it. */
#ifndef RELAYD_NET_TROUBLE_H
#define RELAYD_NET_TROUBLE_H

#include "relayd/net.h"

void net_trouble_open(struct net *net);
/* Once a second: descriptors, and what is over. */
void net_trouble_tick(struct net *net);
/* What the kernel side has seen of the host. */
void net_trouble_health(struct net *net, const struct rules_health *health);
/* The kernel refused a change, or a reading failed: data is the struct net. */
void net_trouble_kernel(void *data, int error);
/* A writing of the database: 0 or -errno. Names, exhausted numbers and the like are no trouble. */
void net_trouble_database(struct net *net, int error, const char *why);

#endif
