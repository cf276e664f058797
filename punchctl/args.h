/* SPDX-License-Identifier: GPL-2.0-or-later */
/* args: what the operator's commands share in reading their words. */
#ifndef PUNCHCTL_ARGS_H
#define PUNCHCTL_ARGS_H

#include <stdbool.h>

#include <jansson.h>

#include "punchctl/cmd.h"

/* Says in one line what is wrong and how the command is used; returns CMD_USAGE. */
__attribute__((format(printf, 2, 3))) int args_usage(
	const struct cmd *cmd, const char *format, ...);
/* How the command is used, and what its options do; returns CMD_DONE. */
int args_help(const struct cmd *cmd);
/* It is asked for, and not by the words of another program behind "--". */
bool args_want_help(int argc, char **argv);
/* For commands that are one word and nothing else. */
int args_none(const struct cmd *cmd, int argc, char **argv);
/* For commands with at most one word and no options: its word, which may be missing if optional. */
int args_name(const struct cmd *cmd, int argc, char **argv, int optional, const char **name);
/* {"do": what, "name": name}, without the name if that is NULL. */
json_t *args_request(const char *what, const char *name);
/* "90s", "30m", "2h", "7d", "90": seconds, or -1. */
long long args_duration(const char *text);
/* "131072", "128k", "1M", "1G": bytes, or -1. */
long long args_bytes(const char *text);

#endif
