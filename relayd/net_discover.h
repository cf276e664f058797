/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net_discover: has the relay find out how it is seen, uses it, and tells it. */
#ifndef RELAYD_NET_DISCOVER_H
#define RELAYD_NET_DISCOVER_H

#include "relayd/net.h"

/* Begins to ask; what is learnt comes when it comes. */
void net_discover_open(struct net *net);
/* Asks anew, for the configuration or the host's addresses are others. */
void net_discover_again(struct net *net);
/* Once a second. */
void net_discover_tick(struct net *net);

#endif
