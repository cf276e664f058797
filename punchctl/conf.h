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

/* Zeros are a new one, and no file. */
struct conf {
	char *path;		 /* NULL: there is none */
	char *text;		 /* the values are pieces of it */
	char *paths[CONF_PATHS]; /* those that were relative to the file's folder */
	const char *key_file;	 /* NAME.key beside it */
	struct target target;	 /* the stream and its relay */
	char **command;		 /* words, ended by NULL; NULL: none */
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
 * Reads the file and has each of its options taken; the line that says what is wrong with one names
 * the file and the line. -errno, said. *conf is for conf_close() either way, and what was taken
 * lives as long.
 */
int conf_open(struct conf *conf, const char *name, const struct conf_taker *taker);
void conf_close(struct conf *conf);
/* The names of all files that there are, in their order. */
void conf_each(void (*found)(void *arg, const char *name), void *arg);

#endif
