/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "punchctl/args.h"
#include "punchctl/daemon.h"
#include "punchctl/out.h"

enum { OPT_PORT = 256, OPT_FROM, OPT_TRACE };

/* A next hop is asked for three times, a second apart, before it is given up. */
#define RESOLVE_TRIES 25
#define RESOLVE_MS    200

static const struct option options[] = {
	{"port", required_argument, NULL, OPT_PORT},
	{"from", required_argument, NULL, OPT_FROM},
	{"trace", no_argument, NULL, OPT_TRACE},
	{0},
};

static void print_step(const json_t *step)
{
	const char *state = out_member(step, "state");

	/* What is wrong has to catch the eye among what is not. */
	out_print("  %-8s %-11s %s\n",
		strcmp(state, "broken") == 0	? "BROKEN"
		: strcmp(state, "unknown") == 0 ? "UNKNOWN"
						: state,
		out_member(step, "step"), out_member(step, "text"));
}

static bool is(const json_t *object, const char *name, const char *value)
{
	return strcmp(out_member(object, name), value) == 0;
}

/*
 * Chains that a packet of ours passes matter only if it is media, whose way is told in full; of the
 * other ways one line says that nothing is wrong. Returns the last step of it.
 */
static size_t print_passed(const json_t *steps, size_t at)
{
	const char *way = out_member(json_array_get(steps, at), "way");
	size_t end = at;

	while (end + 1 < json_array_size(steps) && is(json_array_get(steps, end + 1), "way", way) &&
		is(json_array_get(steps, end + 1), "state", "ok"))
		end++;
	out_print("  %-8s %-11s %s passes %zu chain%s\n", "ok", "chain",
		!strcmp(way, "reply")	? "the client's answer to the sender"
		: !strcmp(way, "punch") ? "the client's punch"
					: "our answer to the punch",
		end - at + 1, end == at ? "" : "s");
	return end;
}

static void print_steps(const json_t *steps)
{
	for (size_t i = 0; i < json_array_size(steps); i++) {
		const json_t *step = json_array_get(steps, i);

		if (is(step, "step", "chain") && is(step, "state", "ok") &&
			is(step, "verdict", "passes") && !is(step, "way", "media"))
			i = print_passed(steps, i);
		else
			print_step(step);
	}
}

static void print_path(const char *name, const json_t *path)
{
	const json_t *arrives = json_object_get(path, "arrives");

	out_print("%s at %s: a packet from %s %s %s%s%s\n", name, out_member(path, "listen"),
		json_is_string(json_object_get(path, "sender")) ? out_member(path, "sender")
								: "an allowed sender",
		json_is_true(arrives)	? "would arrive at"
		: json_is_null(arrives) ? "may or may not arrive at"
					: "would not arrive at",
		json_is_string(json_object_get(path, "client")) ? out_member(path, "client")
								: "a client",
		json_is_string(json_object_get(path, "cause")) ? ", see " : "",
		json_is_string(json_object_get(path, "cause")) ? out_member(path, "cause") : "");
	print_steps(json_object_get(path, "steps"));
}

static void print(const json_t *reply)
{
	const char *name = out_member(reply, "name");
	const json_t *paths = json_object_get(reply, "paths"), *path;
	size_t i;

	json_array_foreach(paths, i, path)
		print_path(name, path);
	if (!json_array_size(paths) && out_number(reply, "peers"))
		out_print("%s: nobody is paired; %lld services wait for a client\n", name,
			(long long)out_number(reply, "offers"));
	else if (!json_array_size(paths))
		out_print("%s has no such port\n", name);
	if (out_number(reply, "left_out"))
		out_print("%lld more ports and addresses are left out; ask for one with --port\n",
			(long long)out_number(reply, "left_out"));
}

/* CMD_DONE with the option in the request. */
static int take_option(json_t *request, int option, const char *value)
{
	char *end;
	long port;

	if (option == OPT_PORT) {
		port = strtol(value, &end, 10);
		if (*end || end == value || port < 1 || port > 65535)
			return args_usage(&cmd_explain, "\"%s\" is not a port", value);
		json_object_set_new(request, "port", json_integer(port));
		return CMD_DONE;
	}
	if (option == OPT_FROM) {
		if (json_object_set_new(request, "from", json_string(value)))
			return args_usage(&cmd_explain, "\"%s\" is not UTF-8", value);
		return CMD_DONE;
	}
	json_object_set_new(request, "trace", json_true());
	return CMD_DONE;
}

/* The words into a request; NULL: said what is wrong. */
static int make_request(int argc, char **argv, json_t **out)
{
	json_t *request = json_pack("{s:s}", "do", "explain");
	int option, status = CMD_DONE;

	optind = 0;
	opterr = 0;
	while (status == CMD_DONE && (option = getopt_long(argc, argv, ":", options, NULL)) >= 0) {
		if (option == ':' || option == '?')
			status = args_usage(&cmd_explain, "\"%s\" is %s", argv[optind - 1],
				option == ':' ? "lacking its value" : "not an option");
		else
			status = take_option(request, option, optarg);
	}
	if (status == CMD_DONE && optind == argc)
		status = args_usage(&cmd_explain, "the stream's name is missing");
	else if (status == CMD_DONE && optind + 1 < argc)
		status = args_usage(&cmd_explain, "\"%s\" is a word too many", argv[optind + 1]);
	else if (status == CMD_DONE &&
		 json_object_set_new(request, "name", json_string(argv[optind])))
		status = args_usage(&cmd_explain, "\"%s\" is not UTF-8", argv[optind]);
	if (status != CMD_DONE)
		json_decref(request);
	else
		*out = request;
	return status;
}

/* A next hop is being asked for: the answer will be another one soon. */
static bool is_pending(const json_t *reply)
{
	const json_t *path, *step;
	size_t i, j;

	json_array_foreach(json_object_get(reply, "paths"), i, path)
		json_array_foreach(json_object_get(path, "steps"), j, step)
			if (is(step, "step", "neighbour") && is(step, "state", "waiting"))
				return true;
	return false;
}

static int ask(const struct cmd_context *context, json_t *request, json_t **reply)
{
	const struct timespec pause = {.tv_nsec = RESOLVE_MS * 1000000L};
	int status = daemon_ask(context, json_incref(request), reply);

	json_object_set_new(request, "again", json_true());
	for (int i = 0; !status && is_pending(*reply) && i < RESOLVE_TRIES; i++) {
		nanosleep(&pause, NULL);
		json_decref(*reply);
		status = daemon_ask(context, json_incref(request), reply);
	}
	json_decref(request);
	return status;
}

static int run(const struct cmd_context *context, int argc, char **argv)
{
	json_t *request, *reply;
	int status = make_request(argc, argv, &request);

	if (!status)
		status = ask(context, request, &reply);
	if (status)
		return status;
	if (json_is_null(json_object_get(reply, "arrives")))
		status = CMD_UNKNOWN;
	else if (!json_is_true(json_object_get(reply, "arrives")))
		status = CMD_FAILED;
	json_object_del(reply, "ok");
	if (context->json)
		out_json(reply);
	else
		print(reply);
	json_decref(reply);
	return status;
}

const struct cmd cmd_explain = {"explain", "NAME [--port PORT] [--from ADDRESS:PORT] [--trace]",
	"why a stream flows or does not, step by step", run,
	"  --port PORT          only this port of the stream\n"
	"  --from ADDRESS:PORT  for a packet of this sender\n"
	"  --trace              let the kernel follow a packet\n"};
