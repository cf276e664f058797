/* SPDX-License-Identifier: GPL-2.0-or-later */
/* watch: a descriptor in the loop, which comes and goes while the loop runs. */
#ifndef PUNCHCTL_WATCH_H
#define PUNCHCTL_WATCH_H

#include <uv.h>

struct watch {
	uv_poll_t poll; /* its data is the watch */
	void *data;	/* the caller's */
	unsigned int lane;
};

/* Calls cb whenever fd, which stays the caller's, is readable. -errno, and *out is untouched. */
int watch_open(uv_loop_t *loop, int fd, uv_poll_cb cb, void *data, struct watch **out);
/* Sets *watch to NULL, which it may be already; its memory goes when the loop has let go of it. */
void watch_close(struct watch **watch);

#endif
