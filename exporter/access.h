/* SPDX-License-Identifier: GPL-2.0-or-later */
/* access: what a request is for, and whether whoever sent it may have that. Pure. */
#ifndef EXPORTER_ACCESS_H
#define EXPORTER_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "exporter/token.h"

#define ACCESS_COOKIE "relayd"

enum access_route {
	ROUTE_PAGE,
	ROUTE_STYLE,
	ROUTE_SCRIPT,
	ROUTE_LOGIN,
	ROUTE_ENTER,
	ROUTE_LEAVE,
	ROUTE_METRICS,
	ROUTE_STATE,
	ROUTE_HISTORY,
	ROUTE_EXPLAIN,
};

/* Members but the first two may be NULL: the request does not have them. */
struct access_request {
	const char *method, *path;
	const char *host, *authorization;
	const char *cookie; /* the value of ACCESS_COOKIE */
};

/* 0: answer the route; else an HTTP status, and with a redirection or 405 what goes with it. */
struct access {
	unsigned int status;
	enum access_route route;
	const char *location, *allow; /* NULL: none */
	bool trusted;		      /* it came with the token */
};

/*
 * Without a token everybody at an address of this host is let in, but only if Host is an address or
 * localhost: a name could be one that somebody else points here, with a script of theirs behind it
 * (DNS rebinding).
 */
struct access access_decide(
	const struct token *token, const struct access_request *request, int64_t now_s);

/* Does the Accept header (or NULL) ask for OpenMetrics? */
bool access_wants_openmetrics(const char *accept);

#endif
