/* SPDX-License-Identifier: GPL-2.0-or-later */
/* watch: asks relayd again and again for its streams, often while somebody looks. */
#ifndef EXPORTER_WATCH_H
#define EXPORTER_WATCH_H

#include "exporter/asker.h"
#include "exporter/state.h"

#define WATCH_MS       1000  /* between two questions while somebody looks */
#define WATCH_SLOW_MS  5000  /* and while nobody does */
#define WATCH_LOOKS_MS 10000 /* so long somebody looks after a request */

struct watch {
	struct asker *asker;
	struct state *state;
	uv_timer_t timer;
	int64_t asked_ms, looked_ms;
	bool waiting;
};

void watch_open(struct watch *watch, struct asker *asker, struct state *state);
void watch_close(struct watch *watch);
/* Somebody looks. */
void watch_look(struct watch *watch);
/* What stands in the way of asking relayd, in words; error is of asker.h. */
const char *watch_reason(int error);

#endif
