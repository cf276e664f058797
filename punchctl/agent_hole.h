/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agent_hole: what agent.c and agent_answer.c share; nobody else includes it. */
#ifndef PUNCHCTL_AGENT_HOLE_H
#define PUNCHCTL_AGENT_HOLE_H

#include "punchctl/agent.h"

static inline int64_t agent_min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* It has been punched once. */
static inline bool hole_is_open(const struct agent_hole *hole)
{
	return hole->mapped.addr.family != 0;
}

/* An event of this hole; the rest is the caller's to fill. */
struct agent_event hole_event(
	const struct agent *agent, const struct agent_hole *hole, enum agent_event_type type);
void agent_emit(struct agent *agent, const struct agent_event *event);
/* Sends a new request; the one before is forgotten. */
void hole_punch(struct agent *agent, struct agent_hole *hole, int64_t now_ms);

#endif
