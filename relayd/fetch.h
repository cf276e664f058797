/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fetch: one question over TCP and what comes back, bounded in bytes and time. A library for HTTP
 * would bring resolvers, redirects and TLS into a process that faces the network, for a few
 * addresses from the next hop.
 */
#ifndef RELAYD_FETCH_H
#define RELAYD_FETCH_H

#include <stdbool.h>

#include <uv.h>

#include "common/addr.h"
#include "relayd/http.h"

#define FETCH_MS  2000 /* from the connection to the last byte */
#define FETCH_ASK 512

/* Zeros: nothing is asked. */
struct fetch {
	unsigned int handles; /* that are open */
	uv_tcp_t tcp;
	uv_timer_t limit;
	uv_connect_t connect;
	uv_write_t write;
	char ask[FETCH_ASK];
	size_t ask_len, answer_len;
	char answer[HTTP_MAX];
	/* What came of it, up to a whole answer of HTTP; len 0: nobody was there. */
	void (*done)(void *data, const char *answer, size_t len);
	void *data;
};

/* Asks the len bytes that stand in fetch->ask; only when nothing else is being asked. */
void fetch_start(struct fetch *fetch, uv_loop_t *loop, const struct endpoint *to, size_t len);
bool fetch_busy(const struct fetch *fetch);

#endif
