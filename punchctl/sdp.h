/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sdp: reads a session description (RFC 8866) for the ports that its media needs, and writes it
 * again for a player that receives on 127.0.0.1. All other lines stay as they are.
 */
#ifndef PUNCHCTL_SDP_H
#define PUNCHCTL_SDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

#define SDP_SIZE_MAX  65536
#define SDP_LINES_MAX 2000
#define SDP_MEDIA_MAX 16
#define SDP_WHY	      160

/* An m= line (section 5.14). */
struct sdp_media {
	unsigned int line;
	uint16_t port;	/* of the first pair; 0: rejected, there is nothing to punch */
	uint16_t count; /* pairs: the RTP ports are port, port + 2, ... */
	uint16_t rtcp;	/* RTCP of the first pair (RFC 3605); 0: it has none of its own */
	bool rtp;	/* false: plain UDP, one port */
	bool mux;	/* RTCP comes to the RTP port (RFC 5761) */
	bool rtcp_said; /* by a=rtcp */
	bool connection;
};

/* The text is the caller's and must outlive it. */
struct sdp {
	const char *text;
	size_t len;
	bool connection; /* at session level */
	unsigned int media_count;
	struct sdp_media media[SDP_MEDIA_MAX];
};

/* -EINVAL, and in `why` "line N: what is wrong", or what is wrong with the whole. */
int sdp_parse(const char *text, size_t len, struct sdp *out, char why[static SDP_WHY]);
/* The relay's ports to punch for, RTP before RTCP; there is at least one. */
void sdp_ports(const struct sdp *sdp, struct ports *out);
/* The first media with this one's port: itself, unless they are bundled (RFC 9143). */
unsigned int sdp_bundle(const struct sdp *sdp, unsigned int index);
/*
 * Where a relay's port ends when media i was given the 2 * count ports from local[i] on; 0:
 * nowhere. Bundled media have the same local ports.
 */
uint16_t sdp_local(
	const struct sdp *sdp, const uint16_t local[static SDP_MEDIA_MAX], uint16_t port);
/* Writes the description with the local ports, no zero at the end; -ENOSPC. */
int sdp_rewrite(const struct sdp *sdp, const uint16_t local[static SDP_MEDIA_MAX], char *out,
	size_t size, size_t *len);

#endif
