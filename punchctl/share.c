/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/share.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/filter.h>

#include "share/steer.h"

#define PRELOAD "or start that program with LD_PRELOAD=libpunchshare.so"

static const int one = 1;

void share_init(struct share *share, uint16_t port, const struct endpoint *remote)
{
	*share = (struct share){.port = port, .remote = *remote, .twin = -1, .lock = -1};
}

static void twin_close(struct share *share)
{
	if (share->twin >= 0)
		close(share->twin);
	if (share->lock >= 0)
		close(share->lock);
	share->twin = share->lock = -1;
}

void share_fini(struct share *share)
{
	twin_close(share);
}

__attribute__((format(printf, 2, 3))) static void share_explain(
	struct share *share, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(share->why, sizeof(share->why), format, ap);
	va_end(ap);
}

/* The twin's own socket is no member, and goes from the list. */
static void list_drop(struct share_list *list, int twin)
{
	socklen_t len = sizeof(uint64_t);
	uint64_t cookie;

	if (twin < 0 || getsockopt(twin, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0)
		return;
	for (unsigned int i = 0; i < list->count; i++) {
		if (list->sockets[i].cookie == cookie)
			list->sockets[i--] = list->sockets[--list->count];
	}
}

static int filter_attach(int fd, int option, struct sock_filter *code, unsigned short len)
{
	struct sock_fprog program = {.len = len, .filter = code};

	return setsockopt(fd, SOL_SOCKET, option, &program, sizeof(program)) < 0 ? -errno : 0;
}

static int group_attach(int fd, unsigned int workers)
{
	struct sock_filter code[STEER_MAX];

	return filter_attach(fd, SO_ATTACH_REUSEPORT_CBPF, code, steer_group(code, workers));
}

/*
 * Makes the program's socket a member of a group. Where there is a group already, the filter is in
 * place before the twin joins; else it follows at once (twin_bind()). Several sockets that are no
 * group yet are never to become one: there is no telling which of them the kernel has chosen.
 */
static int member_prepare(struct share *share, int fd, bool peer)
{
	socklen_t len = sizeof(int);
	int is = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &is, &len) < 0)
		return -errno;
	if (!is && peer && share->workers > 1)
		return -EBUSY;
	if (!is && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0)
		return -errno;
	if (peer)
		(void)group_attach(fd, share->workers);
	return 0;
}

/* All sockets at the port: those at other addresses would keep the twin from the port as well. */
static int members_prepare(struct share *share, const struct share_list *list, pid_t *pid)
{
	int fd, ret = 0;

	for (unsigned int i = 0; i < list->count && ret == 0; i++) {
		fd = share_list_dup(list->sockets[i].inode, pid);
		if (fd < 0)
			return fd;
		ret = member_prepare(share, fd, i < share->workers);
		/* Held any longer, it would keep the port from a program that ends. */
		close(fd);
	}
	return ret;
}

static socklen_t socket_sockaddr(
	const struct share_socket *sock, uint16_t port, struct sockaddr_storage *out)
{
	struct endpoint local = {.addr = sock->addr, .port = port};

	local.addr.family = sock->family;
	return endpoint_to_sockaddr(&local, out);
}

/* A group's sockets belong to one user: root makes the twin in the program's name. */
static int twin_socket(const struct share_socket *like)
{
	struct sock_filter code[STEER_MAX];
	int v6only = like->v6only, ifindex = (int)like->device, saved, fd;

	saved = setfsuid(like->uid);
	fd = socket(like->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setfsuid((uid_t)saved);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (like->family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only));
	if (ifindex)
		(void)setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &ifindex, sizeof(ifindex));
	(void)filter_attach(fd, SO_ATTACH_FILTER, code, steer_only_stun(code));
	return fd;
}

static int twin_bind(struct share *share, const struct share_socket *like)
{
	socklen_t len = socket_sockaddr(like, share->port, &share->local);
	int fd = twin_socket(like), ret;

	if (fd < 0)
		return fd;
	ret = bind(fd, (struct sockaddr *)&share->local, len) < 0 ? -errno : 0;
	if (ret == 0)
		ret = group_attach(fd, share->workers);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	/* Not before bind(): it would succeed without a group. Now it lets a program return. */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	share->twin = fd;
	return 0;
}

/*
 * Two twins would each take the other for the program's. An abstract name (unix(7)) lives in the
 * same network namespace as the port, and no longer than its socket.
 */
static int twin_lock(struct share *share)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), len, ret;

	if (fd < 0)
		return -errno;
	len = snprintf(sa.sun_path + 1, sizeof(sa.sun_path) - 1, "punchctl/share/%u", share->port);
	len += (int)offsetof(struct sockaddr_un, sun_path) + 1;
	if (bind(fd, (struct sockaddr *)&sa, (socklen_t)len) == 0) {
		share->lock = fd;
		return 0;
	}
	ret = -errno;
	if (ret == -EADDRINUSE)
		share_explain(share, "another punchctl shares UDP port %u already", share->port);
	else
		share_explain(
			share, "UDP port %u cannot be locked: %s", share->port, strerror(-ret));
	close(fd);
	return ret;
}

static void explain_refusal(
	struct share *share, const struct share_socket *like, pid_t pid, int prepared, int error)
{
	if (like->uid != getuid() && geteuid() != 0)
		share_explain(share,
			"UDP port %u belongs to a program of another user (uid %u): run punchctl "
			"as that user, or as root",
			share->port, like->uid);
	else if (prepared == -EPERM)
		share_explain(share,
			"process %d, which has UDP port %u, lets nobody touch it "
			"(kernel.yama.ptrace_scope?): start it behind --, " PRELOAD,
			(int)pid, share->port);
	else if (prepared == -EBUSY)
		share_explain(share, "%u sockets have UDP port %u, and are no group (SO_REUSEPORT)",
			share->workers, share->port);
	else if (prepared == -ENOSYS)
		share_explain(share,
			"this kernel does not share UDP port %u (Linux 5.6 does): " PRELOAD + 3,
			share->port);
	else if (prepared == -ESRCH)
		share_explain(share,
			"we may not see which process has UDP port %u: run punchctl as "
			"root, " PRELOAD,
			share->port);
	else
		share_explain(share, "the kernel does not share UDP port %u: %s", share->port,
			strerror(-error));
}

static enum share_state twin_open(struct share *share, const struct share_list *list)
{
	pid_t pid = 0;
	int prepared, ret;

	if (twin_lock(share) < 0)
		return SHARE_FAILED;
	prepared = members_prepare(share, list, &pid);
	ret = twin_bind(share, &list->sockets[0]);
	if (ret == 0) {
		share->why[0] = '\0';
		return SHARE_FOUND;
	}
	explain_refusal(share, &list->sockets[0], pid, prepared, ret);
	twin_close(share);
	return SHARE_FAILED;
}

enum share_state share_check(struct share *share)
{
	struct share_list list;
	uint64_t members = 0;
	bool had = share->twin >= 0;
	int ret = share_list_read(&list, share->port);

	if (ret < 0) {
		share_explain(share, "the kernel does not tell who has UDP port %u: %s",
			share->port, strerror(-ret));
		return had ? SHARE_SAME : SHARE_FAILED;
	}
	list_drop(&list, share->twin);
	share->workers = share_list_choose(&list, share->port, &share->remote, share->why);
	for (unsigned int i = 0; i < share->workers; i++)
		members += list.sockets[i].cookie;
	if (share->workers && had && members == share->members)
		return SHARE_SAME;
	/* Also when it will be opened anew: the group counts its members anew then. */
	twin_close(share);
	share->members = members;
	if (share->workers)
		return twin_open(share, &list);
	return had ? SHARE_GONE : SHARE_SAME;
}

socklen_t share_sockaddr(
	const struct share *share, const struct endpoint *to, struct sockaddr_storage *out)
{
	return endpoint_to_family(to, (uint8_t)share->local.ss_family, out);
}
