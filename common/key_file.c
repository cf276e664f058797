/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/key_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/mac.h"

__attribute__((format(printf, 2, 0))) static int refuse(
	char why[static KEY_FILE_WHY], const char *format, const char *path)
{
	snprintf(why, KEY_FILE_WHY, format, path);
	return -EINVAL;
}

static int key_read(
	FILE *file, const char *path, char key[static KEY_FILE_KEY], char why[static KEY_FILE_WHY])
{
	size_t len;

	setvbuf(file, NULL, _IONBF, 0); /* the key is not to stay in a buffer */
	if (!fgets(key, KEY_FILE_KEY, file))
		return refuse(why, "%.180s is empty; the key is its first line", path);
	len = strcspn(key, "\r\n");
	if (key[len] == '\0' && len == KEY_FILE_KEY - 1 && fgetc(file) != EOF)
		return refuse(why, "the first line of %.180s is too long for a key", path);
	key[len] = '\0';
	if (!mac_key_valid(key))
		return refuse(why,
			"the first line of %.100s is not a key; `punchctl key` at the relay makes "
			"one",
			path);
	return 0;
}

int key_file_read(const char *path, bool pipe, char key[static KEY_FILE_KEY], struct stat *st,
	char why[static KEY_FILE_WHY])
{
	int fd = file_open(path, pipe, st), ret;
	FILE *file;

	if (fd < 0) {
		snprintf(why, KEY_FILE_WHY, "%.180s: %.60s", path, file_error(fd));
		return fd;
	}
	file = fdopen(fd, "r");
	if (!file) {
		close(fd);
		snprintf(why, KEY_FILE_WHY, "%.180s: %.60s", path, strerror(ENOMEM));
		return -ENOMEM;
	}
	ret = key_read(file, path, key, why);
	fclose(file);
	if (ret < 0)
		mac_wipe(key, KEY_FILE_KEY);
	return ret;
}
