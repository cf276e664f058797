/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/netfilter.h>

#include "relayd/explain_step.h"
#include "relayd/view.h"

static const char *trace_verdict(const struct trace_event *event)
{
	switch (event->verdict) {
	case NF_DROP:
		return "drops it";
	case NF_ACCEPT:
		return event->kind == TRACE_POLICY ? "lets it pass by its policy" : "accepts it";
	case NF_STOLEN:
		return "keeps it";
	case NF_QUEUE:
		return "gives it to a program";
	}
	return NULL;
}

static json_t *view_trace(const struct trace_event *event)
{
	return json_pack("{s:s, s:s, s:I, s:o, s:o, s:b}", "table", event->table, "chain",
		event->chain, "handle", (json_int_t)event->handle, "from",
		view_endpoint(&event->source), "to", view_endpoint(&event->dest), "probe",
		event->probe);
}

static void step_trace(struct steps *steps, const struct trace_event *event)
{
	const char *what = event->probe ? "the probe" : "a packet of the sender";
	const char *verdict = trace_verdict(event);
	char rule[40] = "";

	if (!verdict || !strcmp(event->table, TRACE_TABLE))
		return;
	if (event->handle)
		snprintf(rule, sizeof rule, " (handle %llu)", (unsigned long long)event->handle);
	step(steps, "trace", event->verdict == NF_DROP ? BROKEN_STOPS : OK, view_trace(event),
		"%s came to %s %s, which %s%s", what, event->table, event->chain, verdict, rule);
}

void steps_trace(struct steps *steps)
{
	const struct explain_trace *trace = &steps->path->trace;
	bool left = false;

	if (!trace->asked)
		return;
	if (trace->error == -ENOENT || trace->error == -EACCES)
		step(steps, "trace", WAITS, NULL,
			"no packet came, and a probe needs /dev/net/tun, which %s",
			trace->error == -ENOENT ? "is not there"
						: "relayd's user may not open: 'chmod 666 "
						  "/dev/net/tun'");
	else if (trace->error)
		step(steps, "trace", WAITS, NULL, "no packet could be traced: %s",
			strerror(-trace->error));
	else if (!trace->count)
		step(steps, "trace", WAITS, NULL,
			"no packet could be traced: the kernel told of none");
	for (size_t i = 0; i < trace->count; i++) {
		step_trace(steps, &trace->events[i]);
		left |= trace->events[i].ours;
	}
	if (left)
		step(steps, "trace", OK, NULL, "the probe came to where it would leave the host");
}
