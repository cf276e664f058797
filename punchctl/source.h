/* SPDX-License-Identifier: GPL-2.0-or-later */
/* source: the addresses that programs send from, each of which is a session; a hash table. */
#ifndef PUNCHCTL_SOURCE_H
#define PUNCHCTL_SOURCE_H

#include <stdint.h>

#include "common/addr.h"

#define SOURCE_BUCKETS 256

/* Part of the caller's session. */
struct source {
	struct endpoint from;
	struct source *next;
};

struct source_table {
	uint32_t seed; /* random: who may send to us chooses the keys */
	unsigned int count;
	struct source *buckets[SOURCE_BUCKETS];
};

/* Or NULL. */
struct source *source_find(const struct source_table *table, const struct endpoint *from);
/* source->from is set and not in the table. */
void source_add(struct source_table *table, struct source *source);
/* It may be missing. */
void source_remove(struct source_table *table, struct source *source);

#endif
