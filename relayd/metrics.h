/* SPDX-License-Identifier: GPL-2.0-or-later */
/* metrics: the relay in numbers, as OpenMetrics text. */
#ifndef RELAYD_METRICS_H
#define RELAYD_METRICS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct net;

#define METRICS_STREAMS 1000 /* that have series of their own: the first ones by name */

/* What the control socket counts. */
struct metrics_control {
	uint64_t clients; /* connected now */
	uint64_t accepted;
	uint64_t denied;  /* by their uid and groups */
	uint64_t crowded; /* too many were connected */
	uint64_t unread;  /* did not read what they had asked for */
	uint64_t idle;	  /* asked for nothing */
};

/* Writes it all, "# EOF" included. Errors stay in the stream; -ENOMEM when memory is short. */
int metrics_write(const struct net *net, const struct metrics_control *control, FILE *out);

#endif
