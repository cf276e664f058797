/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/punchctl.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "punchctl/args.h"
#include "punchctl/cmd.h"
#include "punchctl/complete.h"
#include "punchctl/daemon.h"

static const struct cmd *const commands[] = {
	&cmd_add,
	&cmd_remove,
	&cmd_list,
	&cmd_show,
	&cmd_explain,
	&cmd_key,
	&cmd_flush,
	&cmd_reload,
	&cmd_drain,
	&cmd_monitor,
	&cmd_top,
	&cmd_rules,
	&cmd_metrics,
	&cmd_doctor,
	&cmd_punch,
	&cmd_serve,
	&cmd_connect,
	&cmd_nat,
	NULL,
};
#define COMMANDS (sizeof commands / sizeof *commands - 1)

static int print_help(FILE *out)
{
	fputs("usage: punchctl [--socket PATH] [--json] COMMAND ...\n\n", out);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n--socket PATH  where relayd listens, " DAEMON_SOCKET "\n"
	      "--json         JSON instead of text\n"
	      "punchctl COMMAND --help says how a command is used; punchctl(8) says more.\n",
		out);
	return CMD_DONE;
}

static const struct cmd *find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

/*
 * Takes our options out of the words, before or after the command, up to "--"; what is left is the
 * command's. -1: go on.
 */
static int take_options(int *argc, char **argv, struct cmd_context *context)
{
	int kept = 1;

	for (int i = 1; i < *argc; i++) {
		if (!strcmp(argv[i], "--")) {
			while (i < *argc)
				argv[kept++] = argv[i++];
			break;
		}
		if (!strcmp(argv[i], "--json")) {
			context->json = true;
		} else if (!strncmp(argv[i], "--socket=", 9)) {
			context->socket = argv[i] + 9;
		} else if (!strcmp(argv[i], "--socket")) {
			if (++i == *argc) {
				log_error("--socket lacks its path");
				return CMD_USAGE;
			}
			context->socket = argv[i];
		} else {
			argv[kept++] = argv[i];
		}
	}
	argv[kept] = NULL;
	*argc = kept;
	return -1;
}

#define NAME_LEN 16

/* Levenshtein's distance; the known word is one of ours and shorter than NAME_LEN. */
static size_t distance(const char *word, const char *known)
{
	size_t row[NAME_LEN + 1], len = strlen(known);

	for (size_t i = 0; i <= len; i++)
		row[i] = i;
	for (; *word; word++) {
		size_t diagonal = row[0]++;

		for (size_t i = 1; i <= len; i++) {
			size_t best = diagonal + (*word != known[i - 1]);

			diagonal = row[i];
			if (row[i] + 1 < best)
				best = row[i] + 1;
			if (row[i - 1] + 1 < best)
				best = row[i - 1] + 1;
			row[i] = best;
		}
	}
	return row[len];
}

/* The command that was probably meant, or NULL: two letters are wrong, or one of a name of three.
 */
static const char *nearest(const char *word)
{
	const char *name = NULL;
	size_t least = 3;

	for (size_t i = 0; i < COMMANDS; i++) {
		size_t d = distance(word, commands[i]->name);

		if (d < least && 3 * d <= strlen(commands[i]->name) + 2) {
			least = d;
			name = commands[i]->name;
		}
	}
	return name;
}

static int unknown(const char *word)
{
	const char *meant = nearest(word);

	if (*word == '-')
		log_error("there is no option \"%s\"; see `punchctl --help`", word);
	else if (meant)
		log_error("there is no command \"%s\"; did you mean \"%s\"?", word, meant);
	else
		log_error("there is no command \"%s\"; `punchctl --help` lists them", word);
	return CMD_USAGE;
}

static int run(const struct cmd_context *context, int argc, char **argv)
{
	const struct cmd *cmd = find(argv[0]);

	if (!cmd)
		return unknown(argv[0]);
	if (args_want_help(argc, argv))
		return args_help(cmd);
	return cmd->run(context, argc, argv);
}

/* What could not be written was not done. A reader that went away, as head(1) does, knows it. */
static int flushed(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	if (errno != EPIPE)
		log_error("standard output: %s", strerror(errno));
	return status ? status : CMD_FAILED;
}

int punchctl_main(int argc, char **argv)
{
	struct cmd_context context = {.socket = DAEMON_SOCKET};
	int status;

	log_open("punchctl");
	signal(SIGPIPE, SIG_IGN);
	status = take_options(&argc, argv, &context);
	if (status >= 0)
		return status;
	if (argc < 2) {
		log_error("a command is missing; `punchctl --help` lists them");
		return CMD_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return print_help(stdout);
	if (!strcmp(argv[1], "--version")) {
		puts("punchctl " PACKAGE_VERSION);
		return CMD_DONE;
	}
	/* For shells: punchctl complete -- WORD... */
	if (!strcmp(argv[1], "complete") && argc > 2)
		status = complete_print(commands, context.socket, argc - 3, argv + 3);
	else
		status = run(&context, argc - 1, argv + 1);
	return flushed(status);
}
