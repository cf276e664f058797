/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exporter/privs.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cap-ng.h>
#include <seccomp.h>

#include "common/calls.h"
#include "common/log.h"

/* Memory, time, the loops of libuv and libmicrohttpd, and sockets that there are already. */
static const int allowed[] = {
	SCMP_SYS(accept4),
	SCMP_SYS(brk),
	SCMP_SYS(clock_getres),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(close),
	SCMP_SYS(connect),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(fcntl),
	SCMP_SYS(fstat),
	SCMP_SYS(futex),
	SCMP_SYS(getpeername),
	SCMP_SYS(getpid),
	SCMP_SYS(getrandom),
	SCMP_SYS(getsockname),
	SCMP_SYS(getsockopt),
	SCMP_SYS(gettid),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(ioctl),
	SCMP_SYS(madvise),
	SCMP_SYS(mmap),
	SCMP_SYS(mprotect),
	SCMP_SYS(mremap),
	SCMP_SYS(munmap),
	SCMP_SYS(newfstatat),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(setsockopt),
	SCMP_SYS(shutdown),
	SCMP_SYS(write),
	SCMP_SYS(writev),
};

/* Of the keeper: to be asked, and to read a file. */
static const int reading[] = {
	SCMP_SYS(brk),
	SCMP_SYS(close),
	SCMP_SYS(exit_group),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(openat),
	SCMP_SYS(read),
	SCMP_SYS(recvfrom),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sendto),
	SCMP_SYS(write),
};

/* Whoever is in the group of relayd's user may ask it. */
static int become_nobody(const char *socket_path)
{
	const struct passwd *nobody = getpwnam("nobody");
	struct stat st;

	if (stat(socket_path, &st) < 0) {
		log_error("%s: %s; started by root, relayd-exporter takes its group from there: "
			  "start relayd before it, or start it as a user of relayd's group",
			socket_path, strerror(errno));
		return -errno;
	}
	if (!nobody) {
		log_error(
			"there is no user nobody to run as; start relayd-exporter as another one");
		return -ENOENT;
	}
	return capng_change_id((int)nobody->pw_uid, (int)st.st_gid,
		       CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING)
		       ? -EPERM
		       : 0;
}

/* Without any capability; err is what went wrong before, if anything did. */
static int confine(int err, const int *calls, size_t count, bool unix_sockets)
{
	if (!err && capng_apply(CAPNG_SELECT_CAPS))
		err = -EPERM;
	if (!err && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)))
		err = -errno;
	if (!err)
		err = calls_allow(calls, count, unix_sockets);
	if (err && err != -ENOENT)
		log_error("cannot give up privileges: %s", strerror(-err));
	return err;
}

int privs_drop(const char *socket_path)
{
	int err = 0;

	capng_clear(CAPNG_SELECT_BOTH);
	if (!geteuid())
		err = become_nobody(socket_path);
	return confine(err, allowed, sizeof(allowed) / sizeof(allowed[0]), true);
}

int privs_drop_all_but_reading(void)
{
	capng_clear(CAPNG_SELECT_BOTH);
	return confine(0, reading, sizeof(reading) / sizeof(reading[0]), false);
}
