/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who reads the files is named in them: they are read to learn of him, and then with his ids. What
 * root alone may read would do until the first reload.
 */
#include "relayd/check.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "relayd/privs.h"

#define PATH sizeof(((struct config *)0)->database)

static int read_with(
	const struct privs_user *user, const char *name, const char *path, struct config **out)
{
	char error[CONFIG_ERROR];
	int err = privs_borrow(user), back;

	if (err)
		return err;
	err = config_read_for(path, user->uid, user->gid, out, error);
	if (err && geteuid() != getuid())
		log_error("%s (read as user %s)", error, name);
	else if (err)
		log_error("%s", error);
	back = privs_return();
	return err ? err : back;
}

static int read_as_named(const char *path, struct privs_user *user, struct config **out)
{
	char error[CONFIG_ERROR];
	struct config *first;
	int err = config_peek(path, &first, error);

	if (err) {
		log_error("%s", error);
		return err;
	}
	err = privs_find_user(first, user);
	if (!err)
		err = read_with(user, first->user, path, out);
	config_free(first);
	return err;
}

/* Whoever is not root reads as himself, whomever the files name. */
int check_read(const char *path, struct config **out)
{
	struct privs_user user = {geteuid(), getegid()};

	return user.uid ? read_with(&user, "", path, out) : read_as_named(path, &user, out);
}

/* For who we are now. */
static int may(const char *path, int mode)
{
	return faccessat(AT_FDCWD, path, mode, AT_EACCESS) ? -errno : 0;
}

/* relayd makes the last folder of the path. */
static bool may_make(const char *folder)
{
	char copy[PATH];

	snprintf(copy, sizeof(copy), "%s", folder);
	return may(dirname(copy), getuid() ? W_OK | X_OK : X_OK) == 0;
}

static int check_database(const struct config *config)
{
	const char *path = config->database, *folder;
	char copy[PATH];
	int err = may(path, R_OK | W_OK);

	snprintf(copy, sizeof(copy), "%s", path);
	folder = dirname(copy);
	if (!err || err == -ENOENT) {
		path = folder;
		err = may(folder, W_OK | X_OK);
	}
	if (!err)
		return 0;
	if (err == -ENOENT && may_make(folder)) {
		log_info("database: there is no folder %s yet; relayd makes it%s", folder,
			getuid() ? "" : " when root starts it");
		return 0;
	}
	log_error("database: %s: %s; user %s must be able to write it", path, strerror(-err),
		config->user);
	return err;
}

int check_print(const char *path)
{
	struct privs_user user;
	struct config *config;
	int err = read_as_named(path, &user, &config), back;

	if (err)
		return err;
	err = privs_borrow(&user);
	/* Others than root cannot know what the user may. */
	if (!err && geteuid() == user.uid)
		err = check_database(config);
	back = privs_return();
	if (!err && !back)
		config_print(config, stdout);
	config_free(config);
	return err ? err : back;
}
