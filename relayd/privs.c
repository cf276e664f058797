/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/privs.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/calls.h"
#include "common/log.h"

/* What the net side calls: memory, files of the database, sockets, libuv's loop, and time. */
static const int allowed[] = {
	SCMP_SYS(accept4),
	SCMP_SYS(access),
	SCMP_SYS(bind),
	SCMP_SYS(brk),
	SCMP_SYS(clock_getres),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(close),
	SCMP_SYS(connect),
	SCMP_SYS(dup),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(eventfd2),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(faccessat),
	SCMP_SYS(fchmod),
	SCMP_SYS(fchown),
	SCMP_SYS(fcntl),
	SCMP_SYS(fdatasync),
	SCMP_SYS(fstat),
	SCMP_SYS(fsync),
	SCMP_SYS(ftruncate),
	SCMP_SYS(futex),
	SCMP_SYS(getcwd),
	SCMP_SYS(getdents64),
	SCMP_SYS(getegid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getpeername),
	SCMP_SYS(getpid),
	SCMP_SYS(getrandom),
	SCMP_SYS(getsockname),
	SCMP_SYS(getsockopt),
	SCMP_SYS(gettid),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(getuid),
	SCMP_SYS(ioctl),
	SCMP_SYS(lseek),
	SCMP_SYS(lstat),
	SCMP_SYS(madvise),
	SCMP_SYS(mmap),
	SCMP_SYS(mprotect),
	SCMP_SYS(mremap),
	SCMP_SYS(munmap),
	SCMP_SYS(newfstatat),
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(pipe2),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(pread64),
	SCMP_SYS(preadv),
	SCMP_SYS(pwrite64),
	SCMP_SYS(pwritev),
	SCMP_SYS(read),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(readv),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmmsg),
	SCMP_SYS(recvmsg),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(setsockopt),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(socket),
	SCMP_SYS(stat),
	SCMP_SYS(statfs),
	SCMP_SYS(statx),
	SCMP_SYS(sysinfo),
	SCMP_SYS(uname),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(utimensat),
	SCMP_SYS(write),
	SCMP_SYS(writev),
};

int privs_find_user(const struct config *config, struct privs_user *user)
{
	const struct passwd *entry = getpwnam(config->user);

	if (!entry) {
		log_error("there is no user \"%s\" to run as; `useradd --system %s` makes one, "
			  "or set `user` in the configuration",
			config->user, config->user);
		return -ENOENT;
	}
	*user = (struct privs_user){entry->pw_uid, entry->pw_gid};
	return 0;
}

int privs_user(const struct config *config, struct privs_user *user)
{
	if (geteuid() == 0)
		return privs_find_user(config, user);
	/* Whoever runs us without root runs us as the user that it should be. */
	*user = (struct privs_user){geteuid(), getegid()};
	return 0;
}

/* Other groups have no part in it: they are dropped for good, here as for the processes. */
int privs_borrow(const struct privs_user *user)
{
	if (geteuid() || !user->uid)
		return 0;
	if (setgroups(0, NULL) == 0 && setegid(user->gid) == 0 && seteuid(user->uid) == 0)
		return 0;
	log_error("cannot read the configuration as its user: %s", strerror(errno));
	return -EPERM;
}

int privs_return(void)
{
	if (geteuid() == getuid())
		return 0;
	if (seteuid(getuid()) == 0 && setegid(getgid()) == 0)
		return 0;
	log_error("cannot be root again: %s", strerror(errno));
	return -EPERM;
}

int privs_drop_to_net_admin(const struct config *config)
{
	struct privs_user user;
	int err;

	if (privs_user(config, &user))
		return -ENOENT;
	capng_clear(CAPNG_SELECT_BOTH);
	capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN);
	/* Root changes its ids and keeps the capability; others can only let the rest go. */
	if (!geteuid() && user.uid)
		err = capng_change_id(
			(int)user.uid, (int)user.gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
	else
		err = capng_apply(CAPNG_SELECT_CAPS);
	if (!err)
		err = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (err)
		log_error("cannot give up privileges: %d", err);
	return err ? -EPERM : 0;
}

int privs_drop_all(void)
{
	int err;

	capng_clear(CAPNG_SELECT_BOTH);
	err = capng_apply(CAPNG_SELECT_CAPS);
	if (!err)
		err = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (!err)
		err = calls_allow(allowed, sizeof allowed / sizeof *allowed, false);
	if (err)
		log_error("the net side cannot give up privileges: %s", strerror(-err));
	return err;
}
