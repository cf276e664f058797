/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/natbox/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <net/if.h>

/* Bursts of a thousand probes wait here until they are read. */
#define QUEUE 10000

static int device_up(const struct ifreq *device)
{
	struct ifreq request = *device;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret;

	if (fd < 0)
		return -errno;
	request.ifr_qlen = QUEUE;
	ret = ioctl(fd, SIOCSIFTXQLEN, &request);
	if (ret == 0)
		ret = ioctl(fd, SIOCGIFFLAGS, &request);
	request.ifr_flags |= IFF_UP;
	if (ret == 0)
		ret = ioctl(fd, SIOCSIFFLAGS, &request);
	ret = ret < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/* A device belongs to the namespace in which /dev/net/tun was opened. */
static int device_open(const char *name, size_t size)
{
	struct ifreq device = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd, ret;

	if (size == 0 || size >= IFNAMSIZ)
		return -EINVAL;
	memcpy(device.ifr_name, name, size);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = ioctl(fd, TUNSETIFF, &device) < 0 ? -errno : device_up(&device);
	if (ret == 0)
		return fd;
	close(fd);
	return ret;
}

static int netns_enter(const char *name)
{
	char path[256];
	int fd, ret;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = setns(fd, CLONE_NEWNET) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

int tun_open(const char *name)
{
	const char *at = strchrnul(name, '@');
	int home, ret = 0;

	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0)
		return -errno;
	if (*at)
		ret = netns_enter(at + 1);
	if (ret == 0)
		ret = device_open(name, (size_t)(at - name));
	if (setns(home, CLONE_NEWNET) < 0 && ret >= 0) {
		close(ret);
		ret = -errno;
	}
	close(home);
	return ret;
}
