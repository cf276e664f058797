/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exporter/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ctl.h"

void state_init(struct state *state, int64_t now_ms)
{
	memset(state, 0, sizeof(*state));
	state->since_ms = now_ms;
	snprintf(state->error, sizeof(state->error), "relayd has not been asked yet");
}

void state_fini(struct state *state)
{
	json_decref(state->streams);
	history_fini(&state->history);
}

static uint64_t number(const json_t *object, const char *name)
{
	json_int_t value = json_integer_value(json_object_get(object, name));

	return value > 0 ? (uint64_t)value : 0;
}

/* Of the last whole steps: the present one would look like a fall. */
static json_t *recent(const struct history *history, const char *name, int64_t now_ms)
{
	const struct ring *ring = name ? history_find(history, name) : NULL;
	json_t *array = json_array();

	for (size_t ago = STATE_RECENT; ring && ago > 0; ago--) {
		const struct ring_step *step = ring_at(ring, ago, now_ms);

		json_array_append_new(
			array, step ? json_integer((json_int_t)(step->bytes * 1000 / RING_STEP_MS))
				    : json_null());
	}
	return array;
}

static void stream_take(struct state *state, json_t *stream, int64_t now_ms)
{
	const char *name = json_string_value(json_object_get(stream, "name"));
	const struct tally tally = {number(stream, "bytes"), number(stream, "packets"),
		number(stream, "refused"), number(stream, "limited")};

	/* One for which there is no room or memory is shown without its history. */
	if (name)
		(void)history_take(&state->history, name, &tally, now_ms);
}

void state_take(struct state *state, const json_t *reply, int64_t now_ms)
{
	json_t *streams = json_object_get(reply, "streams"), *stream;
	size_t i;

	if (!json_is_array(streams)) {
		state_fail(state, "relayd's answer makes no sense", now_ms);
		return;
	}
	json_array_foreach(streams, i, stream)
		stream_take(state, stream, now_ms);
	history_done(&state->history, now_ms);
	if (!state->up)
		state->since_ms = now_ms;
	state->up = true;
	state->taken_ms = now_ms;
	state->left_out = number(reply, "left_out");
	json_decref(state->streams);
	state->streams = json_incref(streams);
}

void state_fail(struct state *state, const char *why, int64_t now_ms)
{
	if (state->up) {
		state->since_ms = now_ms;
		state->losses++;
	}
	state->up = false;
	snprintf(state->error, sizeof(state->error), "%s", why);
}

static json_t *seconds(int64_t ms)
{
	return json_real((double)(ms > 0 ? ms : 0) / 1000);
}

static char *dump(json_t *object)
{
	char *text = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;

	json_decref(object);
	return text;
}

char *state_view(const struct state *state, bool token, int64_t now_ms)
{
	json_t *streams = state->streams ? json_incref(state->streams) : json_array(), *stream;
	size_t i;

	json_array_foreach(streams, i, stream)
		json_object_set_new(stream, "recent",
			recent(&state->history, json_string_value(json_object_get(stream, "name")),
				state->taken_ms));
	return dump(json_pack("{s:b, s:b, s:o, s:o, s:o, s:I, s:o, s:o}", "token", token, "up",
		state->up, "since", seconds(now_ms - state->since_ms), "age",
		state->taken_ms ? seconds(now_ms - state->taken_ms) : json_null(), "error",
		state->up ? json_null() : json_string(state->error), "left_out",
		(json_int_t)state->left_out, "step", seconds(RING_STEP_MS), "streams", streams));
}

char *state_view_history(const struct state *state, const char *name, int64_t now_ms)
{
	const struct ring *ring =
		name ? history_find(&state->history, name) : &state->history.total;
	json_t *bytes, *packets, *lost;

	if (!ring)
		return dump(ctl_error("there is no history of that stream"));
	bytes = json_array();
	packets = json_array();
	lost = json_array();
	for (size_t ago = RING_STEPS - 1; ago > 0; ago--) {
		const struct ring_step *step = ring_at(ring, ago, now_ms);

		json_array_append_new(
			bytes, step ? json_integer((json_int_t)step->bytes) : json_null());
		json_array_append_new(packets, step ? json_integer(step->packets) : json_null());
		json_array_append_new(lost, step ? json_integer(step->lost) : json_null());
	}
	return dump(json_pack("{s:b, s:o, s:o, s:o, s:o}", "ok", 1, "step", seconds(RING_STEP_MS),
		"bytes", bytes, "packets", packets, "lost", lost));
}
