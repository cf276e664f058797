/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net_trouble: notices what the host is short of, and tells it. */
#ifndef RELAYD_NET_TROUBLE_H
#define RELAYD_NET_TROUBLE_H

#include "relayd/net.h"

void net_trouble_open(struct net *net);
/* Once a second: descriptors, and what is over. */
void net_trouble_tick(struct net *net);
/* -errno: is it that there is no descriptor left? Then it is told. */
bool net_trouble_files(struct net *net, int error);
/* What the kernel side has seen of the host. */
void net_trouble_health(struct net *net, const struct rules_health *health);
/* So many packets were more than max-rate allows, since the kernel side has set it. */
void net_trouble_cut(struct net *net, uint64_t cut);
/* A reading of the kernel's state failed: -errno. */
void net_trouble_read(struct net *net, int error);
/* The kernel refused a change for a stream, or "": data is the struct net. */
void net_trouble_refused(void *data, const char *name, const struct rules_error *error);
/* It is told that the kernel refuses things, which need not be told of each. */
bool net_trouble_of_kernel(const struct net *net);
/* A writing of the database: 0 or -errno. Names, exhausted numbers and the like are no trouble. */
void net_trouble_database(struct net *net, int error, const char *why);

#endif
