/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nat: a NAT for tests, with every behaviour of RFC 4787 as an option. No I/O: tuples and the time
 * go in, translated tuples come out, so that it runs in a simulation as well as on TUN devices.
 * Times are milliseconds.
 */
#ifndef TESTS_NATBOX_NAT_H
#define TESTS_NATBOX_NAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

enum nat_scope { NAT_ENDPOINT, NAT_ADDRESS, NAT_PORT }; /* what a mapping or a filter depends on */

enum nat_allocate {
	NAT_PRESERVE, /* the host's port; if another host has it, the next free one */
	/* As in Linux: a port is taken only towards one remote endpoint, by another host or by what
	   came from there unasked; then a random one is given, and kept. Each flow is a mapping of
	   its own, whatever `mapping` says. */
	NAT_PRESERVE_CLASH,
	NAT_SEQUENTIAL, /* the last one plus `step` */
	NAT_RANDOM,	/* from low to high */
	NAT_BLOCK, /* random within a block of `block` ports, one block for each inside address */
};

struct nat_config {
	struct addr public;
	enum nat_scope mapping, filtering;
	enum nat_allocate allocate;
	int step;	    /* SEQUENTIAL; 0: 1 */
	uint16_t low, high; /* ports that are given; 0: 1024 to 65535 */
	uint16_t block;	    /* 0: 512 */
	double foreign;	    /* mappings per second that others behind it make (Poisson) */
	bool hairpin;
	uint32_t lifetime_ms; /* of what is not refreshed; 0: 120,000 */
	bool inbound_refreshes;
	bool icmp; /* answers what it refuses with port unreachable */
	uint32_t seed;
};

struct nat;

struct nat *nat_open(const struct nat_config *config); /* NULL: out of memory */
void nat_close(struct nat *nat);

/*
 * A datagram leaves: *mapped is its new source. False: no port is free. One that goes to the public
 * address itself comes back: hand it to nat_in() with the mapped source.
 */
bool nat_out(struct nat *nat, const struct endpoint *inside, const struct endpoint *to,
	int64_t now_ms, struct endpoint *mapped);
/* One arrives: *inside is its new destination. False: refused, also what is for another address. */
bool nat_in(struct nat *nat, const struct endpoint *from, const struct endpoint *to, int64_t now_ms,
	struct endpoint *inside);

/* What nat_in() or nat_out() would say now, with nothing refreshed or made: for ICMP errors. */
bool nat_inside(const struct nat *nat, const struct endpoint *from, const struct endpoint *to,
	struct endpoint *inside);
bool nat_mapped(const struct nat *nat, const struct endpoint *inside, const struct endpoint *to,
	struct endpoint *mapped);

/* As much of a remote endpoint as a mapping or a filter depends on. */
struct endpoint nat_scoped(enum nat_scope scope, const struct endpoint *remote);
int64_t nat_lifetime(const struct nat_config *config);

struct nat_counters {
	uint64_t mappings, foreign, refused, exhausted;
};
const struct nat_counters *nat_counters(const struct nat *nat);

#endif
