/* SPDX-License-Identifier: GPL-2.0-or-later */
/* calls: the system calls that a process without privileges may make from now on. */
#ifndef COMMON_CALLS_H
#define COMMON_CALLS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * These (SCMP_SYS of seccomp.h), and with unix_sockets the making of sockets of that family; all
 * others fail with EPERM. 0 or -errno.
 */
int calls_allow(const int *calls, size_t count, bool unix_sockets);

#endif
