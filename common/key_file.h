/* SPDX-License-Identifier: GPL-2.0-or-later */
/* key_file: a key as the first line of a file of its own. */
#ifndef COMMON_KEY_FILE_H
#define COMMON_KEY_FILE_H

#include <stdbool.h>

#define KEY_FILE_KEY 129 /* with the zero */
#define KEY_FILE_WHY 256

/*
 * 0, or -errno with the reason, key wiped. *exposed: everybody on this host may read it; a pipe, as
 * a shell makes one, never is.
 */
int key_file_read(const char *path, char key[static KEY_FILE_KEY], bool *exposed,
	char why[static KEY_FILE_WHY]);

#endif
