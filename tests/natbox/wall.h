/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wall: a firewall that lets in what was asked for, and translates nothing; for IPv6. */
#ifndef TESTS_NATBOX_WALL_H
#define TESTS_NATBOX_WALL_H

#include "tests/natbox/nat.h"
#include "tests/natbox/table.h"

struct wall {
	struct table table;
	const struct nat_config *config; /* filtering, lifetime_ms, inbound_refreshes */
	uint64_t refused;
};

int wall_init(struct wall *wall, const struct nat_config *config); /* 0 or -ENOMEM */
void wall_fini(struct wall *wall);

bool wall_out(struct wall *wall, const struct endpoint *inside, const struct endpoint *to,
	int64_t now_ms);
bool wall_in(struct wall *wall, const struct endpoint *from, const struct endpoint *inside,
	int64_t now_ms);

#endif
