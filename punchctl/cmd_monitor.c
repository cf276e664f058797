/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <time.h>

#include "punchctl/args.h"
#include "punchctl/daemon.h"
#include "punchctl/out.h"

static void print_event(const json_t *event)
{
	static const char *const ends[] = {"listen", "client", "sender"};
	time_t seconds = (time_t)json_number_value(json_object_get(event, "time"));
	char clock[16] = "";
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(clock, sizeof clock, "%H:%M:%S", &tm);
	out_print("%s %s %s", clock, out_member(event, "name"), out_member(event, "event"));
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		if (json_object_get(event, ends[i]))
			out_print(" %s %s", ends[i], out_member(event, ends[i]));
	if (json_object_get(event, "text")) {
		fputs(": ", stdout);
		out_text(out_member(event, "text"), 0);
	}
	putchar('\n');
	fflush(stdout);
}

static int run(const struct cmd_context *context, int argc, char **argv)
{
	struct daemon daemon;
	json_t *event;
	int status = args_none(&cmd_monitor, argc, argv);

	if (status)
		return status;
	status = daemon_open(&daemon, context->socket);
	if (status)
		return status;
	status = daemon_request(&daemon, args_request("monitor", NULL), &event);
	if (!status)
		json_decref(event); /* it only says that it goes on */
	while (!status && !(status = daemon_receive(&daemon, -1, &event))) {
		if (context->json)
			out_json(event);
		else
			print_event(event);
		json_decref(event);
		if (ferror(stdout)) /* nobody reads; punchctl_main() says so */
			break;
	}
	daemon_close(&daemon);
	return status;
}

const struct cmd cmd_monitor = {"monitor", "", "events as they happen, until interrupted", run};
