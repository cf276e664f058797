/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: a wire that takes its time and loses packets, both ways. Times are microseconds. */
#ifndef TESTS_NATBOX_LINK_H
#define TESTS_NATBOX_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINK_PACKETS 16384 /* on the way at once; more are lost */
#define LINK_MTU     2048

enum link_way { LINK_OUT, LINK_IN };

struct link_config {
	int64_t delay_us, jitter_us; /* from delay - jitter to delay + jitter */
	double loss;		     /* from 0 to 1 */
	bool reorder;		     /* what is faster overtakes */
	uint32_t seed;
};

struct link_packet {
	int64_t due_us;
	uint64_t number; /* in the order in which they came */
	enum link_way way;
	uint16_t size;
	uint8_t data[LINK_MTU];
};

struct link {
	struct link_config config;
	struct link_packet *packets;
	uint32_t heap[LINK_PACKETS]; /* the first `count` are on the way, the others are free */
	uint32_t count;
	int64_t last_us[2]; /* when the last one of a way arrives */
	uint64_t number, random, lost, overflown;
};

int link_init(struct link *link, const struct link_config *config); /* 0 or -ENOMEM */
void link_fini(struct link *link);

void link_push(
	struct link *link, enum link_way way, const uint8_t *data, size_t size, int64_t now_us);
/* When the next one arrives; -1: nothing is on the way. */
int64_t link_due(const struct link *link);
/* One that has arrived, valid until the next push. NULL: none. */
struct link_packet *link_pop(struct link *link, int64_t now_us);

#endif
