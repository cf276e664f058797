/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/control_peer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define GROUPS_FEW 64

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

static bool contains(const gid_t *groups, socklen_t size, gid_t group)
{
	for (size_t i = 0; i < size / sizeof(*groups); i++) {
		if (groups[i] == group)
			return true;
	}
	return false;
}

/* One of the peer's supplementary groups. */
static bool peer_is_member(int fd, gid_t group)
{
	gid_t few[GROUPS_FEW], *many;
	socklen_t size = sizeof(few);
	bool member = false;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, few, &size) == 0)
		return contains(few, size, group);
	if (errno != ERANGE)
		return false;
	/* size is now what it takes. */
	many = malloc(size);
	if (!many)
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, many, &size) == 0)
		member = contains(many, size, group);
	free(many);
	return member;
}

bool peer_allowed(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return false;
	return peer.uid == 0 || peer.uid == geteuid() || peer.gid == getegid() ||
	       peer_is_member(fd, getegid());
}
