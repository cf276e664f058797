/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/summary.h"

#include <stdbool.h>
#include <string.h>

#include "punchctl/out.h"

/*
 * Each of the relay's addresses has a row for a port, one after the other, and all of them show
 * the counters of the one client that the port has in this family.
 */
static bool same_port(const json_t *port, const json_t *before)
{
	const char *a = out_member(port, "listen"), *b = out_member(before, "listen");
	const char *x = strrchr(a, ':'), *y = strrchr(b, ':');

	return x && y && !strcmp(x, y) && (*a == '[') == (*b == '[');
}

void summary_read(struct summary *summary, const json_t *stream)
{
	const json_t *ports = json_object_get(stream, "ports"), *port,
		     *best = json_array_get(ports, 0), *idle;
	const json_t *relayed = json_object_get(stream, "relayed");
	size_t i;

	summary->rate = out_number(relayed, "rate");
	json_array_foreach(ports, i, port) {
		if (!i || !same_port(port, json_array_get(ports, i - 1)))
			summary->rate += out_number(port, "rate");
		if (out_number(port, "packets") > out_number(best, "packets") ||
			(json_is_null(json_object_get(best, "client")) &&
				json_is_string(json_object_get(port, "client"))))
			best = port;
	}
	summary->name = out_member(stream, "name");
	summary->state = out_member(stream, "state");
	summary->listen = out_member(stream, "listen");
	summary->sender = out_member(best, "sender");
	summary->client = out_member(best, "client");
	idle = json_object_get(best ? best : relayed, "idle");
	summary->idle = json_is_number(idle) ? json_number_value(idle) : -1;
}
