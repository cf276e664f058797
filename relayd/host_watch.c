/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/host_watch.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relayd/config_host.h"

/* What it tells is asked anew, for router advertisements tell of addresses that have not changed.
 */
static void readable(uv_poll_t *poll, int status, int events)
{
	struct host_watch *watch = poll->data;
	uint8_t ignored[4096];
	int fd;

	(void)events;
	watch->told = true;
	if (status < 0 || uv_fileno((uv_handle_t *)poll, &fd))
		return;
	/* ENOBUFS as well says that there was something. */
	while (recv(fd, ignored, sizeof(ignored), MSG_DONTWAIT) > 0 || errno == ENOBUFS)
		;
}

static int socket_open(int *fd)
{
	struct sockaddr_nl groups = {
		.nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
	int err;

	*fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (*fd < 0)
		return -errno;
	if (bind(*fd, (struct sockaddr *)&groups, sizeof(groups)) == 0)
		return 0;
	err = -errno;
	close(*fd);
	return err;
}

/* -errno: it cannot be known. */
static int look(struct addr *out, size_t *count)
{
	struct ifaddrs *host;

	if (getifaddrs(&host))
		return -errno;
	*count = config_host_global(host, out, HOST_WATCH_ADDRESSES);
	if (*count > HOST_WATCH_ADDRESSES)
		*count = HOST_WATCH_ADDRESSES;
	freeifaddrs(host);
	return 0;
}

int host_watch_open(struct host_watch *watch, uv_loop_t *loop)
{
	int fd, err;

	memset(watch, 0, sizeof(*watch));
	err = socket_open(&fd);
	if (err)
		return err;
	err = look(watch->addresses, &watch->count);
	if (!err)
		err = uv_poll_init(loop, &watch->poll, fd);
	if (err) {
		close(fd);
		return err;
	}
	watch->poll.data = watch;
	return uv_poll_start(&watch->poll, UV_READABLE, readable);
}

static bool contains(const struct addr *list, size_t count, const struct addr *addr)
{
	for (size_t i = 0; i < count; i++) {
		if (addr_equal(&list[i], addr))
			return true;
	}
	return false;
}

bool host_watch_changed(struct host_watch *watch,
	void (*tell)(void *data, const struct addr *addr, bool came), void *data)
{
	struct addr now[HOST_WATCH_ADDRESSES];
	bool changed = false;
	size_t count = 0;

	if (!watch->told || look(now, &count))
		return false;
	watch->told = false;
	for (size_t i = 0; i < watch->count; i++) {
		if (contains(now, count, &watch->addresses[i]))
			continue;
		tell(data, &watch->addresses[i], false);
		changed = true;
	}
	for (size_t i = 0; i < count; i++) {
		if (contains(watch->addresses, watch->count, &now[i]))
			continue;
		tell(data, &now[i], true);
		changed = true;
	}
	memcpy(watch->addresses, now, count * sizeof(now[0]));
	watch->count = count;
	return changed;
}
