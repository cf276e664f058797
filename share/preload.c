/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * preload: libpunchshare.so, for LD_PRELOAD: a program binds its UDP sockets so that punchctl of
 * the same user can share their ports (punchctl/share.h) without the rights of ptrace(2). It
 * changes nothing else: the group has its filter before it has an address, so no datagram is ever
 * spread, and a port that is in use is so still, since a socket with a group of its own joins no
 * other (udp_lib_lport_inuse()).
 */
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "share/steer.h"

#define PORTS_VARIABLE "PUNCHSHARE_PORTS" /* "5004-5007,6000"; without it, all */

/* A twin goes within milliseconds after the program has closed its socket: share_notice(). */
#define BUSY_TRIES    40
#define BUSY_PAUSE_NS 5000000

/* Both are written before main() only. */
static uint8_t wanted[65536 / 8];
static int (*real_bind)(int fd, const struct sockaddr *addr, socklen_t len);

static void want(unsigned long first, unsigned long last)
{
	for (unsigned long port = first; port <= last && port <= UINT16_MAX; port++)
		wanted[port / 8] |= (uint8_t)(1 << port % 8);
}

__attribute__((constructor)) static void preload_init(void)
{
	const char *text = getenv(PORTS_VARIABLE);
	unsigned long first, last;
	char *end;

	*(void **)&real_bind = dlsym(RTLD_NEXT, "bind");
	if (!text)
		want(1, UINT16_MAX);
	while (text && *text) {
		first = last = strtoul(text, &end, 10);
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		want(first, last);
		text = *end == ',' ? end + 1 : NULL;
	}
}

static int call_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	if (real_bind)
		return real_bind(fd, addr, len);
	return (int)syscall(SYS_bind, fd, addr, len);
}

static int option(int fd, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -1 : value;
}

static uint16_t port_of(const struct sockaddr *addr, socklen_t len)
{
	if (addr && len >= sizeof(struct sockaddr_in) && addr->sa_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)(const void *)addr)->sin_port);
	if (addr && len >= sizeof(struct sockaddr_in6) && addr->sa_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)(const void *)addr)->sin6_port);
	return 0;
}

/* One that has SO_REUSEPORT by itself, punchctl can join as it is. */
static bool is_ours(int fd, uint16_t port)
{
	return port && wanted[port / 8] & 1 << port % 8 && option(fd, SO_TYPE) == SOCK_DGRAM &&
	       option(fd, SO_PROTOCOL) == IPPROTO_UDP && option(fd, SO_REUSEPORT) == 0;
}

static bool group_open(int fd)
{
	struct sock_filter code[STEER_MAX];
	struct sock_fprog program = {.len = steer_group(code, 1), .filter = code};
	int one = 1, zero = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0)
		return false;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) == 0)
		return true;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &zero, sizeof(zero));
	return false;
}

__attribute__((visibility("default"))) int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct timespec pause = {.tv_nsec = BUSY_PAUSE_NS};
	int saved = errno, zero = 0, ret;

	if (!is_ours(fd, port_of(addr, len)) || !group_open(fd)) {
		errno = saved;
		return call_bind(fd, addr, len);
	}
	ret = call_bind(fd, addr, len);
	for (int i = 0; i < BUSY_TRIES && ret < 0 && errno == EADDRINUSE; i++) {
		nanosleep(&pause, NULL);
		ret = call_bind(fd, addr, len);
	}
	if (ret == 0) {
		errno = saved;
		return 0;
	}
	saved = errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &zero, sizeof(zero));
	errno = saved;
	return ret;
}
