/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config_text: a configuration file's text, checked for what libConfuse would read in silence. */
#ifndef RELAYD_CONFIG_TEXT_H
#define RELAYD_CONFIG_TEXT_H

#include <stddef.h>
#include <sys/types.h>

#define CONFIG_TEXT_WHY 200
#define CONFIG_TEXT_MAX ((size_t)32 << 20)

struct config_text {
	char *data; /* zero-terminated, without a zero inside; comments are blanked */
	size_t len;
	size_t sections; /* braces that open a section and not a list */
	mode_t mode;	 /* of the file */
};

/*
 * Reads and checks the file. 0, or -errno and the reason in why, with the line in *line or 0 there
 * when it concerns the whole file.
 */
int config_text_read(
	const char *path, struct config_text *out, int *line, char why[static CONFIG_TEXT_WHY]);
/* Wipes it: there are keys in it. */
void config_text_free(struct config_text *text);
/* The line on which section number `section` (from 0) opens. */
int config_text_line(const struct config_text *text, size_t section);

#endif
