/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resolver: looks up a host's addresses while the loop goes on. Not by uv_getaddrinfo(), whose
 * thread the end of the program would wait for, which is long where the network is down.
 */
#ifndef PUNCHCTL_RESOLVER_H
#define PUNCHCTL_RESOLVER_H

#include <netdb.h>

#include <uv.h>

struct resolver;

/* done() comes once, unless it is closed before; error: getaddrinfo(3)'s. 0 or -errno. */
int resolver_open(uv_loop_t *loop, const char *host,
	void (*done)(void *arg, int error, const struct addrinfo *found), void *arg,
	struct resolver **out);
/* Also from done(). NULL: there is none. */
void resolver_close(struct resolver *resolver);

#endif
