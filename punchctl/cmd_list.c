/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "punchctl/args.h"
#include "punchctl/daemon.h"
#include "punchctl/out.h"

/*
 * Each of the relay's addresses has a row for a port, one after the other, and all of them show
 * the counters of the one client that the port has in this family.
 */
static int same_port(const json_t *port, const json_t *before)
{
	const char *a = out_member(port, "listen"), *b = out_member(before, "listen");
	const char *x = strrchr(a, ':'), *y = strrchr(b, ':');

	return x && y && !strcmp(x, y) && (*a == '[') == (*b == '[');
}

static void add_row(struct out_table *table, const json_t *stream)
{
	const json_t *ports = json_object_get(stream, "ports"), *port,
		     *best = json_array_get(ports, 0);
	json_int_t rate = 0;
	char text[OUT_UNIT];
	size_t i;

	/* The port that has most to tell stands for the stream. */
	json_array_foreach(ports, i, port) {
		if (!i || !same_port(port, json_array_get(ports, i - 1)))
			rate += out_number(port, "rate");
		if (out_number(port, "packets") > out_number(best, "packets") ||
			(json_is_null(json_object_get(best, "client")) &&
				json_is_string(json_object_get(port, "client"))))
			best = port;
	}
	out_cell(table, "%s", out_member(stream, "name"));
	out_cell(table, "%s", out_member(stream, "state"));
	out_cell(table, "%s", out_member(stream, "listen"));
	out_cell(table, "%s", out_member(best, "sender"));
	out_cell(table, "%s", out_member(best, "client"));
	out_cell(table, "%s", out_bytes(rate, 1, text));
	out_cell(table, "%s", out_seconds(best, "idle", text));
}

static int run(const struct cmd_context *context, int argc, char **argv)
{
	static const char *const heads[] = {
		"NAME", "STATE", "LISTEN", "SENDER", "CLIENT", "RATE", "IDLE"};
	const json_t *stream;
	struct out_table table;
	json_t *reply;
	size_t i;
	int status = args_none(&cmd_list, argc, argv);

	if (!status)
		status = daemon_ask(context, args_request("list", NULL), &reply);
	if (status)
		return status;
	if (context->json) {
		out_json(json_object_get(reply, "streams"));
		json_decref(reply);
		return CMD_DONE;
	}
	out_begin(&table, sizeof heads / sizeof *heads, heads);
	json_array_foreach(json_object_get(reply, "streams"), i, stream)
		add_row(&table, stream);
	out_end(&table);
	json_decref(reply);
	return CMD_DONE;
}

const struct cmd cmd_list = {"list", "", "all streams, a line each", run};
