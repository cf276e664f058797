/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/args.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

#define HELP_COLUMNS 80

int args_usage(const struct cmd *cmd, const char *format, ...)
{
	char text[256];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	log_error(
		"%s; usage: punchctl %s%s%s", text, cmd->name, *cmd->usage ? " " : "", cmd->usage);
	return CMD_USAGE;
}

/* Up to a blank between two options. */
static size_t option_len(const char *usage)
{
	size_t len = 0;
	int depth = 0;

	for (; usage[len] && (usage[len] != ' ' || depth > 0); len++)
		depth += (strchr("[{", usage[len]) != NULL) - (strchr("]}", usage[len]) != NULL);
	return len;
}

int args_help(const struct cmd *cmd)
{
	int indent = printf("usage: punchctl %s", cmd->name), column = indent;
	const char *usage = cmd->usage;

	while (*usage) {
		size_t len = option_len(usage);

		if ((size_t)column + 1 + len > HELP_COLUMNS)
			column = printf("\n%*s", indent, "") - 1;
		column += printf(" %.*s", (int)len, usage);
		usage += len + (usage[len] == ' ');
	}
	printf("\n\n%s\n", cmd->summary);
	if (cmd->options)
		printf("\n%s", cmd->options);
	return CMD_DONE;
}

bool args_want_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return true;
	return false;
}

static int no_option(const struct cmd *cmd, const char *word)
{
	return args_usage(cmd, "%s has no option \"%s\"", cmd->name, word);
}

int args_none(const struct cmd *cmd, int argc, char **argv)
{
	if (argc < 2)
		return CMD_DONE;
	if (*argv[1] == '-')
		return no_option(cmd, argv[1]);
	return args_usage(cmd, "\"%s\" is a word too many", argv[1]);
}

/* JSON is UTF-8, and jansson takes nothing else. */
static int is_utf8(const char *text)
{
	json_t *string = json_string(text);

	json_decref(string);
	return string != NULL;
}

int args_name(const struct cmd *cmd, int argc, char **argv, int optional, const char **name)
{
	*name = argc > 1 ? argv[1] : NULL;
	if (*name && **name == '-')
		return no_option(cmd, *name);
	if (argc > 2)
		return args_usage(cmd, "\"%s\" is a word too many", argv[2]);
	if (!*name && !optional)
		return args_usage(cmd, "the stream's name is missing");
	if (*name && !is_utf8(*name))
		return args_usage(cmd, "\"%s\" is not UTF-8", *name);
	return CMD_DONE;
}

json_t *args_request(const char *what, const char *name)
{
	return json_pack("{s:s, s:s*}", "do", what, "name", name);
}

/* A number and one of the letters, which multiply it by the factor of the same place. */
static long long scaled(const char *text, const char *letters, const long long *factors)
{
	const char *letter;
	char *end;
	long long value;

	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno || !*end)
		return errno ? -1 : value;
	letter = strchr(letters, *end);
	if (!letter || end[1] || value > LLONG_MAX / factors[letter - letters])
		return -1;
	return value * factors[letter - letters];
}

long long args_duration(const char *text)
{
	static const long long factors[] = {1, 60, 3600, 86400};

	return scaled(text, "smhd", factors);
}

long long args_bytes(const char *text)
{
	static const long long factors[] = {1000, 1000000, 1000000000};

	return scaled(text, "kMG", factors);
}
