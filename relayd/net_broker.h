/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net_broker: the broker's hands: kernel, sockets, clock, and those who watch. */
#ifndef RELAYD_NET_BROKER_H
#define RELAYD_NET_BROKER_H

#include "relayd/net.h"

int net_broker_open(struct net *net);
void net_broker_close(struct net *net);
/* Once per turn of the loop: the timer is set to when the broker wants to be called. */
void net_broker_turn(struct net *net);

#endif
