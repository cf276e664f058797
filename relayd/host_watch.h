/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host_watch: notices that the host's global addresses have become others. */
#ifndef RELAYD_HOST_WATCH_H
#define RELAYD_HOST_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#include <uv.h>

#include "common/addr.h"

#define HOST_WATCH_ADDRESSES 64 /* of a host with more, the first ones count */

struct host_watch {
	uv_poll_t poll;
	bool told;    /* the kernel has told of a change */
	size_t count; /* of the addresses that there were when it was last looked */
	struct addr addresses[HOST_WATCH_ADDRESSES];
};

/* -errno: changes are not noticed. The socket stays open as long as the process. */
int host_watch_open(struct host_watch *watch, uv_loop_t *loop);
/*
 * Are they others than at the last call, or than at the opening? Tells of each that came or is
 * gone. Cheap when the kernel has told nothing; as long as they cannot be read, they are as they
 * were.
 */
bool host_watch_changed(struct host_watch *watch,
	void (*tell)(void *data, const struct addr *addr, bool came), void *data);

#endif
