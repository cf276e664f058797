/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control_peer: who may use the control socket. */
#ifndef RELAYD_CONTROL_PEER_H
#define RELAYD_CONTROL_PEER_H

#include <stdbool.h>

/*
 * Root, our own user, and members of our group, as the kernel knew them when they connected
 * (SO_PEERCRED, SO_PEERGROUPS of socket(7)). No user database is asked: that may take seconds, in
 * which nobody could punch.
 */
bool peer_allowed(int fd);

#endif
