/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/share_list.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>

#define PROCESSES_MAX 65536 /* that are looked at */
#define FDS_MAX	      65536 /* of one process */

static struct addr addr_of(uint8_t family, const uint32_t words[4])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t zero[16];
	struct addr addr = {.family = family};

	if (memcmp(words, zero, addr_size(family)) == 0)
		return (struct addr){0};
	if (family == AF_INET6 && memcmp(words, mapped, sizeof(mapped)) == 0) {
		addr.family = AF_INET;
		memcpy(addr.bytes, &words[3], 4);
	} else {
		memcpy(addr.bytes, words, addr_size(family));
	}
	return addr;
}

/* What stands behind the fixed part of the message. */
static void attributes_read(const struct nlmsghdr *nlh, struct share_socket *out)
{
	int left = (int)NLMSG_PAYLOAD(nlh, sizeof(struct inet_diag_msg));
	const struct rtattr *attr;

	attr = (const struct rtattr *)((const char *)NLMSG_DATA(nlh) +
				       NLMSG_ALIGN(sizeof(struct inet_diag_msg)));
	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		if (attr->rta_type == INET_DIAG_SKV6ONLY && RTA_PAYLOAD(attr) >= 1)
			out->v6only = *(const uint8_t *)RTA_DATA(attr);
	}
}

static void socket_read(const struct nlmsghdr *nlh, struct share_list *list)
{
	const struct inet_diag_msg *msg = NLMSG_DATA(nlh);
	struct share_socket *out = &list->sockets[list->count];

	if (nlh->nlmsg_len < NLMSG_LENGTH(sizeof(*msg)) || list->count == SHARE_LIST_MAX)
		return;
	if (msg->idiag_family != AF_INET && msg->idiag_family != AF_INET6)
		return;
	*out = (struct share_socket){
		.family = msg->idiag_family,
		.addr = addr_of(msg->idiag_family, msg->id.idiag_src),
		.device = msg->id.idiag_if,
		.inode = msg->idiag_inode,
		.cookie = (uint64_t)msg->id.idiag_cookie[1] << 32 | msg->id.idiag_cookie[0],
		.uid = msg->idiag_uid,
	};
	if (msg->id.idiag_dport)
		out->remote = addr_of(msg->idiag_family, msg->id.idiag_dst);
	attributes_read(nlh, out);
	list->count++;
}

/* 1: there is more to come; 0: that was all; -errno. */
static int answer_read(int nl, struct share_list *list)
{
	_Alignas(struct nlmsghdr) char buf[16384];
	ssize_t len = recv(nl, buf, sizeof(buf), 0);
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;
	size_t left = (size_t)len;

	if (len < 0)
		return errno == EINTR ? 1 : -errno;
	for (; NLMSG_OK(nlh, left); nlh = NLMSG_NEXT(nlh, left)) {
		if (nlh->nlmsg_type == NLMSG_DONE)
			return 0;
		if (nlh->nlmsg_type == NLMSG_ERROR)
			return nlh->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr))
				       ? -EPROTO
				       : ((const struct nlmsgerr *)NLMSG_DATA(nlh))->error;
		if (nlh->nlmsg_type == SOCK_DIAG_BY_FAMILY)
			socket_read(nlh, list);
	}
	return 1;
}

static int family_read(int nl, struct share_list *list, uint16_t port, uint8_t family)
{
	struct {
		struct nlmsghdr nlh;
		struct inet_diag_req_v2 req;
	} dump = {
		.nlh = {.nlmsg_len = sizeof(dump),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.req = {.sdiag_family = family,
			.sdiag_protocol = IPPROTO_UDP,
			.idiag_states = UINT32_MAX,
			.id.idiag_sport = htons(port)},
	};
	int more = 1;

	if (send(nl, &dump, sizeof(dump), 0) < 0)
		return -errno;
	while (more > 0)
		more = answer_read(nl, list);
	return more;
}

int share_list_read(struct share_list *list, uint16_t port)
{
	int nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG), ret;

	list->count = 0;
	if (nl < 0)
		return -errno;
	ret = family_read(nl, list, port, AF_INET);
	if (ret == 0)
		ret = family_read(nl, list, port, AF_INET6);
	close(nl);
	return ret;
}

/* Takes descriptor `fd` of the process out of it. */
static int process_dup(pid_t pid, int fd)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), ret;

	if (pidfd < 0)
		return -errno;
	ret = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	if (ret < 0)
		ret = -errno;
	close(pidfd);
	return ret;
}

/* The number of the descriptor that is that socket, or -1. */
static int process_find(const char *pid, const char *wanted)
{
	char path[64], target[64];
	struct dirent *entry;
	int found = -1;
	ssize_t len;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
	dir = opendir(path);
	if (!dir)
		return -1;
	for (unsigned int i = 0; i < FDS_MAX && found < 0 && (entry = readdir(dir)); i++) {
		len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (len <= 0)
			continue;
		target[len] = '\0';
		if (strcmp(target, wanted) == 0)
			found = (int)strtol(entry->d_name, NULL, 10);
	}
	closedir(dir);
	return found;
}

int share_list_dup(uint32_t inode, pid_t *pid)
{
	struct dirent *entry;
	char wanted[32];
	int fd, ret = -ESRCH;
	DIR *dir;

	snprintf(wanted, sizeof(wanted), "socket:[%u]", inode);
	dir = opendir("/proc");
	if (!dir)
		return -errno;
	for (unsigned int i = 0; i < PROCESSES_MAX && ret < 0 && (entry = readdir(dir)); i++) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		fd = process_find(entry->d_name, wanted);
		if (fd < 0)
			continue;
		*pid = (pid_t)strtol(entry->d_name, NULL, 10);
		ret = process_dup(*pid, fd);
	}
	closedir(dir);
	return ret;
}
