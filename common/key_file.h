/* SPDX-License-Identifier: GPL-2.0-or-later */
/* key_file: a key as the first line of a file of its own. */
#ifndef COMMON_KEY_FILE_H
#define COMMON_KEY_FILE_H

#include <stdbool.h>
#include <sys/stat.h>

#define KEY_FILE_KEY 129 /* with the zero */
#define KEY_FILE_WHY 256

/*
 * 0 and what the file is in *st, or -errno with the reason, key wiped. `pipe` as in file_open().
 */
int key_file_read(const char *path, bool pipe, char key[static KEY_FILE_KEY], struct stat *st,
	char why[static KEY_FILE_WHY]);

#endif
