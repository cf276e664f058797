/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nat: what is known of the NATs in front of a host, in the terms of RFC 4787, and how they choose
 * ports: from samples to a class, from a class to the ports that come next.
 */
#ifndef COMMON_NAT_H
#define COMMON_NAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/buf.h"

/* RFC 4787, section 4.1. */
enum nat_mapping {
	NAT_MAPPING_UNKNOWN,
	NAT_MAPPING_NONE,     /* no NAT: the mapped address is the host's own */
	NAT_MAPPING_ENDPOINT, /* endpoint-independent */
	NAT_MAPPING_NOT_PORT, /* endpoint-independent or address-dependent: one server cannot tell
			       */
	NAT_MAPPING_ADDRESS,  /* address-dependent */
	NAT_MAPPING_PORT,     /* address- and port-dependent */
};

/* RFC 4787, section 5. */
enum nat_filtering {
	NAT_FILTERING_UNKNOWN,
	NAT_FILTERING_ENDPOINT, /* endpoint-independent */
	NAT_FILTERING_NOT_PORT, /* one of its two neighbours: one server cannot tell */
	NAT_FILTERING_ADDRESS,	/* address-dependent */
	NAT_FILTERING_PORT,	/* address- and port-dependent */
};

/* RFC 4787, section 4.2. */
enum nat_allocation {
	NAT_ALLOCATION_UNKNOWN,
	NAT_ALLOCATION_PRESERVING, /* the port of the host */
	NAT_ALLOCATION_SEQUENTIAL, /* the next mapping's port is `step` further */
	NAT_ALLOCATION_RANDOM,	   /* anywhere from `low` to `high` */
};

struct nat_ports {
	enum nat_allocation allocation;
	int32_t step;	    /* SEQUENTIAL: may be negative, never 0 */
	uint16_t low, high; /* RANDOM: where mappings are to be expected, both included */
};

struct nat_report {
	enum nat_mapping mapping;
	enum nat_filtering filtering;
	struct nat_ports ports;
	uint8_t layers;	    /* NATs in a row; 0: none or unknown */
	uint8_t opener_ttl; /* the smallest TTL that passes all of them; 0: unknown */
	bool blocked;	    /* UDP does not reach the relay */
};

/* One mapping that was seen, in the order in which they were made. */
#define NAT_SAMPLES 64
struct nat_sample {
	uint16_t local, mapped;
};

/*
 * Classifies. Foreign traffic takes ports in between, so the step is the greatest common divisor of
 * the distances, with the sign of most of them (ports wrap around). RANDOM's range is the block
 * that the samples lie in, widened to what is plausible: all of 1024 to 65535 unless they are
 * close. Fewer than 2 samples: UNKNOWN, or PRESERVING.
 */
void nat_ports_classify(const struct nat_sample *samples, size_t count, struct nat_ports *out);
/* The port of the n-th mapping (1: the next) after one at `last`; wraps within 1024 to 65535. */
uint16_t nat_ports_next(const struct nat_ports *ports, uint16_t last, unsigned int n);

/* Its mapping towards anybody is known in advance: no NAT, endpoint-independent, or preserving. */
bool nat_is_predictable(const struct nat_report *report);

/* Names as the RFC has them, for people: "endpoint-independent", ... */
const char *nat_mapping_text(enum nat_mapping mapping);
const char *nat_filtering_text(enum nat_filtering filtering);
const char *nat_allocation_text(enum nat_allocation allocation);

/* On the wire, NAT_WIRE bytes. Getting: values that make no sense set buf->bad. */
#define NAT_WIRE 14
void nat_put(struct buf *buf, const struct nat_report *report);
void nat_get(struct buf *buf, struct nat_report *report);

#endif
