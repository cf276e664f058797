/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "punchctl/args.h"
#include "punchctl/daemon.h"
#include "punchctl/doctor.h"
#include "punchctl/doctor_fix.h"
#include "punchctl/doctor_print.h"
#include "punchctl/doctor_read.h"
#include "punchctl/doctor_relay.h"
#include "punchctl/out.h"

#define NO_RELAY                                                                                   \
	"other programs' firewall rules, the streams and the kernel's features: no answer from "   \
	"relayd"
#define NO_RULES "other programs' firewall rules: relayd could not read them"

struct options {
	bool fix, yes;
};

/* Too large for the stack of a careful program. */
struct doctor {
	struct doctor_host host;
	struct doctor_relay relay;
	struct doctor_report report;
};

static int options_take(int argc, char **argv, struct options *options)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--fix"))
			options->fix = true;
		else if (!strcmp(argv[i], "--yes"))
			options->yes = true;
		else
			return args_usage(&cmd_doctor, "there is no option \"%s\"", argv[i]);
	}
	if (options->yes && !options->fix)
		return args_usage(&cmd_doctor, "--yes is for --fix");
	if (options->fix && !options->yes && !isatty(STDIN_FILENO))
		return args_usage(
			&cmd_doctor, "--fix asks, and there is no terminal; scripts say --yes");
	return CMD_DONE;
}

static void stream_take(void *data, const char *text, size_t len)
{
	json_t *stream = json_loadb(text, len, 0, NULL);

	if (stream)
		doctor_relay_stream(stream, data);
	json_decref(stream);
}

static void relay_ask(const struct cmd_context *context, struct doctor_relay *relay)
{
	struct doctor_answers answers = {NULL, NULL};

	if (!daemon_ask(context, args_request("host", NULL), &answers.host))
		daemon_ask(context, args_request("metrics", NULL), &answers.metrics);
	doctor_relay_read(&answers, relay);
	if (answers.host)
		daemon_ask_streams(context, args_request("list", NULL), stream_take, relay);
	json_decref(answers.host);
	json_decref(answers.metrics);
}

static void examine(const struct cmd_context *context, struct doctor *doctor)
{
	relay_ask(context, &doctor->relay);
	doctor_read_files("", &doctor->host);
	doctor_read_live(&doctor->relay, &doctor->host);
	if (doctor->relay.punch)
		doctor_read_sockets(doctor->relay.punch, &doctor->host);
	doctor_examine(&doctor->host, &doctor->relay, &doctor->report);
}

static const char *unchecked(const struct doctor_relay *relay)
{
	return !relay->asked ? NO_RELAY : !relay->walked ? NO_RULES : NULL;
}

static int mend(
	const struct cmd_context *context, const struct options *options, struct doctor *doctor)
{
	size_t done, failed;

	if (geteuid()) {
		log_error("--fix wants root; nothing was changed");
		return CMD_FAILED;
	}
	done = doctor_fix(&doctor->report, options->yes, &failed);
	if (done)
		examine(context, doctor);
	return failed ? CMD_FAILED : CMD_DONE;
}

static void tell(const struct cmd_context *context, const struct doctor *doctor)
{
	json_t *json;

	if (!context->json) {
		doctor_print(&doctor->report, unchecked(&doctor->relay));
		return;
	}
	json = doctor_json(&doctor->report, unchecked(&doctor->relay));
	out_json(json);
	json_decref(json);
}

static int run(const struct cmd_context *context, int argc, char **argv)
{
	struct options options = {0};
	struct doctor *doctor;
	int status = options_take(argc, argv, &options);

	if (status)
		return status;
	doctor = calloc(1, sizeof *doctor);
	if (!doctor) {
		log_error("memory is short");
		return CMD_FAILED;
	}
	examine(context, doctor);
	if (options.fix)
		status = mend(context, &options, doctor);
	tell(context, doctor);
	if (doctor->report.stops)
		status = CMD_FAILED;
	else if (!status && !doctor->relay.asked)
		status = CMD_NO_DAEMON;
	free(doctor);
	return status;
}

const struct cmd cmd_doctor = {"doctor", "[--fix [--yes]]",
	"what on this host would stop a stream, and what mends it", run,
	"  --fix  show each command that mends it, and run it if you say so\n"
	"  --yes  ask nothing\n"};
