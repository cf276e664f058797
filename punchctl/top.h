/* SPDX-License-Identifier: GPL-2.0-or-later */
/* top: the streams and what became of them since the last look; no terminal, no clock. */
#ifndef PUNCHCTL_TOP_H
#define PUNCHCTL_TOP_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "common/addr.h"

#define TOP_NAME    64
#define TOP_STATE   8
#define TOP_FILTER  64
#define TOP_HISTORY 60 /* looks */

enum top_column {
	TOP_COL_NAME,
	TOP_COL_STATE,
	TOP_COL_LISTEN,
	TOP_COL_SENDER,
	TOP_COL_CLIENT,
	TOP_COL_RATE,
	TOP_COL_IDLE,
	TOP_COLUMNS
};

enum top_state { TOP_LIVE, TOP_READY, TOP_WAITING, TOP_STALE, TOP_SPENT, TOP_STATES };

struct top_history {
	float rates[TOP_HISTORY]; /* bytes per second; a ring */
	size_t next, count;
};

struct top_row {
	char name[TOP_NAME], listen[LISTEN_TEXT], sender[ENDPOINT_TEXT], client[ENDPOINT_TEXT];
	enum top_state state;
	double idle; /* seconds; negative: no media yet */
	struct top_history history;
	bool seen;
};

struct top {
	struct top_row **rows; /* owned; `sorted` of them by name, and the new ones of this look */
	size_t count, sorted, room;
	struct top_row **shown; /* of rows, filtered and in order; has their room */
	size_t shown_count;
	size_t cursor; /* of shown */
	char selected[TOP_NAME];
	char filter[TOP_FILTER]; /* part of a name, a state or an address; any case */
	enum top_column sort;
	bool reverse;
	struct top_history total;
	size_t states[TOP_STATES];
};

void top_init(struct top *top);
void top_fini(struct top *top);

/* A look: each stream in turn, in any order, then the end; who was not seen is gone. */
void top_add(struct top *top, const json_t *stream);
void top_end(struct top *top);

/* Order and filter are as in the members; call after changing them. */
void top_arrange(struct top *top);
/* The next or the one before (-1) of the columns. */
void top_sort_by(struct top *top, int step);
/* The cursor stays on its stream wherever that goes. */
void top_move(struct top *top, long by);
const struct top_row *top_selected(const struct top *top);

const char *top_state_text(enum top_state state);
/* i looks ago, 0: the last one; 0 where there was none. */
double top_rate(const struct top_history *history, size_t i);
/* The highest of the last `looks` ones. */
double top_peak(const struct top_history *history, size_t looks);

#endif
