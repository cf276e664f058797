/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * box: a router with up to two NATs in a row: packets go in on one side and come out, translated,
 * on the other. IPv4 is translated, IPv6 only filtered. Times are milliseconds.
 */
#ifndef TESTS_NATBOX_BOX_H
#define TESTS_NATBOX_BOX_H

#include "tests/natbox/nat.h"
#include "tests/natbox/packet.h"
#include "tests/natbox/wall.h"

#define BOX_LAYERS 2

struct layer_config {
	struct nat_config nat;
	struct addr gateway; /* its inside address, for ICMP */
};

struct box_config {
	struct layer_config layers[BOX_LAYERS]; /* the first is the innermost */
	size_t count;				/* 0: everything passes as it is */
	bool time_exceeded; /* says so to the sender of what came with too small a TTL */
};

struct box_counters {
	uint64_t expired; /* with too small a TTL */
	uint64_t errors;  /* ICMP errors made */
	uint64_t dropped; /* what it does not know how to translate */
};

struct layer {
	const struct layer_config *config;
	struct nat *nat;
	struct addr echo[65536]; /* who sent an echo request with this id */
};

struct box {
	struct box_config config;
	struct layer *layers[BOX_LAYERS];
	struct wall wall;
	struct box_counters counters;
	/* Where packets leave; data is the caller's. */
	void (*to_inside)(void *data, const struct packet *packet);
	void (*to_outside)(void *data, const struct packet *packet);
	void *data;
};

/* The caller sets the three last members itself. 0 or -ENOMEM. */
int box_init(struct box *box, const struct box_config *config);
void box_fini(struct box *box);

/* The packet is rewritten in place. */
void box_out(struct box *box, struct packet *packet, int64_t now_ms);
void box_in(struct box *box, struct packet *packet, int64_t now_ms);

#endif
