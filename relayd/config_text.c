/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libConfuse 3.3 puts the environment in the place of ${...}, skips letters that it does not know,
 * ends a string at \0, takes the end of the file for any brace or comment that is still open, and
 * counts a line twice at each comment. So comments are blanked, and the rest is refused, before it
 * sees the text.
 */
#include "relayd/config_text.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/mac.h"

struct scan {
	char *p; /* the next character */
	int line;
	int depth;	 /* braces that are open */
	int open;	 /* line of the outermost of them */
	char last;	 /* the character before, white space and comments left out */
	size_t sections; /* seen so far */
	int found;	 /* the line of the mistake */
	const char *why; /* the mistake */
};

static void scan_refuse(struct scan *scan, int line, const char *why)
{
	scan->found = line;
	scan->why = why;
}

/* Blanks up to the end of the line, which stays. */
static void scan_line_comment(struct scan *scan)
{
	while (*scan->p && *scan->p != '\n')
		*scan->p++ = ' ';
}

static void scan_block_comment(struct scan *scan)
{
	char *end = strstr(scan->p + 2, "*/");

	if (!end) {
		scan_refuse(
			scan, scan->line, "a comment begins here and never ends; close it with */");
		return;
	}
	for (; scan->p < end + 2; scan->p++) {
		if (*scan->p == '\n')
			scan->line++;
		else
			*scan->p = ' ';
	}
}

/* What has no place in or outside of strings. */
static const char *forbidden(const char *p)
{
	if (*p == '\\')
		return "a backslash has no meaning in this file; write the character itself";
	if (p[0] == '$' && p[1] == '{')
		return "variables are not replaced in this file; write the value instead of ${...}";
	if (p[0] == '\r' && p[1] == '\n')
		return NULL;
	if (((unsigned char)*p < ' ' && *p != '\t' && *p != '\n') || *p == 0x7f)
		return "a control character; this must be a text file, see relayd.conf(5)";
	return NULL;
}

static void scan_string(struct scan *scan)
{
	char quote = *scan->p++;
	const char *why;

	for (; *scan->p != quote; scan->p++) {
		if (*scan->p == '\0' || *scan->p == '\n') {
			scan_refuse(scan, scan->line,
				"a string begins here and does not end on its line; close it with "
				"a quote");
			return;
		}
		why = *scan->p == '\t' ? "a tab in a string; write a space or nothing"
				       : forbidden(scan->p);
		if (why) {
			scan_refuse(scan, scan->line, why);
			return;
		}
	}
	scan->p++;
	scan->last = quote;
}

/* True where a section opens. */
static bool scan_brace(struct scan *scan)
{
	bool section = *scan->p == '{' && scan->last != '=' && scan->depth == 0;

	if (*scan->p == '{' && scan->depth++ == 0)
		scan->open = scan->line;
	if (*scan->p == '}' && scan->depth > 0)
		scan->depth--;
	scan->sections += section;
	scan->last = *scan->p++;
	return section;
}

static void scan_other(struct scan *scan)
{
	const char *why = forbidden(scan->p);

	if (!why && (*scan->p == '*' || (scan->p[0] == '+' && scan->p[1] != '=')))
		why = "a * or + stands alone here; put values that have one into quotes";
	if (why)
		scan_refuse(scan, scan->line, why);
	if (!strchr(" \t\r\n", *scan->p))
		scan->last = *scan->p;
	scan->line += *scan->p == '\n';
	scan->p++;
}

/* A // inside a word, as in a path, begins no comment. */
static bool at_comment(const struct scan *scan, const char *begin)
{
	return *scan->p == '#' ||
	       (scan->p[0] == '/' && scan->p[1] == '/' &&
		       (scan->p == begin || strchr(" \t\r\n={}(),\"'", scan->p[-1])));
}

/* One step; true where a section opens. */
static bool scan_step(struct scan *scan, const char *begin)
{
	if (at_comment(scan, begin))
		scan_line_comment(scan);
	else if (scan->p[0] == '/' && scan->p[1] == '*')
		scan_block_comment(scan);
	else if (*scan->p == '"' || *scan->p == '\'')
		scan_string(scan);
	else if (*scan->p == '{' || *scan->p == '}')
		return scan_brace(scan);
	else
		scan_other(scan);
	return false;
}

/* The text from `begin` on, which is one file's; *line counts from its beginning. */
static int text_check(
	struct config_text *text, size_t begin, int *line, char why[static CONFIG_TEXT_WHY])
{
	char *data = text->data + begin;
	struct scan scan = {.p = data, .line = 1};

	if (!begin && data[strspn(data, " \t\r\n")] == '\0' && strlen(data) == text->len)
		scan_refuse(&scan, 1, "the file is empty; write at least a setting or a comment");
	while (*scan.p && !scan.why)
		scan_step(&scan, data);
	/* Here a zero ends the text too early. */
	if (!scan.why && scan.p != text->data + text->len)
		scan_refuse(&scan, scan.line, forbidden(scan.p));
	if (!scan.why && scan.depth > 0)
		scan_refuse(&scan, scan.open, "a brace opens here and is never closed; add a }");
	*line = scan.why ? scan.found : scan.line;
	if (!scan.why) {
		text->sections += scan.sections;
		return 0;
	}
	snprintf(why, CONFIG_TEXT_WHY, "%s", scan.why);
	return -EINVAL;
}

int config_text_line(const struct config_text *text, size_t section)
{
	struct scan scan = {.p = text->data, .line = 1};

	while (*scan.p && !scan.why) {
		if (scan_step(&scan, text->data) && scan.sections == section + 1)
			return scan.line;
	}
	return 1;
}

struct config_file *config_text_file(const struct config_text *text, int line)
{
	size_t i = text->file_count - 1;

	while (i > 0 && text->files[i].first > line)
		i--;
	return &text->files[i];
}

const char *config_text_place(
	const struct config_text *text, int line, char out[static CONFIG_TEXT_PLACE])
{
	const struct config_file *file = config_text_file(text, line);

	snprintf(out, CONFIG_TEXT_PLACE, "%.*s:%d", CONFIG_TEXT_PLACE - 16, file->path,
		line - file->first + 1);
	return out;
}

/* To the end and not to st_size, for it may grow. */
static int text_fill(int fd, struct config_text *text)
{
	size_t begin = text->len;
	ssize_t got;

	for (;;) {
		if (text->len + 1 >= text->room) {
			size_t room = text->room ? text->room * 2 : 65536;
			char *data = realloc(text->data, room);

			if (!data)
				return -ENOMEM;
			text->data = data;
			text->room = room;
		}
		got = read(fd, text->data + text->len, text->room - text->len - 1);
		if (got < 0 && errno != EINTR)
			return -errno;
		if (got == 0)
			break;
		text->len += got > 0 ? (size_t)got : 0;
		if (text->len - begin > CONFIG_TEXT_MAX)
			return -EFBIG;
	}
	text->data[text->len] = '\0';
	return 0;
}

static int text_load(struct config_file *file, struct config_text *text)
{
	int fd = file_open(file->path, false, &file->st), ret;

	if (fd < 0)
		return fd;
	ret = text_fill(fd, text);
	close(fd);
	return ret;
}

static const char *load_advice(int error, bool part)
{
	switch (error) {
	case ENOENT:
		return part ? "it is a link to nothing; mend it, or remove it"
			    : "make it, or name another with --config";
	case EISDIR:
		return part ? "its name is that of a file; give it another"
			    : "name a file in it with --config";
	case EACCES:
		return "let this user read it";
	case EFBIG:
		return "a configuration has at most 32 MiB";
	}
	return part ? "mend it, or move it away" : "name another with --config";
}

static int text_short(char why[static CONFIG_TEXT_WHY])
{
	snprintf(why, CONFIG_TEXT_WHY, "%s; try again later", strerror(ENOMEM));
	return -ENOMEM;
}

/* Takes the path. */
static int text_add(struct config_text *text, char *path, int first, int *line,
	char why[static CONFIG_TEXT_WHY])
{
	struct config_file *files =
		reallocarray(text->files, text->file_count + 1, sizeof(*text->files));
	size_t begin = text->len;
	int ret;

	if (!files || !path) {
		free(path);
		return text_short(why);
	}
	text->files = files;
	files += text->file_count++;
	*files = (struct config_file){.path = path, .first = first};
	ret = text_load(files, text);
	if (ret == 0)
		return text_check(text, begin, line, why);
	snprintf(why, CONFIG_TEXT_WHY, "cannot be read: %s; %s", file_error(ret),
		load_advice(-ret, text->file_count > 1));
	return ret;
}

/* As run-parts(8) and systemd have it: what an editor or a package leaves is not configuration. */
static int is_part(const struct dirent *entry)
{
	const char *end = strrchr(entry->d_name, '.');

	return *entry->d_name != '.' && end && strcmp(end, ".conf") == 0;
}

static int text_add_folder(
	struct config_text *text, const char *folder, int *line, char why[static CONFIG_TEXT_WHY])
{
	struct dirent **parts;
	int count = scandir(folder, &parts, is_part, alphasort), ret = 0, first = *line;

	if (count < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (count < 0) {
		ret = -errno;
		snprintf(why, CONFIG_TEXT_WHY, "%.100s cannot be read: %s; let this user read it",
			folder, strerror(errno));
		*line = 0;
		return ret;
	}
	for (int i = 0; i < count; i++) {
		char *path = NULL;

		if (ret == 0) {
			/* Each file begins on a line of its own. */
			text->data[text->len++] = '\n';
			if (asprintf(&path, "%s/%s", folder, parts[i]->d_name) < 0)
				path = NULL;
			*line = 0;
			ret = text_add(text, path, ++first, line, why);
			first += *line - 1;
		}
		free(parts[i]);
	}
	free(parts);
	return ret;
}

int config_text_read(
	const char *path, struct config_text *out, int *line, char why[static CONFIG_TEXT_WHY])
{
	char *folder = NULL;
	int ret;

	*out = (struct config_text){0};
	*line = 0;
	ret = text_add(out, strdup(path), 1, line, why);
	if (ret == 0 && asprintf(&folder, "%s" CONFIG_TEXT_FOLDER, path) < 0)
		ret = text_short(why);
	if (ret == 0)
		ret = text_add_folder(out, folder, line, why);
	free(folder);
	return ret;
}

void config_text_free(struct config_text *text)
{
	if (text->data)
		mac_wipe(text->data, text->len);
	free(text->data);
	for (size_t i = 0; i < text->file_count; i++)
		free(text->files[i].path);
	free(text->files);
	*text = (struct config_text){0};
}
