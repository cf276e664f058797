/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "punchctl/args.h"
#include "punchctl/daemon.h"
#include "punchctl/out.h"
#include "punchctl/summary.h"

static void add_row(struct out_table *table, const json_t *stream)
{
	struct summary summary;
	char text[OUT_UNIT];

	summary_read(&summary, stream);
	out_cell(table, "%s", summary.name);
	out_cell(table, "%s", summary.state);
	out_cell(table, "%s", summary.listen);
	out_cell(table, "%s", summary.sender);
	out_cell(table, "%s", summary.client);
	out_cell(table, "%s", out_bytes(summary.rate, 1, text));
	if (summary.idle < 0)
		out_cell(table, "-");
	else
		out_cell(table, "%.1f s", summary.idle);
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

const struct cmd cmd_list = {"list", "", "all streams, a line each", run, NULL};
