/* SPDX-License-Identifier: GPL-2.0-or-later */
/* prober: a NAT probe with its sockets in the loop. */
#ifndef PUNCHCTL_PROBER_H
#define PUNCHCTL_PROBER_H

#include <uv.h>

#include "punchctl/natprobe.h"
#include "punchctl/volley.h"

struct prober;

struct prober_config {
	uv_loop_t *loop;
	struct volley *volley; /* the caller's, used only within callbacks */
	struct endpoint relay;
	struct addr local; /* that leads there; family 0: unknown */
	/* The last that is heard of it; the caller closes it within or later. */
	void (*done)(void *arg, const struct natprobe_result *result);
	void *arg;
};

/* 0 or -errno. */
int prober_open(const struct prober_config *config, struct prober **out);
/* NULL is none. The memory goes when libuv has let go of the handles. */
void prober_close(struct prober *prober);

#endif
