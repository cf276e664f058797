/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as relayd.conf: good, or refused with one line, and never both or neither. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "relayd/config.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	log_set_level(LOG_LEVEL_ERROR); /* everybody may read a memfd */
	return 0;
}

static void check_refusal(const char *path, const char *error)
{
	if (strncmp(error, path, strlen(path)) != 0 || !strstr(error, "; "))
		abort();
	for (const char *p = error; *p; p++) {
		if ((unsigned char)*p < ' ')
			abort();
	}
}

static void check_config(const struct config *config)
{
	static FILE *sink;
	char why[SPEC_WHY];

	if (!sink)
		sink = fopen("/dev/null", "w");
	if (!sink || config->address_count == 0 || config->address_count > CONFIG_ADDRESSES)
		abort();
	config_print(config, sink);
	for (size_t i = 0; i < config->stream_count; i++) {
		if (spec_check(&config->streams[i], why) < 0)
			abort();
		if (i > 0 && spec_overlap(&config->streams[i - 1], &config->streams[i]))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *config = NULL;
	char path[64], error[CONFIG_ERROR];
	int fd = memfd_create("relayd.conf", MFD_CLOEXEC);

	/* Everybody may write to one that is new, which is a mistake by itself. */
	if (fd < 0 || fchmod(fd, 0600) < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (config_read(path, &config, error) == 0)
		check_config(config);
	else
		check_refusal(path, error);
	config_free(config);
	close(fd);
	return 0;
}
