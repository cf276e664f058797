/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * share: a second socket, the twin, at a UDP port that another program has. The kernel gives the
 * twin STUN Binding messages and the program everything else, unseen by us; what the twin sends
 * leaves from the program's port. The program needs to know nothing of it.
 *
 * The two are a group of SO_REUSEPORT sockets, in which steer.h decides. The program's socket is
 * made a member through pidfd_getfd(2), which wants the rights of ptrace(2), unless it is one
 * already: by its own doing, or by libpunchshare.so.
 */
#ifndef PUNCHCTL_SHARE_H
#define PUNCHCTL_SHARE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/addr.h"
#include "punchctl/share_list.h"

enum share_state {
	SHARE_SAME,   /* as at the last call */
	SHARE_FOUND,  /* there is a twin, and it is another socket than before */
	SHARE_GONE,   /* the program has closed its socket, and we the twin */
	SHARE_FAILED, /* no twin, and not for want of a program: why */
};

struct share {
	uint16_t port;
	struct endpoint remote;
	int twin; /* -1: none */
	int lock; /* held as long as there is a twin, or -1 */
	struct sockaddr_storage local;
	uint64_t members; /* of the program's sockets: their cookies, added up */
	unsigned int workers;
	char why[SHARE_WHY]; /* why there is no twin, one line */
};

/*
 * `remote` is who is to be talked to: a program that listens at several addresses is looked for
 * where that one's datagrams come. Nothing is opened yet.
 */
void share_init(struct share *share, uint16_t port, const struct endpoint *remote);
void share_fini(struct share *share);
/*
 * Looks whether the program's sockets are what they were, and opens or closes the twin. To be
 * called when share_notice() is readable, and now and then, for nothing tells of new sockets.
 */
enum share_state share_check(struct share *share);
/* For recipients: of the twin's family, which may be IPv6 for an IPv4 address. */
socklen_t share_sockaddr(
	const struct share *share, const struct endpoint *to, struct sockaddr_storage *out);

/*
 * A socket that becomes readable when any UDP socket of this network namespace is closed, so that
 * the twin does not stand in the way of a program that starts again. -errno: there is no such
 * notice, and polling must do.
 */
int share_notice(void);
/* Empties it. True: a socket at one of the ports is gone, or too many of others. */
bool share_noticed(int fd, const struct ports *ports);

#endif
