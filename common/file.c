/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int file_open(const char *path, bool pipe, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (pipe ? 0 : O_NONBLOCK)), err = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, st) < 0)
		err = -errno;
	else if (S_ISDIR(st->st_mode))
		err = -EISDIR;
	else if (!pipe && !S_ISREG(st->st_mode))
		err = -EINVAL;
	if (!err)
		return fd;
	close(fd);
	return err;
}

const char *file_error(int error)
{
	return error == -EINVAL ? "not a regular file" : strerror(-error);
}

bool file_is_public(const struct stat *st)
{
	return S_ISREG(st->st_mode) && (st->st_mode & S_IROTH);
}

bool file_is_foreign(
	const struct stat *st, const char *path, uid_t uid, gid_t gid, char why[static FILE_WHY])
{
	uid_t owner = st->st_uid;
	gid_t group = st->st_gid;

	if (!S_ISREG(st->st_mode))
		return false;
	if (st->st_mode & S_IWOTH)
		snprintf(why, FILE_WHY, "everybody on this host may write it; chmod o-w %.100s",
			path);
	else if (owner && owner != geteuid() && owner != uid)
		snprintf(why, FILE_WHY, "it belongs to another user, %u; chown root %.100s", owner,
			path);
	else if ((st->st_mode & S_IWGRP) && group && group != getegid() && group != gid)
		snprintf(why, FILE_WHY, "another group, %u, may write it; chmod g-w %.100s", group,
			path);
	else
		return false;
	return true;
}
