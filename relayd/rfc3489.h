/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rfc3489: Binding requests and answers as they were before the magic cookie. Of a request only
 * CHANGE-REQUEST counts; RESPONSE-ADDRESS, which would send answers to anybody, is as if not there.
 */
#ifndef RELAYD_RFC3489_H
#define RELAYD_RFC3489_H

#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

#define RFC3489_ID     16
#define RFC3489_ANSWER 92 /* bytes at most: three addresses of IPv6 */

struct rfc3489 {
	uint8_t id[RFC3489_ID];
	uint32_t change; /* CHANGE-REQUEST, the flags of RFC 5780 */
};

/* Parses a whole datagram (section 11). -EPROTO: not a Binding request, or lengths do not fit. */
int rfc3489_parse(const uint8_t *data, size_t len, struct rfc3489 *out);
/*
 * Binding response: MAPPED-ADDRESS, SOURCE-ADDRESS and, unless its family is 0, CHANGED-ADDRESS.
 * out has RFC3489_ANSWER bytes; returns the length.
 */
size_t rfc3489_write(const uint8_t id[static RFC3489_ID], const struct endpoint *mapped,
	const struct endpoint *source, const struct endpoint *changed, uint8_t *out);

#endif
