/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * steer: programs for the kernel that tell STUN Binding messages from a program's own datagrams, so
 * that one UDP port serves both: classic BPF (socket(7), SO_ATTACH_REUSEPORT_CBPF).
 */
#ifndef SHARE_STEER_H
#define SHARE_STEER_H

#include <linux/filter.h>

#define STEER_MAX 40 /* instructions */

/*
 * For a group of sockets at one port, the last of which is ours: STUN goes to socket number
 * `workers`, all else to those below it, each flow to the same one. Returns the number of
 * instructions.
 */
unsigned short steer_group(struct sock_filter code[static STEER_MAX], unsigned int workers);
/* For one socket: what is not STUN is dropped before it takes room in the queue. */
unsigned short steer_only_stun(struct sock_filter code[static STEER_MAX]);

#endif
