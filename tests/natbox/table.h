/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * table: what a NAT remembers, each for the same time since it was last used. A bounded pool under
 * a hash table, in the order of use, so that what expires stands in front.
 */
#ifndef TESTS_NATBOX_TABLE_H
#define TESTS_NATBOX_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"

enum entry_kind {
	ENTRY_FREE,
	ENTRY_MAPPING, /* near: the inside endpoint; remote: as far as mapping depends on it */
	ENTRY_FILTER,  /* near: the public port; remote: as far as filtering depends on it */
	ENTRY_CLASH,   /* near: the public port; remote: who came to it unasked */
	ENTRY_FOREIGN, /* near: the public port, which somebody else's mapping has */
	ENTRY_BLOCK,   /* near: the inside address; port: the first of its block */
};

struct entry {
	uint8_t kind;
	struct endpoint near, remote;
	struct endpoint inside; /* FILTER: who gets what passes */
	uint32_t mapping;	/* FILTER: the mapping that it was last used with */
	uint16_t port;		/* MAPPING, BLOCK */
	int64_t used_ms;
	uint32_t chain, older, newer; /* indices; 0: none */
};

#define TABLE_ENTRIES (1u << 18)

struct table {
	struct entry *entries; /* the first is none */
	uint32_t *heads;
	uint32_t seed, top, freed, oldest, newest;
};

int table_init(struct table *table, uint32_t seed); /* 0 or -ENOMEM */
void table_fini(struct table *table);

/* The index of an entry, for as long as it lives; 0: none. */
uint32_t table_find(const struct table *table, enum entry_kind kind, const struct endpoint *near,
	const struct endpoint *remote);
/* One that is not there yet, used now. 0: the table is full. */
uint32_t table_add(struct table *table, enum entry_kind kind, const struct endpoint *near,
	const struct endpoint *remote, int64_t now_ms);
void table_use(struct table *table, uint32_t index, int64_t now_ms);
void table_remove(struct table *table, uint32_t index);

#endif
