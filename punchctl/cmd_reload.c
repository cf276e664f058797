/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "punchctl/args.h"
#include "punchctl/daemon.h"
#include "punchctl/out.h"

static int run(const struct cmd_context *context, int argc, char **argv)
{
	json_t *reply;
	int status = args_none(&cmd_reload, argc, argv);

	if (!status)
		status = daemon_ask(context, args_request("reload", NULL), &reply);
	if (status)
		return status;
	if (context->json)
		out_json(reply);
	else
		printf("%lld added, %lld changed, %lld removed\n",
			(long long)out_number(reply, "added"),
			(long long)out_number(reply, "changed"),
			(long long)out_number(reply, "removed"));
	json_decref(reply);
	return CMD_DONE;
}

const struct cmd cmd_reload = {"reload", "", "relayd reads its configuration again", run, NULL};
