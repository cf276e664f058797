/* SPDX-License-Identifier: GPL-2.0-or-later */
/* trace_inner: the state behind struct trace. */
#ifndef RULES_TRACE_INNER_H
#define RULES_TRACE_INNER_H

#include "rules/batch.h"
#include "rules/nl.h"
#include "rules/trace.h"

struct trace {
	struct nl nl;	 /* owns the table */
	struct nl group; /* events */
	struct batch batch;
	struct trace_target target;
	uint32_t id; /* of the packet that we follow */
	unsigned int events;
	bool ended, of_probe;
	struct trace_event last; /* that told of the packet */
	int64_t silent_at;
	int tun;
	unsigned int index; /* of its interface */
	char device[IF_NAMESIZE];
};

int trace_table_add(struct trace *trace);
/* Stops what came in on the probe's interface, behind every other chain. */
int trace_table_stop(struct trace *trace);
void trace_probe_close(struct trace *trace);

#endif
