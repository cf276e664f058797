/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http: reads an answer of HTTP/1.1 (RFC 9112), as far as a metadata service of a cloud needs it:
 * one that stands in a buffer, with a length or up to the end of the connection, in one piece.
 */
#ifndef RELAYD_HTTP_H
#define RELAYD_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP_MAX 16384 /* bytes of an answer, with its head */

struct http_answer {
	unsigned int status; /* 100 to 599 */
	const char *body;    /* in the caller's bytes, no text */
	size_t len;
};

/*
 * All that has come so far; ended: no more will. 0, -EAGAIN: it is not whole yet, or -EPROTO: it
 * never will be, or comes in chunks, which nobody has to send us.
 */
int http_read(const char *data, size_t len, bool ended, struct http_answer *out);

#endif
