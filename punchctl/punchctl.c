/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/punchctl.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "punchctl/daemon.h"
#include "punchctl/cmd.h"

static const struct cmd *const commands[] = {
	&cmd_add,
	&cmd_remove,
	&cmd_list,
	&cmd_show,
	&cmd_key,
	&cmd_flush,
	&cmd_reload,
	&cmd_monitor,
	&cmd_rules,
	&cmd_metrics,
	&cmd_punch,
};
#define COMMANDS (sizeof commands / sizeof *commands)

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

static int run(const struct cmd_context *context, int argc, char **argv)
{
	const struct cmd *cmd = find(argv[0]);

	if (!cmd) {
		log_error("there is no command \"%s\"; `punchctl --help` lists them", argv[0]);
		return CMD_USAGE;
	}
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		printf("usage: punchctl %s %s\n\n%s\n", cmd->name, cmd->usage, cmd->summary);
		return CMD_DONE;
	}
	return cmd->run(context, argc, argv);
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
		log_error("a command is missing");
		print_help(stderr);
		return CMD_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return print_help(stdout);
	if (!strcmp(argv[1], "--version")) {
		puts("punchctl " PACKAGE_VERSION);
		return CMD_DONE;
	}
	return run(&context, argc - 1, argv + 1);
}
