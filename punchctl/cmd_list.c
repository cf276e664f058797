/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
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

struct listing {
	bool json, any;
	struct out_table table;
};

/* As JSON it is what relayd wrote. */
static void take(void *data, const char *text, size_t len)
{
	struct listing *listing = data;
	json_t *stream;

	if (listing->json) {
		putchar(listing->any ? ',' : '[');
		fwrite(text, 1, len, stdout);
		listing->any = true;
		return;
	}
	stream = json_loadb(text, len, 0, NULL);
	if (stream)
		add_row(&listing->table, stream);
	json_decref(stream);
}

static int run(const struct cmd_context *context, int argc, char **argv)
{
	static const char *const heads[] = {
		"NAME", "STATE", "LISTEN", "SENDER", "CLIENT", "RATE", "IDLE"};
	struct listing listing = {.json = context->json};
	int status = args_none(&cmd_list, argc, argv);
	json_t *request;

	if (status)
		return status;
	request = args_request("list", NULL);
	if (!context->json)
		json_object_set_new(request, "brief", json_true());
	out_begin(&listing.table, sizeof heads / sizeof *heads, heads);
	status = daemon_ask_streams(context, request, take, &listing);
	if (!status && !context->json) {
		out_end(&listing.table);
		return CMD_DONE;
	}
	free(listing.table.cells);
	if (!status)
		puts(listing.any ? "]" : "[]");
	return status;
}

const struct cmd cmd_list = {"list", "", "all streams, a line each", run};
