/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gives a fuzzer the files of some directories, where there is no libFuzzer to do it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The file in memory that has not a byte more, so that ASan sees each read behind it. */
static int replay_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC), ret = -EIO;
	uint8_t *data = NULL;
	struct stat st;
	size_t size;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		goto out;
	size = (size_t)st.st_size;
	data = malloc(size ? size : 1);
	if (!data || read(fd, data, size) != (ssize_t)size)
		goto out;
	LLVMFuzzerTestOneInput(data, size);
	ret = 0;
out:
	free(data);
	close(fd);
	return ret;
}

static int replay_dir(const char *path, unsigned int *count)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int ret = 0;

	if (!dir)
		return -errno;
	while (ret == 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		ret = replay_file(dirfd(dir), entry->d_name);
		*count += ret == 0;
	}
	closedir(dir);
	return ret;
}

int main(int argc, char **argv)
{
	unsigned int count = 0;
	int ret;

	for (int i = 1; i < argc; i++) {
		ret = replay_dir(argv[i], &count);
		if (ret < 0) {
			fprintf(stderr, "%s: %s\n", argv[i], strerror(-ret));
			return EXIT_FAILURE;
		}
	}
	printf("%u inputs\n", count);
	return EXIT_SUCCESS;
}
