/* SPDX-License-Identifier: GPL-2.0-or-later */
/* manage: what the parts of the net side's management share. */
#ifndef RELAYD_MANAGE_H
#define RELAYD_MANAGE_H

#include "relayd/net.h"

/* Removes a stream with its sockets and peers, but leaves the registry alone. */
void net_drop(struct net *net, struct stream *stream);

#endif
