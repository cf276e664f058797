/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control_text: answers as the lines that are sent, for free(); NULL: memory is short. */
#ifndef RELAYD_CONTROL_TEXT_H
#define RELAYD_CONTROL_TEXT_H

#include <jansson.h>
#include <stddef.h>

#include "relayd/metrics.h"
#include "relayd/net.h"

/* Takes the object over; NULL stays NULL. */
char *text_object(json_t *object, size_t *len);
/* {"ok":true,"streams":[..]}: what the kernel holds of the stream of this name, or "" of all. */
char *text_rules(const struct stream_table *table, const char *name,
	const struct sync_snapshot *snapshot, size_t *len);
/* {"ok":true,"text":".."} */
char *text_metrics(const struct net *net, const struct metrics_control *counts, size_t *len);

#endif
