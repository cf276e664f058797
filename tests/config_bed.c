/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/config_bed.h"

const char *make_file(const void *data, size_t len)
{
	static char path[64];
	int fd = memfd_create("relayd.conf", 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fchmod(fd, 0600), 0);
	ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

struct config *read_good(const char *text)
{
	char error[CONFIG_ERROR] = "";
	struct config *config = NULL;
	int ret = config_read(make_file(text, strlen(text)), &config, error);

	ck_assert_msg(ret == 0, "%s", error);
	ck_assert_str_eq(error, "");
	return config;
}

void assert_refused(const char *path, int line, const char *part, int expected)
{
	struct config *untouched = (struct config *)&expected, *config = untouched;
	char error[CONFIG_ERROR], start[300];
	int ret = config_read(path, &config, error);

	ck_assert_msg(ret == expected, "%d instead of %d: %s", ret, expected, error);
	ck_assert_ptr_eq(config, untouched);
	if (line)
		snprintf(start, sizeof(start), "%s:%d: ", path, line);
	else
		snprintf(start, sizeof(start), "%s: ", path);
	ck_assert_msg(
		strncmp(error, start, strlen(start)) == 0, "\"%s\" is not in line %d", error, line);
	ck_assert_msg(strstr(error, part) != NULL, "\"%s\" does not say \"%s\"", error, part);
	ck_assert_msg(strstr(error, "; ") != NULL, "\"%s\" does not say what is right", error);
	ck_assert_ptr_null(strchr(error, '\n'));
	ck_assert_ptr_null(strstr(error, "MDEyMzQ1"));
}
