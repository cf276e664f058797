/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net_event: what happens to streams, told in the log and to those who monitor. */
#ifndef RELAYD_NET_EVENT_H
#define RELAYD_NET_EVENT_H

#include "relayd/net.h"

/* The table's event; data is the net. */
void net_event_of_table(void *data, const struct stream_event *event);
void net_event_tell(struct net *net, const struct control_event *event, uint16_t port);
/* Once a second: what had no line of its own. */
void net_event_tick(struct net *net);

#endif
