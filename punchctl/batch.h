/* SPDX-License-Identifier: GPL-2.0-or-later */
/* batch: a file of streams, one a line, asked of relayd a thousand at a time. */
#ifndef PUNCHCTL_BATCH_H
#define PUNCHCTL_BATCH_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "punchctl/cmd.h"

#define BATCH_WORDS 64 /* of a line */

struct batch {
	const char *path; /* "-": standard input */
	bool keep_going;  /* what is wrong with a line is said, and the others are done */
	const char *what; /* the request */
	const char *undo; /* the one that takes it back, or NULL */
	/*
	 * What the words of a line mean, words[0] being the command's name: CMD_DONE and *item, or
	 * another status when it has said what is wrong with them.
	 */
	int (*parse)(int count, char **words, json_t **item);
	/* One of the stream of the answer, as text. */
	void (*print)(const json_t *stream);
};

/*
 * Takes --batch FILE and --keep-going out of the words; the others are refused when there is one.
 * false: there is no --batch. *status is CMD_DONE, or what is wrong has been said.
 */
bool batch_wanted(
	const struct cmd *cmd, int argc, char **argv, struct batch *batch, int *status);
/*
 * Reads the file, asks, prints. Without keep_going nothing is changed unless every line is right,
 * and what was done is undone. An enum cmd_status; it has said what is wrong, and in which line.
 */
int batch_run(const struct cmd_context *context, const struct cmd *cmd, const struct batch *batch);

#endif
