/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/doctor_read.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>

static void memory_read(const struct rtattr *attr, struct doctor_host *host)
{
	uint32_t values[SK_MEMINFO_VARS] = {0};
	size_t len = RTA_PAYLOAD(attr);

	memcpy(values, RTA_DATA(attr), len < sizeof values ? len : sizeof values);
	if (host->receive_buffer == DOCTOR_UNKNOWN ||
		(long)values[SK_MEMINFO_RCVBUF] < host->receive_buffer)
		host->receive_buffer = values[SK_MEMINFO_RCVBUF];
	if (len > SK_MEMINFO_DROPS * sizeof *values)
		host->overflows = (host->overflows > 0 ? host->overflows : 0) +
				  (long)values[SK_MEMINFO_DROPS];
}

static void socket_read(const struct nlmsghdr *header, uint16_t port, struct doctor_host *host)
{
	const struct inet_diag_msg *message = NLMSG_DATA(header);
	const struct rtattr *attr = (const struct rtattr *)(message + 1);
	int left = (int)(header->nlmsg_len - NLMSG_LENGTH(sizeof *message));

	if (header->nlmsg_len < NLMSG_LENGTH(sizeof *message) ||
		ntohs(message->id.idiag_sport) != port)
		return;
	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left))
		if (attr->rta_type == INET_DIAG_SKMEMINFO)
			memory_read(attr, host);
}

/* False when this was the last of it. */
static bool answer_read(int fd, uint16_t port, struct doctor_host *host)
{
	_Alignas(struct nlmsghdr) char data[32 * 1024];
	ssize_t got = recv(fd, data, sizeof data, 0);
	unsigned int left = got > 0 ? (unsigned int)got : 0;

	for (struct nlmsghdr *at = (struct nlmsghdr *)data; NLMSG_OK(at, left);
		at = NLMSG_NEXT(at, left)) {
		if (at->nlmsg_type == NLMSG_DONE || at->nlmsg_type == NLMSG_ERROR)
			return false;
		socket_read(at, port, host);
	}
	return got > 0;
}

static void sockets_read(int fd, uint8_t family, uint16_t port, struct doctor_host *host)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 request;
	} message = {
		{.nlmsg_len = sizeof message,
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		{.sdiag_family = family,
			.sdiag_protocol = IPPROTO_UDP,
			.idiag_ext = 1 << (INET_DIAG_SKMEMINFO - 1),
			.idiag_states = ~0U},
	};

	if (send(fd, &message, sizeof message, 0) != sizeof message)
		return;
	while (answer_read(fd, port, host))
		;
}

void doctor_read_sockets(uint16_t port, struct doctor_host *host)
{
	static const struct timeval patience = {.tv_sec = 1};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	sockets_read(fd, AF_INET, port, host);
	sockets_read(fd, AF_INET6, port, host);
	close(fd);
}
