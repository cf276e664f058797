/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sharing: the shares (share.h) of all lanes in the loop: programs come, go, and come back. */
#ifndef PUNCHCTL_SHARING_H
#define PUNCHCTL_SHARING_H

#include <stdint.h>
#include <sys/socket.h>

#include <uv.h>

#include "common/addr.h"

#define SHARING_WAIT_MS	 100  /* between looks while a program is waited for */
#define SHARING_WATCH_MS 1000 /* between looks for other sockets of theirs */

/* A lane's twin at this moment. */
struct sharing_twin {
	int fd;				/* of the sharing; -1: none */
	const char *why;		/* there is none; one line */
	struct sockaddr_storage remote; /* in the twin's family */
	socklen_t remote_len;
};

struct sharing_config {
	uv_loop_t *loop;
	const uint16_t *ports; /* the programs', one a lane */
	unsigned int count;
	struct endpoint remote;
	/* A lane has another twin, or none, or for another reason. The one before is closed. */
	void (*changed)(void *arg, unsigned int lane, const struct sharing_twin *twin);
	void *arg;
};

struct sharing;

/* Looks for the programs in the first turn of the loop. -errno. */
int sharing_open(const struct sharing_config *config, struct sharing **out);
/* Closes the twins at once; its memory goes when the loop has let go of it. NULL is nothing. */
void sharing_close(struct sharing *sharing);

#endif
