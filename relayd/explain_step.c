/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/explain_step.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT 400

void step(struct steps *steps, const char *name, enum how how, json_t *detail, const char *format,
	...)
{
	static const enum explain_state states[] = {[OK] = EXPLAIN_OK,
		[UNKNOWN] = EXPLAIN_UNKNOWN,
		[UNKNOWN_DOUBTS] = EXPLAIN_UNKNOWN,
		[WAITS] = EXPLAIN_WAITING,
		[WAITS_STOPS] = EXPLAIN_WAITING,
		[BROKEN] = EXPLAIN_BROKEN,
		[BROKEN_STOPS] = EXPLAIN_BROKEN};
	bool stops = how == WAITS_STOPS || how == BROKEN_STOPS;
	char text[TEXT];
	json_t *object;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	object = json_pack("{s:s, s:s, s:b, s:s}", "step", name, "state",
		explain_state_text(states[how]), "stops", stops, "text", text);
	if (detail)
		json_object_update_missing(object, detail);
	json_decref(detail);
	json_array_append_new(steps->array, object);
	if (stops)
		steps->arrival = EXPLAIN_LOST;
	else if (how == UNKNOWN_DOUBTS && steps->arrival == EXPLAIN_ARRIVES)
		steps->arrival = EXPLAIN_UNSURE;
	if ((stops || how == UNKNOWN_DOUBTS) && (!steps->cause || how > steps->cause_how)) {
		steps->cause = name;
		steps->cause_how = how;
	}
}

struct words step_endpoint(const struct endpoint *endpoint)
{
	struct words text;

	endpoint_format(endpoint, text.s);
	return text;
}

struct words step_addr(const struct addr *addr)
{
	struct words text;

	addr_format(addr, text.s);
	return text;
}

double step_seconds(int64_t ms)
{
	return (double)(ms > 0 ? ms : 0) / 1000;
}
