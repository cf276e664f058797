/* SPDX-License-Identifier: GPL-2.0-or-later */
/* share_list: the UDP sockets at a port of this host, as sock_diag(7) tells, and their owners. */
#ifndef PUNCHCTL_SHARE_LIST_H
#define PUNCHCTL_SHARE_LIST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "common/addr.h"

#define SHARE_LIST_MAX 64
#define SHARE_WHY      200 /* a reason, one line */

struct share_socket {
	uint8_t family;	    /* of the socket */
	struct addr addr;   /* bound to; family 0: any */
	struct addr remote; /* connected to; family 0: not */
	bool v6only;
	uint32_t device; /* index of the interface it is bound to, or 0 */
	uint32_t inode;
	uint64_t cookie;
	uid_t uid;
};

struct share_list {
	unsigned int count;
	struct share_socket sockets[SHARE_LIST_MAX]; /* those beyond are not told */
};

/* 0 or -errno. */
int share_list_read(struct share_list *list, uint16_t port);
/*
 * Which of them hears what `remote` sends to the port: those sockets, which are one group of the
 * kernel or can be, come first in the list. Their number; 0: none, and why.
 */
unsigned int share_list_choose(struct share_list *list, uint16_t port,
	const struct endpoint *remote, char why[static SHARE_WHY]);
/*
 * A duplicate of the socket with that inode, from the process that has it. -ESRCH: no process that
 * we may look into has it; -EPERM: *pid has it, and does not let us; -ENOSYS.
 */
int share_list_dup(uint32_t inode, pid_t *pid);

#endif
