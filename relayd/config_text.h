/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config_text: the text of a configuration file and of those in its folder, joined, and checked for
 * what libConfuse would read in silence.
 */
#ifndef RELAYD_CONFIG_TEXT_H
#define RELAYD_CONFIG_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#define CONFIG_TEXT_WHY	  200
#define CONFIG_TEXT_MAX	  ((size_t)32 << 20) /* of a file */
#define CONFIG_TEXT_PLACE 300
/* Behind the path of "relayd.conf": the folder whose *.conf follow it, in the order of names. */
#define CONFIG_TEXT_FOLDER ".d"

struct config_file {
	char *path; /* owned */
	int first;  /* the line of the whole text on which it begins, from 1 */
	struct stat st;
	bool keys; /* there are keys in it */
};

struct config_text {
	char *data; /* zero-terminated, without a zero inside; comments are blanked */
	size_t len, room;
	size_t sections;	   /* braces that open a section and not a list */
	struct config_file *files; /* owned */
	size_t file_count;
};

/*
 * Reads and checks the files. 0, or -errno and the reason in why, with the line in *line, or 0
 * there when it concerns the whole file: the last one of *out, which is to be freed either way.
 */
int config_text_read(
	const char *path, struct config_text *out, int *line, char why[static CONFIG_TEXT_WHY]);
/* Wipes it: there are keys in it. */
void config_text_free(struct config_text *text);
/* The line of the whole text on which section number `section` (from 0) opens. */
int config_text_line(const struct config_text *text, size_t section);
/* The file that a line of the whole text stands in. */
struct config_file *config_text_file(const struct config_text *text, int line);
/* "FILE:LINE" of a line of the whole text. */
const char *config_text_place(
	const struct config_text *text, int line, char out[static CONFIG_TEXT_PLACE]);

#endif
