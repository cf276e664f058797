/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/calls.h"

#include <errno.h>
#include <sys/socket.h>

#include <seccomp.h>

/* AddressSanitizer's runtime makes calls that no program of ours does. */
#ifdef __SANITIZE_ADDRESS__
#define FILTER false
#else
#define FILTER true
#endif

int calls_allow(const int *calls, size_t count, bool unix_sockets)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = filter ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < count; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	if (!err && unix_sockets)
		err = seccomp_rule_add(
			filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	if (!err && FILTER)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}
