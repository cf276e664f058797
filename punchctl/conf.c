/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/conf.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "punchctl/args.h"

#define BLANKS	    " \t\r"
#define SUFFIX	    ".conf"
#define WORDS_MAX   64 /* of a command */
#define OPTIONS_MAX 16 /* of a command of ours, and those of the file alone */
#define PLACE	    300

/* In the file alone; their numbers are none of getopt's. */
enum { RELAY = -3, STREAM = -2, COMMAND = -1 };

static const struct option own_options[] = {
	{"relay", required_argument, NULL, RELAY},
	{"stream", required_argument, NULL, STREAM},
	{"command", required_argument, NULL, COMMAND},
	{0},
};

struct reader {
	struct conf *conf;
	const struct conf_taker *taker;
	size_t seen_count, line;
	struct {
		const char *name;
		size_t line;
	} seen[OPTIONS_MAX];
	const char *stream;
	bool has_relay;
};

/* As the XDG base directory specification has it, and %E of systemd.unit(5). NULL: there is none.
 */
static char *folder_name(void)
{
	const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char *folder = NULL;
	int len = 0;

	if (base && *base == '/')
		len = asprintf(&folder, "%s/punchrelay", base);
	else if (home && *home)
		len = asprintf(&folder, "%s/.config/punchrelay", home);
	return len < 0 ? NULL : folder;
}

/* An owned path in the file's folder, or NULL: memory is short. */
static char *path_beside(struct conf *conf, const char *name, const char *suffix)
{
	int len = (int)(strrchr(conf->path, '/') - conf->path);
	char **path = conf->paths;

	while (*path)
		path++;
	if (asprintf(path, "%.*s/%s%s", len, conf->path, name, suffix) < 0)
		*path = NULL;
	return *path;
}

__attribute__((format(printf, 1, 2))) static int refuse(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_error("%s", text);
	return -EINVAL;
}

/* Its options are what getopt_long(3) knows, by their whole names. */
static const struct option *option_find(const struct option *options, const char *name)
{
	for (; options->name; options++) {
		if (!strcmp(options->name, name))
			return options;
	}
	return NULL;
}

static int seen_add(struct reader *reader, const struct option *option)
{
	for (size_t i = 0; i < reader->seen_count; i++) {
		if (!strcmp(reader->seen[i].name, option->name))
			return refuse("%s stands here again, after line %zu; remove one",
				option->name, reader->seen[i].line);
	}
	reader->seen[reader->seen_count].name = option->name;
	reader->seen[reader->seen_count++].line = reader->line;
	return 0;
}

/* Whoever writes so counts on a shell, and there is none. */
static bool is_quoted(const char *word)
{
	return strchr("\"'", *word) || strchr("\"'", word[strlen(word) - 1]);
}

static int take_command(struct reader *reader, char *value)
{
	char **words, *rest = NULL;
	size_t count = 0;

	if (!reader->taker->command)
		return refuse("%s starts no command", reader->taker->cmd->name);
	words = reader->conf->command = calloc(WORDS_MAX + 1, sizeof(*words));
	if (!words)
		return -ENOMEM;
	for (char *word = strtok_r(value, BLANKS, &rest); word;
		word = strtok_r(NULL, BLANKS, &rest)) {
		if (count == WORDS_MAX)
			return refuse("a command has at most %d words; a script may have more",
				WORDS_MAX);
		if (is_quoted(word))
			return refuse("blanks separate the words of a command, and quotes do not "
				      "join them: %s; a script may do that",
				word);
		words[count++] = word;
	}
	return 0;
}

static int take_own(struct reader *reader, int option, char *value)
{
	char why[TARGET_WHY];

	if (option == COMMAND)
		return take_command(reader, value);
	if (option == STREAM) {
		reader->stream = value;
		return strlen(value) < TARGET_NAME ? 0 : refuse("%s is too long a name", value);
	}
	reader->has_relay = true;
	if (target_parse_relay(value, &reader->conf->target, why) < 0)
		return refuse("%s", why);
	return 0;
}

static int take_option(struct reader *reader, const struct option *option, char *value)
{
	bool is_path = !strcmp(option->name, "key-file") || !strcmp(option->name, "sdp");

	if (option->has_arg == no_argument && *value)
		return refuse("%s stands alone, without a value", option->name);
	if (option->has_arg == required_argument && !*value)
		return refuse("%s lacks its value", option->name);
	if (*value == '=' || *value == '"')
		return refuse("write the value of %s as on the command line, without \"=\" and "
			      "quotes",
			option->name);
	if (is_path && *value != '/') {
		value = path_beside(reader->conf, value, "");
		if (!value)
			return -ENOMEM;
	}
	if (option->val < 0)
		return take_own(reader, option->val, value);
	return reader->taker->take(reader->taker->arg, option->val, value);
}

/* A remark begins where a word could. */
static void cut_remark(char *line)
{
	for (char *at = strchr(line, '#'); at; at = strchr(at + 1, '#')) {
		if (at == line || strchr(BLANKS, at[-1]))
			*at = '\0';
	}
}

static int take_line(struct reader *reader, char *line)
{
	const struct option *option;
	char *name, *value;
	size_t len;

	cut_remark(line);
	len = strlen(line);
	while (len > 0 && strchr(BLANKS, line[len - 1]))
		line[--len] = '\0';
	name = line + strspn(line, BLANKS);
	if (!*name)
		return 0;
	value = name + strcspn(name, BLANKS);
	if (*value) {
		*value++ = '\0';
		value += strspn(value, BLANKS);
	}
	option = option_find(own_options, name);
	if (!option)
		option = option_find(reader->taker->options, name);
	if (!option)
		return refuse("%s has no option \"%s\"; see punchrelay.conf(5)",
			reader->taker->cmd->name, name);
	if (seen_add(reader, option) < 0)
		return -EINVAL;
	return take_option(reader, option, value);
}

static int take_text(struct reader *reader)
{
	char place[PLACE], *rest = reader->conf->text, *line;
	int ret = 0;

	while (ret == 0 && (line = strsep(&rest, "\n"))) {
		reader->line++;
		snprintf(place, sizeof(place), "%.270s:%zu", reader->conf->path, reader->line);
		log_set_place(place);
		ret = take_line(reader, line);
		if (ret == -ENOMEM)
			log_error("%s", strerror(ENOMEM));
		log_set_place(NULL);
	}
	return ret;
}

/* To the first zero, and there should be none: the whole. */
static int text_fill(struct conf *conf, FILE *file)
{
	size_t size = 0;

	if (getdelim(&conf->text, &size, '\0', file) < 0) {
		if (!feof(file) || !conf->text)
			return refuse("%s: %s", conf->path, strerror(errno));
		conf->text[0] = '\0'; /* it is empty */
	}
	return feof(file) ? 0 : refuse("%s: this is not a text", conf->path);
}

static int text_read(struct conf *conf, const char *name)
{
	FILE *file = fopen(conf->path, "re");
	int ret;

	if (!file && errno == ENOENT)
		return refuse("\"%s\" is not NAME@RELAY, and there is no %s", name, conf->path);
	if (!file)
		return refuse("%s: %s", conf->path, strerror(errno));
	ret = text_fill(conf, file);
	fclose(file);
	return ret;
}

static int path_find(struct conf *conf, const char *name)
{
	char *folder = folder_name();
	int len;

	if (!folder || !*name || *name == '.' || strchr(name, '/')) {
		free(folder);
		return refuse("\"%.200s\" is not NAME@RELAY", name);
	}
	len = asprintf(&conf->path, "%s/%s" SUFFIX, folder, name);
	free(folder);
	if (len < 0)
		conf->path = NULL;
	conf->key_file = conf->path ? path_beside(conf, name, ".key") : NULL;
	return conf->key_file ? 0 : -ENOMEM;
}

static int conf_read(struct conf *conf, const char *name, const struct conf_taker *taker)
{
	struct reader reader = {.conf = conf, .taker = taker, .stream = name};
	int ret = path_find(conf, name);

	if (ret == 0)
		ret = text_read(conf, name);
	if (ret == 0)
		ret = take_text(&reader);
	if (ret < 0)
		return ret;
	if (!reader.has_relay)
		return refuse("%s: relay is missing", conf->path);
	snprintf(conf->target.name, sizeof(conf->target.name), "%s", reader.stream);
	return 0;
}

int conf_open(struct conf *conf, const char *word, const struct conf_taker *taker)
{
	char why[TARGET_WHY];

	if (!strchr(word, '@'))
		return conf_read(conf, word, taker);
	if (target_parse(word, &conf->target, why) == 0)
		return 0;
	args_usage(taker->cmd, "%s", why);
	return -EINVAL;
}

void conf_close(struct conf *conf)
{
	free(conf->path);
	free(conf->text);
	for (size_t i = 0; i < CONF_PATHS; i++)
		free(conf->paths[i]);
	free(conf->command);
	*conf = (struct conf){0};
}

static int is_conf(const struct dirent *entry)
{
	const char *end = strrchr(entry->d_name, '.');

	return *entry->d_name != '.' && end && !strcmp(end, SUFFIX);
}

void conf_each(void (*found)(void *arg, const char *name), void *arg)
{
	char *folder = folder_name();
	struct dirent **entries = NULL;
	int count = folder ? scandir(folder, &entries, is_conf, alphasort) : 0;

	for (int i = 0; i < count; i++) {
		*strrchr(entries[i]->d_name, '.') = '\0';
		found(arg, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	free(folder);
}
