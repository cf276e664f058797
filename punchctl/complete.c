/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/complete.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "punchctl/args.h"
#include "punchctl/conf.h"
#include "punchctl/daemon.h"
#include "punchctl/out.h"

#define TOKEN_LEN 32
#define REPLY_MS  1000

/* What every command takes, in the words of a usage. */
static const char common[] = "[--socket FILE] [--json] [--help]";

struct line {
	const struct cmd *const *commands;
	const char *socket;
	const struct cmd *cmd; /* NULL: not said yet */
	const char *before;    /* the option whose value is being typed, or NULL */
	const char *word;      /* that is being typed */
	int plain;	       /* words of the command that are neither options nor their values */
	bool program;	       /* "--" has been said */
	int argc;
	char **argv;
};

/* The next word of a usage without brackets and bars; false at its end. */
static bool next_token(const char **usage, char token[static TOKEN_LEN])
{
	static const char between[] = " []{}|,";
	size_t len;

	*usage += strspn(*usage, between);
	len = strcspn(*usage, between);
	snprintf(token, TOKEN_LEN, "%.*s", (int)len, *usage);
	*usage += len;
	return len > 0;
}

/* False if the usage has no such option; value: what follows it there, or "". */
static bool find_option(const char *usage, const char *option, char value[static TOKEN_LEN])
{
	char token[TOKEN_LEN];

	while (next_token(&usage, token)) {
		if (strcmp(token, option) != 0)
			continue;
		if (*usage != ' ' || !next_token(&usage, value) || !isupper(*value))
			*value = '\0';
		return true;
	}
	return false;
}

/* What the option's value is; "" if it has none, or is none of ours. */
static void value_of(const struct line *line, const char *option, char value[static TOKEN_LEN])
{
	if (!find_option(common, option, value) &&
		!(line->cmd && find_option(line->cmd->usage, option, value)))
		*value = '\0';
}

static const struct cmd *find_cmd(const struct line *line, const char *name)
{
	for (const struct cmd *const *cmd = line->commands; *cmd; cmd++)
		if (!strcmp((*cmd)->name, name))
			return *cmd;
	return NULL;
}

/* All words but the last one. */
static void read_words(struct line *line)
{
	char value[TOKEN_LEN];

	for (int i = 0; i < line->argc - 1 && !line->program; i++) {
		const char *word = line->argv[i];

		line->before = NULL;
		if (!strcmp(word, "--")) {
			line->program = true;
		} else if (*word == '-') {
			value_of(line, word, value);
			if (!*value)
				continue;
			line->before = word;
			if (++i < line->argc - 1 && !strcmp(word, "--socket"))
				line->socket = line->argv[i];
			if (i < line->argc - 1)
				line->before = NULL;
		} else if (!line->cmd) {
			line->cmd = find_cmd(line, word);
		} else {
			line->plain++;
		}
	}
}

static void offer(const struct line *line, const char *word, const char *meaning)
{
	if (!strncmp(word, line->word, strlen(line->word)))
		printf("%s\t%s\n", word, meaning);
}

static bool said(const struct line *line, const char *word)
{
	for (int i = 0; i < line->argc - 1; i++)
		if (!strcmp(line->argv[i], word))
			return true;
	return false;
}

static void offer_options(const struct line *line, const char *usage)
{
	char token[TOKEN_LEN], value[TOKEN_LEN];
	const char *rest = usage;

	while (next_token(&rest, token))
		if (*token == '-' && strcmp(token, "--") != 0 && !said(line, token)) {
			find_option(usage, token, value);
			offer(line, token, value);
		}
}

static void offer_stream(void *data, const char *text, size_t len)
{
	json_t *stream = json_loadb(text, len, 0, NULL);

	offer(data, out_member(stream, "name"), out_member(stream, "state"));
	json_decref(stream);
}

/* Without a daemon there are none, nor from one that keeps who types waiting. */
static void offer_streams(struct line *line)
{
	const struct cmd_context context = {.socket = line->socket, .reply_ms = REPLY_MS};
	json_t *request = args_request("list", NULL);

	json_object_set_new(request, "brief", json_true());
	daemon_ask_streams(&context, request, offer_stream, line);
}

static void offer_conf(void *arg, const char *name)
{
	offer(arg, name, "as configured");
}

/* The first plain word: a stream that there is, or the user's own file of one. */
static void offer_names(struct line *line)
{
	const char *usage = line->cmd->usage;
	char token[TOKEN_LEN];

	if (!strncmp(usage, "NAME[@", 6))
		conf_each(offer_conf, line);
	else if (line->cmd != &cmd_add && next_token(&usage, token) && !strcmp(token, "NAME"))
		offer_streams(line);
}

static void offer_commands(const struct line *line)
{
	for (const struct cmd *const *cmd = line->commands; *cmd; cmd++)
		offer(line, (*cmd)->name, (*cmd)->summary);
}

int complete_print(const struct cmd *const *commands, const char *socket, int argc, char **argv)
{
	struct line line = {.commands = commands, .socket = socket, .argc = argc, .argv = argv};
	char value[TOKEN_LEN];

	if (argc < 1)
		return CMD_DONE;
	line.word = argv[argc - 1];
	read_words(&line);
	if (line.program) {
		if (line.cmd && find_option(line.cmd->usage, "--", value))
			puts(COMPLETE_PROGRAM);
	} else if (line.before) {
		value_of(&line, line.before, value);
		if (!strcmp(value, "FILE"))
			puts(COMPLETE_FILE);
	} else if (*line.word == '-') {
		if (line.cmd)
			offer_options(&line, line.cmd->usage);
		else
			offer(&line, "--version", "");
		offer_options(&line, common);
	} else if (!line.cmd) {
		offer_commands(&line);
	} else if (!line.plain) {
		offer_names(&line);
	}
	return CMD_DONE;
}
