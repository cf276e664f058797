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

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
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

static int on_attribute(const struct nlattr *attr, void *data)
{
	struct share_socket *out = data;

	if (mnl_attr_get_type(attr) == INET_DIAG_SKV6ONLY)
		out->v6only = mnl_attr_get_u8(attr);
	return MNL_CB_OK;
}

static int on_socket(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(nlh);
	struct share_list *list = data;
	struct share_socket *out = &list->sockets[list->count];

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*msg) || list->count == SHARE_LIST_MAX)
		return MNL_CB_OK;
	if (msg->idiag_family != AF_INET && msg->idiag_family != AF_INET6)
		return MNL_CB_OK;
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
	list->count++;
	return mnl_attr_parse(nlh, sizeof(*msg), on_attribute, out);
}

static int family_read(
	struct mnl_socket *nl, struct share_list *list, uint16_t port, uint8_t family)
{
	char buf[16384];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *req;
	unsigned int seq = family;
	ssize_t len;
	int more;

	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = seq;
	req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));
	req->sdiag_family = family;
	req->sdiag_protocol = IPPROTO_UDP;
	req->idiag_states = UINT32_MAX;
	req->id.idiag_sport = htons(port);
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		len = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (len < 0)
			return -errno;
		more = mnl_cb_run(
			buf, (size_t)len, seq, mnl_socket_get_portid(nl), on_socket, list);
		if (more < 0)
			return -errno;
	} while (more == MNL_CB_OK);
	return 0;
}

int share_list_read(struct share_list *list, uint16_t port)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	int ret;

	list->count = 0;
	if (!nl)
		return -errno;
	ret = mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
	if (ret == 0)
		ret = family_read(nl, list, port, AF_INET);
	if (ret == 0)
		ret = family_read(nl, list, port, AF_INET6);
	mnl_socket_close(nl);
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
			found = atoi(entry->d_name);
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
		*pid = (pid_t)atoi(entry->d_name);
		ret = process_dup(*pid, fd);
	}
	closedir(dir);
	return ret;
}
