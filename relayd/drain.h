/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * drain: no new clients and peers, so that a relay becomes empty without harm to anybody. It holds
 * until it is taken back: a file beside the database says so to the relayd of after a restart.
 */
#ifndef RELAYD_DRAIN_H
#define RELAYD_DRAIN_H

#include "relayd/net.h"

struct drain_count {
	size_t clients; /* ports that have one */
	size_t pairs;
};

/* At a start: goes on draining, and says so in the log. */
void drain_open(struct net *net);
/* 0, or -errno with the reason and nothing changed. */
int drain_set(struct net *net, bool on, char why[static CONFIG_ERROR]);
/* Who is still there. */
struct drain_count drain_count(const struct net *net);

#endif
