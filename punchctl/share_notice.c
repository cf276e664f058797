/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/share.h"

#include <arpa/inet.h>
#include <errno.h>
#include <unistd.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

#define NOTICES_MAX 256 /* read in one go */

int share_notice(void)
{
	struct sockaddr_nl sa = {.nl_family = AF_NETLINK,
		.nl_groups =
			1 << (SKNLGRP_INET_UDP_DESTROY - 1) | 1 << (SKNLGRP_INET6_UDP_DESTROY - 1)};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int ret;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

static bool notice_concerns(const void *data, size_t len, const struct ports *ports)
{
	const struct nlmsghdr *nlh = data;

	for (; NLMSG_OK(nlh, len); nlh = NLMSG_NEXT(nlh, len)) {
		const struct inet_diag_msg *msg = NLMSG_DATA(nlh);

		if (nlh->nlmsg_len >= NLMSG_LENGTH(sizeof(*msg)) &&
			ports_index(ports, ntohs(msg->id.idiag_sport)) >= 0)
			return true;
	}
	return false;
}

bool share_noticed(int fd, const struct ports *ports)
{
	_Alignas(struct nlmsghdr) char buf[4096];
	bool concerns = false;
	ssize_t len;

	for (unsigned int i = 0; i < NOTICES_MAX; i++) {
		len = recv(fd, buf, sizeof(buf), 0);
		if (len < 0)
			return concerns || errno != EAGAIN;
		concerns |= notice_concerns(buf, (size_t)len, ports);
	}
	return true;
}
