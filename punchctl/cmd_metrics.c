/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/args.h"
#include "punchctl/daemon.h"
#include "punchctl/out.h"

static int run(const struct cmd_context *context, int argc, char **argv)
{
	json_t *reply;
	int status = args_none(&cmd_metrics, argc, argv);

	if (!status)
		status = daemon_ask(context, args_request("metrics", NULL), &reply);
	if (status)
		return status;
	if (context->json)
		out_json(reply);
	else
		out_text(out_member(reply, "text"), 1);
	json_decref(reply);
	return CMD_DONE;
}

const struct cmd cmd_metrics = {
	"metrics", "", "the relay's counters as OpenMetrics text", run, NULL};
