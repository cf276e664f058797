/* SPDX-License-Identifier: GPL-2.0-or-later */
/* view_rules: what the kernel holds, by stream, as the JSON of control.h. */
#ifndef RELAYD_VIEW_RULES_H
#define RELAYD_VIEW_RULES_H

#include <stdio.h>

#include "relayd/stream.h"
#include "relayd/sync.h"

/*
 * Writes the array of "streams", of one stream or of all (name ""). What belongs to no stream that
 * is known stands under the name "". -ENOMEM; errors of `out` stay in it.
 */
int view_rules(const struct stream_table *table, const char *name,
	const struct sync_snapshot *snapshot, FILE *out);

#endif
