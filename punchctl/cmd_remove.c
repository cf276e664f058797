/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "punchctl/args.h"
#include "punchctl/batch.h"
#include "punchctl/daemon.h"
#include "punchctl/out.h"

/* The rest of the line is as `add --batch` takes it: the same file will do. */
static int parse_line(int count, char **words, json_t **item)
{
	const char *name;
	int status = args_name(&cmd_remove, count > 2 ? 2 : count, words, 0, &name);

	*item = status ? NULL : json_string(name);
	return status;
}

static void print_line(const json_t *stream)
{
	out_print("%s\n", out_member(stream, "name"));
}

static int run(const struct cmd_context *context, int argc, char **argv)
{
	struct batch batch = {.what = "remove-many", .parse = parse_line, .print = print_line};
	const char *name;
	json_t *reply;
	int status;

	if (batch_wanted(&cmd_remove, argc, argv, &batch, &status))
		return status ? status : batch_run(context, &cmd_remove, &batch);
	status = args_name(&cmd_remove, argc, argv, 0, &name);
	if (!status)
		status = daemon_ask(context, args_request("remove", name), &reply);
	if (status)
		return status;
	if (context->json)
		out_json(reply);
	else
		out_print("%s removed\n", name);
	json_decref(reply);
	return CMD_DONE;
}

const struct cmd cmd_remove = {"remove", "{NAME | --batch FILE [--keep-going]}",
	"a stream that was added goes, and its clients with it", run,
	"  --batch FILE  the stream that each line begins with; - is standard input\n"
	"  --keep-going  skip lines that are wrong\n"};
