/* SPDX-License-Identifier: GPL-2.0-or-later */
/* http: serves the page, its data and the metrics, by libmicrohttpd in the exporter's loop. */
#ifndef EXPORTER_HTTP_H
#define EXPORTER_HTTP_H

#include "exporter/asker.h"
#include "exporter/state.h"
#include "exporter/token.h"
#include "exporter/watch.h"

#define HTTP_CONNECTIONS 64 /* more wait in the kernel's queue */
#define HTTP_PER_ADDRESS 32
#define HTTP_METRICS_MS	 3000		 /* for relayd: Prometheus waits ten seconds for all */
#define HTTP_IDLE_S	 30		 /* after which a connection is closed */
#define HTTP_MEMORY	 (32 * 1024)	 /* for a connection's headers and body */
#define HTTP_EXPLAINING	 (ASKER_MAX / 2) /* questions under way, and no stream is explained */
#define HTTP_BODY	 4096		 /* a longer one is not read */

struct http;

/* What it works with; all of it stays the caller's, and longer than it. */
struct http_setup {
	int fd; /* listening; http_free closes it */
	struct asker *asker;
	struct state *state;
	struct watch *watch;
	const struct token *token;
};

/* 0 or -errno. */
int http_open(const struct http_setup *setup, uv_loop_t *loop, struct http **out);
/* After asker_close; the loop has to turn once more, then http_free. */
void http_close(struct http *http);
void http_free(struct http *http);

#endif
