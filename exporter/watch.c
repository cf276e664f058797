/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exporter/watch.h"

#include <errno.h>
#include <string.h>

#include "common/log.h"

static int64_t watch_now(const struct watch *watch)
{
	return (int64_t)uv_now(watch->asker->loop);
}

const char *watch_reason(int error)
{
	switch (error) {
	case -ENOENT:
	case -ECONNREFUSED:
		return "relayd is not running";
	case -EACCES:
		return "relayd-exporter may not ask relayd; it must be in the group of its user";
	case -ECONNRESET:
	case -EPIPE:
		return "relayd hung up";
	case -ETIMEDOUT:
		return "relayd does not answer";
	}
	return strerror(-error);
}

static void fail(struct watch *watch, const char *why)
{
	if (watch->state->up || strcmp(watch->state->error, why) != 0)
		log_warning("%s", why);
	state_fail(watch->state, why, watch_now(watch));
}

static void answered(void *data, int error, json_t *reply)
{
	struct watch *watch = data;
	const char *why;

	watch->waiting = false;
	if (error) {
		fail(watch, watch_reason(error));
	} else if (!json_is_true(json_object_get(reply, "ok"))) {
		why = json_string_value(json_object_get(reply, "error"));
		fail(watch, why ? why : "relayd refuses to answer");
	} else {
		if (!watch->state->up)
			log_info("relayd answers");
		state_take(watch->state, reply, watch_now(watch));
	}
}

static void tick(uv_timer_t *timer)
{
	struct watch *watch = timer->data;
	int64_t now_ms = watch_now(watch);
	int64_t pause = now_ms - watch->looked_ms < WATCH_LOOKS_MS ? WATCH_MS : WATCH_SLOW_MS;
	int err;

	/* A little less, or a timer that is late by a hair would halve the pace. */
	if (watch->waiting || now_ms - watch->asked_ms < pause - WATCH_MS / 2)
		return;
	watch->asked_ms = now_ms;
	err = asker_ask(watch->asker,
		json_pack("{s:s, s:i}", "do", "list", "limit", HISTORY_STREAMS), ASKER_MS, answered,
		watch);
	watch->waiting = err == 0;
	if (err)
		fail(watch, watch_reason(err));
}

void watch_open(struct watch *watch, struct asker *asker, struct state *state)
{
	*watch = (struct watch){.asker = asker, .state = state};
	watch->asked_ms = watch->looked_ms = watch_now(watch) - WATCH_SLOW_MS;
	uv_timer_init(asker->loop, &watch->timer);
	watch->timer.data = watch;
	uv_timer_start(&watch->timer, tick, 0, WATCH_MS);
}

void watch_close(struct watch *watch)
{
	asker_forget(watch->asker, watch);
	uv_close((uv_handle_t *)&watch->timer, NULL);
}

void watch_look(struct watch *watch)
{
	watch->looked_ms = watch_now(watch);
}
