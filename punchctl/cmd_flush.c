/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "punchctl/args.h"
#include "punchctl/daemon.h"
#include "punchctl/out.h"

static int run(const struct cmd_context *context, int argc, char **argv)
{
	const char *name;
	json_t *reply;
	int status = args_name(&cmd_flush, argc, argv, 1, &name);

	if (!status)
		status = daemon_ask(context, args_request("flush", name), &reply);
	if (status)
		return status;
	if (context->json)
		out_json(reply);
	else
		printf("%lld hole%s closed\n", (long long)out_number(reply, "clients"),
			out_number(reply, "clients") == 1 ? "" : "s");
	json_decref(reply);
	return CMD_DONE;
}

const struct cmd cmd_flush = {"flush", "[NAME]",
	"closes the holes of a stream's clients, or of all; they may punch again", run, NULL};
