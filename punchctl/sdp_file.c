/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/sdp_file.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TRIES 100

static int read_all(int fd, char *text, size_t size, size_t *len)
{
	ssize_t got;

	for (*len = 0; *len < size; *len += (size_t)got) {
		got = read(fd, text + *len, size - *len);
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
	}
	return 0;
}

static int file_read(struct sdp_file *file, const char *path, char why[static SDP_FILE_WHY])
{
	bool standard = strcmp(path, "-") == 0;
	int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	char reason[SDP_WHY];
	size_t len = 0;
	int ret;

	/* One byte more than it may have, so that too large is seen as such. */
	ret = fd < 0 ? -errno : read_all(fd, file->text, sizeof(file->text), &len);
	if (fd >= 0 && !standard)
		close(fd);
	if (ret < 0) {
		snprintf(why, SDP_FILE_WHY, "%.300s: %s", path, strerror(-ret));
		return ret;
	}
	ret = sdp_parse(file->text, len, &file->sdp, reason);
	if (ret < 0)
		snprintf(why, SDP_FILE_WHY, "%.300s: %s", path, reason);
	return ret;
}

/* Players bind any address or loopback; what is free at any address is free at both. */
static int port_hold(uint16_t port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in sin = {0};
	socklen_t len = sizeof(sin);

	getsockname(fd, (struct sockaddr *)&sin, &len);
	return ntohs(sin.sin_port);
}

static void hold_back_to(struct sdp_file *file, unsigned int held)
{
	while (file->held > held)
		close(file->hold[--file->held]);
}

/* `count` ports in a row from an even one on; 0: not found there. */
static uint16_t row_hold(struct sdp_file *file, unsigned int first, unsigned int count)
{
	unsigned int held = file->held;

	for (unsigned int i = 0; i < count && first + count <= UINT16_MAX; i++) {
		int fd = port_hold((uint16_t)(first + i));

		if (fd < 0) {
			hold_back_to(file, held);
			return 0;
		}
		file->hold[file->held++] = fd;
	}
	return file->held == held + count ? (uint16_t)first : 0;
}

/* Where to look is the kernel's choice of a free port. */
static uint16_t row_find(struct sdp_file *file, unsigned int count)
{
	uint16_t port = 0;

	for (int try = 0; try < TRIES && port == 0; try++) {
		int fd = port_hold(0);
		unsigned int first;

		if (fd < 0)
			return 0;
		first = (port_of(fd) + 1u) & ~1u;
		close(fd);
		port = row_hold(file, first, count);
	}
	return port;
}

static int file_choose(struct sdp_file *file, char why[static SDP_FILE_WHY])
{
	for (unsigned int i = 0; i < file->sdp.media_count; i++) {
		const struct sdp_media *media = &file->sdp.media[i];
		unsigned int same = sdp_bundle(&file->sdp, i);

		if (media->port == 0)
			continue;
		file->local[i] = same < i ? file->local[same] : row_find(file, 2u * media->count);
		if (file->local[i] == 0) {
			snprintf(why, SDP_FILE_WHY, "no %u free UDP ports in a row on this host",
				2u * media->count);
			return -EADDRINUSE;
		}
	}
	return 0;
}

static int file_fill(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t put = write(fd, text, len);

		if (put < 0)
			return -errno;
		text += put;
		len -= (size_t)put;
	}
	return 0;
}

/* mkostemps() makes it 0600: descriptions of SRTP hold keys. */
static int file_write(struct sdp_file *file, char why[static SDP_FILE_WHY])
{
	static char text[2 * SDP_SIZE_MAX];
	const char *dir = getenv("TMPDIR");
	size_t len;
	int fd, ret;

	ret = sdp_rewrite(&file->sdp, file->local, text, sizeof(text), &len);
	snprintf(file->path, sizeof(file->path), "%.200s/punchctl-XXXXXX.sdp",
		dir && *dir ? dir : "/tmp");
	fd = ret < 0 ? ret : mkostemps(file->path, 4, O_CLOEXEC);
	if (fd < 0) {
		ret = ret < 0 ? ret : -errno;
		snprintf(why, SDP_FILE_WHY, "%s: %s", file->path, strerror(-ret));
		file->path[0] = '\0';
		return ret;
	}
	ret = file_fill(fd, text, len);
	if (close(fd) < 0 && ret == 0)
		ret = -errno;
	if (ret < 0)
		snprintf(why, SDP_FILE_WHY, "%s: %s", file->path, strerror(-ret));
	return ret;
}

int sdp_file_open(const char *path, struct sdp_file **out, char why[static SDP_FILE_WHY])
{
	struct sdp_file *file = calloc(1, sizeof(*file));
	int ret;

	if (!file) {
		snprintf(why, SDP_FILE_WHY, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	ret = file_read(file, path, why);
	if (ret == 0)
		ret = file_choose(file, why);
	if (ret == 0)
		ret = file_write(file, why);
	if (ret == 0)
		*out = file;
	else
		sdp_file_close(file);
	return ret;
}

void sdp_file_release(struct sdp_file *file)
{
	hold_back_to(file, 0);
}

void sdp_file_close(struct sdp_file *file)
{
	if (!file)
		return;
	sdp_file_release(file);
	if (file->path[0] != '\0')
		unlink(file->path);
	free(file);
}
