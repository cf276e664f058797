/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "punchctl/args.h"
#include "punchctl/daemon.h"
#include "punchctl/out.h"

#define POLL_MS 500

enum { OPT_OFF = 256, OPT_NO_WAIT };

static const struct option options[] = {
	{"off", no_argument, NULL, OPT_OFF},
	{"no-wait", no_argument, NULL, OPT_NO_WAIT},
	{0},
};

static int take_options(int argc, char **argv, bool *off, bool *wait)
{
	int option;

	optind = 0;
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) >= 0) {
		if (option == OPT_OFF)
			*off = true;
		else if (option == OPT_NO_WAIT)
			*wait = false;
		else
			return args_usage(
				&cmd_drain, "drain has no option \"%s\"", argv[optind - 1]);
	}
	if (optind < argc)
		return args_usage(&cmd_drain, "\"%s\" is a word too many", argv[optind]);
	return CMD_DONE;
}

static json_int_t left(const json_t *reply)
{
	return out_number(reply, "clients") + out_number(reply, "pairs");
}

static void print(const struct cmd_context *context, const json_t *reply)
{
	long long clients = out_number(reply, "clients"), pairs = out_number(reply, "pairs");

	if (context->json)
		out_json(reply);
	else if (!json_is_true(json_object_get(reply, "draining")))
		out_print("new clients are taken again\n");
	else if (!left(reply))
		out_print("draining: nobody is left\n");
	else
		out_print("draining: %lld client%s and %lld pair%s of peers are left\n", clients,
			clients == 1 ? "" : "s", pairs, pairs == 1 ? "" : "s");
	fflush(stdout);
}

/* A relayd that is away comes back and drains on, so it is only said. */
static int ask_again(const struct cmd_context *context, json_t **reply, bool *away)
{
	char why[256];
	int status;

	log_keep(why, sizeof why);
	status = daemon_ask(context, args_request("drain", NULL), reply);
	log_keep(NULL, 0);
	if (status && !*away)
		log_notice("%s", why);
	*away = status;
	return status;
}

/* A line for each change, until nobody is left, or somebody takes it back. */
static int follow(const struct cmd_context *context, json_int_t last)
{
	const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
	bool draining = true, away = false;
	json_t *reply;

	while (last && draining) {
		nanosleep(&pause, NULL);
		if (ask_again(context, &reply, &away))
			continue;
		draining = json_is_true(json_object_get(reply, "draining"));
		if (left(reply) != last || !draining)
			print(context, reply);
		last = left(reply);
		json_decref(reply);
	}
	return draining ? CMD_DONE : CMD_FAILED;
}

static int run(const struct cmd_context *context, int argc, char **argv)
{
	bool off = false, wait = true;
	json_t *request, *reply;
	json_int_t last;
	int status = take_options(argc, argv, &off, &wait);

	if (status)
		return status;
	request = args_request("drain", NULL);
	json_object_set_new(request, "on", json_boolean(!off));
	status = daemon_ask(context, request, &reply);
	if (status)
		return status;
	print(context, reply);
	last = left(reply);
	json_decref(reply);
	return off || !wait ? CMD_DONE : follow(context, last);
}

const struct cmd cmd_drain = {"drain", "[--no-wait | --off]",
	"no new clients: says when nobody is left", run,
	"  --no-wait  do not wait until then\n"
	"  --off      new clients may come again\n"};
