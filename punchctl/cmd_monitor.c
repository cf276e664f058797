/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "common/log.h"
#include "punchctl/args.h"
#include "punchctl/daemon.h"
#include "punchctl/out.h"

#define RETRY_MS 200

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

/* refused: relayd is there and does not want to. */
static int begin(const struct cmd_context *context, struct daemon *daemon, bool *refused)
{
	json_t *reply = NULL;
	int status = daemon_open(daemon, context);

	if (status)
		return status;
	status = daemon_send(daemon, args_request("monitor", NULL));
	if (!status)
		status = daemon_answer(daemon, &reply);
	if (!status) {
		status = daemon_check(&reply);
		*refused = status;
	}
	if (status)
		daemon_close(daemon);
	json_decref(reply); /* it only says that it goes on */
	return status;
}

/* Tells of events until relayd hangs up, or nobody reads; punchctl_main() says so then. */
static void follow(const struct cmd_context *context, struct daemon *daemon)
{
	json_t *event;

	while (!ferror(stdout) && !daemon_event(daemon, &event)) {
		if (context->json)
			out_json(event);
		else
			print_event(event);
		json_decref(event);
	}
	daemon_close(daemon);
}

/* Quietly: that it is away has been said. What begin() says of a refusal is said at the end. */
static int wait_for_relayd(const struct cmd_context *context, struct daemon *daemon)
{
	const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
	char line[256];
	bool refused = false;
	int status;

	log_keep(line, sizeof line);
	while ((status = begin(context, daemon, &refused)) && !refused)
		nanosleep(&pause, NULL);
	log_keep(NULL, 0);
	if (status)
		log_error("%s", line);
	return status;
}

/* Whoever reads JSON learns that something may be missing. */
static void tell_back(const struct cmd_context *context)
{
	json_t *event;

	log_notice("relayd is back; what happened meanwhile is not known");
	if (!context->json)
		return;
	event = json_pack("{s:f, s:s}", "time", (double)time(NULL), "event", "reconnected");
	out_json(event);
	json_decref(event);
}

static int run(const struct cmd_context *context, int argc, char **argv)
{
	struct daemon daemon;
	bool refused;
	int status = args_none(&cmd_monitor, argc, argv);

	if (!status)
		status = begin(context, &daemon, &refused);
	if (status)
		return status;
	for (;;) {
		follow(context, &daemon);
		if (ferror(stdout))
			return CMD_DONE;
		status = wait_for_relayd(context, &daemon);
		if (status)
			return status;
		tell_back(context);
	}
}

const struct cmd cmd_monitor = {"monitor", "", "events as they happen, until interrupted", run};
