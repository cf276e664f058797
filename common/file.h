/* SPDX-License-Identifier: GPL-2.0-or-later */
/* file: files that secrets and orders are taken from, and who else may have written them. */
#ifndef COMMON_FILE_H
#define COMMON_FILE_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#define FILE_WHY 200

/*
 * Opens a file for reading, and says in *st what it is. The descriptor, or -errno: a folder is
 * -EISDIR. With `pipe` it may be one, as a shell makes them, and is waited for; else nothing is,
 * and what is not a regular file is -EINVAL.
 */
int file_open(const char *path, bool pipe, struct stat *st);
/* That error for people. */
const char *file_error(int error);
/* Everybody on this host may read it; a pipe nobody else. */
bool file_is_public(const struct stat *st);
/*
 * Somebody may change it who is neither root, nor who runs us, nor this user with his group: `why`
 * says who, and what mends it. Only a regular file is looked at.
 */
bool file_is_foreign(
	const struct stat *st, const char *path, uid_t uid, gid_t gid, char why[static FILE_WHY]);

#endif
