/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "punchctl/args.h"
#include "punchctl/daemon.h"
#include "punchctl/out.h"

static int run(const struct cmd_context *context, int argc, char **argv)
{
	const char *name;
	json_t *reply;
	int status = args_name(&cmd_remove, argc, argv, 0, &name);

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

const struct cmd cmd_remove = {
	"remove", "NAME", "a stream that was added goes, and its clients with it", run};
