/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd: the commands of punchctl; each is one file and stands in the table of punchctl.c. */
#ifndef PUNCHCTL_CMD_H
#define PUNCHCTL_CMD_H

#include <stdbool.h>

/* What was said before the command's name. */
struct cmd_context {
	const char *socket; /* --socket, or the default path */
	bool json;	    /* --json */
	int reply_ms;	    /* for so long relayd may be silent; 0: DAEMON_REPLY_MS */
};

enum cmd_status { CMD_DONE = 0, CMD_FAILED = 1, CMD_USAGE = 2, CMD_NO_DAEMON = 3, CMD_UNKNOWN = 4 };

/* argv[0] is the command's name; run returns an enum cmd_status, after saying why on stderr. */
struct cmd {
	const char *name;
	const char *usage;   /* what follows the name, one line */
	const char *summary; /* what it does, a few words */
	int (*run)(const struct cmd_context *context, int argc, char **argv);
};

extern const struct cmd cmd_add, cmd_connect, cmd_doctor, cmd_drain, cmd_explain, cmd_flush,
	cmd_key, cmd_list, cmd_metrics, cmd_monitor;
extern const struct cmd cmd_nat, cmd_punch, cmd_reload, cmd_remove, cmd_rules, cmd_serve, cmd_show,
	cmd_top;

#endif
