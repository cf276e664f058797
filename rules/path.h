/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path: what the kernel would do with a packet apart from its rules: the route, the next hop's
 * neighbour entry, and the conntrack entry. Everything here only reads, and waits for nothing but
 * the kernel's answers.
 */
#ifndef RULES_PATH_H
#define RULES_PATH_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"

/* The way of a UDP packet from `source` to `dest`, which arrives from where `source` is. */
struct path_route {
	int error;  /* 0, or why the kernel has no way for it: -ENETUNREACH, -EHOSTUNREACH, -EACCES
		       (prohibit), -EINVAL (blackhole), .. */
	bool local; /* `dest` is an address of this host */
	char in[IF_NAMESIZE], out[IF_NAMESIZE]; /* "": none */
	bool forwards;				/* what comes in by `in` may be forwarded */
	bool up;				/* `out` is up and has a carrier */
	struct addr gateway;			/* family 0: on the link itself */
	uint32_t mtu;				/* of the route, or of `out` */
	bool asks;	    /* `out` is a link on which addresses are resolved */
	uint16_t neighbour; /* state of the next hop, NUD_* of linux/neighbour.h; 0: no entry */
};

struct path_query {
	struct endpoint source, dest;
	uint32_t mark; /* of the packet when it is routed */
	/*
	 * A next hop that is not known, or did not answer, is asked for as for a packet; who then
	 * looks again finds out whether it answers.
	 */
	bool resolve;
};
int path_route(const struct path_query *query, struct path_route *out);

/* A conntrack entry of UDP. */
struct path_flow {
	struct endpoint orig_src, orig_dst, reply_src, reply_dst;
	uint32_t mark;
	uint32_t status;  /* enum ip_conntrack_status */
	uint32_t timeout; /* seconds */
	bool counts;	  /* the kernel counts (net.netfilter.nf_conntrack_acct) */
	uint64_t orig_packets, orig_bytes, reply_packets, reply_bytes;
};

/* The entry that has this tuple in either direction; -ENOENT. */
int path_flow(const struct endpoint *source, const struct endpoint *dest, struct path_flow *out);

/* About the host as a whole. */
struct path_host {
	bool persist, refresh; /* struct rules_features */
	bool legacy;	       /* tables of iptables-legacy are loaded: what they do is not seen */
};

void path_host(struct path_host *out);

#endif
