/* SPDX-License-Identifier: GPL-2.0-or-later */
/* internal: what nat.c, the mappings and filters, and nat_port.c, the choice of ports, share. */
#ifndef TESTS_NATBOX_INTERNAL_H
#define TESTS_NATBOX_INTERNAL_H

#include "tests/natbox/nat.h"
#include "tests/natbox/table.h"

/* With PRESERVE all mappings of one inside socket share a port; otherwise each has its own. */
struct port {
	uint32_t users; /* mappings, foreign ones too */
	struct endpoint owner;
	bool block; /* a block that somebody has begins here */
};

struct nat {
	struct nat_config config;
	struct nat_counters counters;
	struct table table;
	struct port ports[65536];
	uint32_t mappings;
	uint64_t random;
	uint16_t last; /* of SEQUENTIAL */
	bool started;
	double foreign_ms; /* when the next foreign mapping is made */
};

static const struct endpoint nobody;

uint32_t nat_random(struct nat *nat);
/* Any port of `count` from `first` on. */
uint16_t nat_random_port(struct nat *nat, uint32_t first, uint32_t count);
uint32_t nat_port_count(const struct nat *nat);
/* The port of a new mapping, or of one that somebody else makes. 0: none is free. */
uint16_t nat_port_choose(
	struct nat *nat, const struct endpoint *inside, const struct endpoint *to, int64_t now_ms);
uint16_t nat_port_foreign(struct nat *nat);

/* What lets a datagram from there pass to a port; 0: nothing does. */
uint32_t nat_filter_find(const struct nat *nat, uint16_t port, const struct endpoint *remote);

#endif
