/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf: the file NAME.conf of a user, which holds what punch, serve or connect would else be told
 * by the words behind NAME; see punchrelay.conf(5).
 */
#ifndef PUNCHCTL_CONF_H
#define PUNCHCTL_CONF_H

#include <getopt.h>
#include <stdbool.h>

#include "punchctl/cmd.h"
#include "punchctl/target.h"

#define CONF_PATHS 3 /* at most, of one file */

/* Zeros are a new one. */
struct conf {
	struct target target;	 /* the stream and its relay */
	char *path;		 /* of the file; NULL: none is read, and there is nothing below */
	const char *key_file;	 /* NAME.key beside it */
	char **command;		 /* words, ended by NULL; NULL: none */
	char *text;		 /* the values are pieces of it, */
	char *paths[CONF_PATHS]; /* or of these, which were relative to its folder */
};

/* What a command knows; it may refuse a value after it has said why. */
struct conf_taker {
	const struct cmd *cmd;
	const struct option *options;
	bool command; /* it starts one */
	int (*take)(void *arg, int option, char *value);
	void *arg;
};

/*
 * What the first word of a command means: NAME@RELAY, or the NAME of a file, whose options are
 * taken one by one. The line that says what is wrong with one names the file and the line. -errno,
 * said. *conf is for conf_close() either way, and what was taken lives as long.
 */
int conf_open(struct conf *conf, const char *word, const struct conf_taker *taker);
void conf_close(struct conf *conf);
/* The names of all files that there are, in their order. */
void conf_each(void (*found)(void *arg, const char *name), void *arg);

#endif
