/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state: what relayd last said of its streams, with the history of the last hour, and both as the
 * JSON that the page reads. Pure; monotonic times are passed in.
 */
#ifndef EXPORTER_STATE_H
#define EXPORTER_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "exporter/history.h"

#define STATE_RECENT 60	 /* steps that a stream's line shows: five minutes */
#define STATE_ERROR  160 /* bytes of a reason */

struct state {
	bool up;
	int64_t since_ms; /* it is so since then */
	int64_t taken_ms; /* the newest answer; 0: none yet */
	uint64_t losses;  /* how often relayd went away */
	char error[STATE_ERROR];
	json_t *streams; /* as relayd told them, each with "recent"; owned, NULL: none yet */
	uint64_t left_out;
	struct history history;
};

void state_init(struct state *state, int64_t now_ms);
void state_fini(struct state *state);
/* relayd's answer to "list", which remains the caller's. */
void state_take(struct state *state, const json_t *reply, int64_t now_ms);
/* It could not be asked; why is one line. The streams stay as they were. */
void state_fail(struct state *state, const char *why, int64_t now_ms);

/*
 * {"token":B,"up":B,"since":SECONDS,"age":SECONDS or null,"error":TEXT or null,"left_out":N,
 *  "step":SECONDS,"streams":[..]}; token: who looks had to have one; since and age are how long
 * ago. A stream is as in punchctl(8), and
 * its "recent" are bytes a second in the last STATE_RECENT whole steps, null where it is not known.
 * Text for free(), NULL when memory is short.
 */
char *state_view(const struct state *state, bool token, int64_t now_ms);
/*
 * {"ok":true,"step":SECONDS,"bytes":[..],"packets":[..],"lost":[..]}: whole steps of the last
 * hour, the newest last, null where nothing is known. name NULL: the whole relay; "ok" is false for
 * an unknown stream. For free().
 */
char *state_view_history(const struct state *state, const char *name, int64_t now_ms);

#endif
