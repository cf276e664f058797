/* SPDX-License-Identifier: GPL-2.0-or-later */
/* manage: what the parts of the net side's management share. */
#ifndef RELAYD_MANAGE_H
#define RELAYD_MANAGE_H

#include "relayd/net.h"

/* Removes a stream with its sockets and peers, but leaves the registry alone. */
void net_drop(struct net *net, struct stream *stream);
/* The same, but its sockets are idle (udp.h). */
void net_take_away(struct net *net, struct stream *stream);
/* Adds a stream that has been found good, and whose raw punch ports are open. -errno and why. */
int net_put(struct net *net, const struct spec *spec, uint32_t number, struct stream **out,
	char why[static SPEC_WHY]);
/* The raw punch sockets of all its ports. */
void net_take_raws(struct net *net, const struct stream *stream);
void net_leave_raws(struct net *net, const struct stream *stream);
/* Says that it can be punched without proof. */
void net_warn_raw(const struct spec *spec);

#endif
