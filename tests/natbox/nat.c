/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>
#include <stdlib.h>

#include "tests/natbox/internal.h"

#define MAPPINGS_MAX 65536

struct nat *nat_open(const struct nat_config *config)
{
	struct nat *nat = calloc(1, sizeof(*nat));

	if (!nat)
		return NULL;
	if (table_init(&nat->table, config->seed) < 0) {
		free(nat);
		return NULL;
	}
	nat->config = *config;
	if (!nat->config.low)
		nat->config.low = 1024;
	if (nat->config.high < nat->config.low)
		nat->config.high = UINT16_MAX;
	if (!nat->config.block || nat->config.block > nat_port_count(nat))
		nat->config.block = nat_port_count(nat) < 512 ? (uint16_t)nat_port_count(nat) : 512;
	if (!nat->config.step)
		nat->config.step = 1;
	nat->random = ((uint64_t)config->seed << 32 | 0x9e3779b9u) * 0xbf58476d1ce4e5b9ull;
	for (int i = 0; i < 8; i++)
		nat_random(nat);
	nat->last = nat_random_port(nat, nat->config.low, nat_port_count(nat));
	return nat;
}

void nat_close(struct nat *nat)
{
	if (!nat)
		return;
	table_fini(&nat->table);
	free(nat);
}

const struct nat_counters *nat_counters(const struct nat *nat)
{
	return &nat->counters;
}

int64_t nat_lifetime(const struct nat_config *config)
{
	return config->lifetime_ms ? config->lifetime_ms : 120000;
}

struct endpoint nat_scoped(enum nat_scope scope, const struct endpoint *remote)
{
	switch (scope) {
	case NAT_ENDPOINT:
		break;
	case NAT_ADDRESS:
		return (struct endpoint){.addr = remote->addr};
	case NAT_PORT:
		return *remote;
	}
	return nobody;
}

/* What passes the filter of a port. */
uint32_t nat_filter_find(const struct nat *nat, uint16_t port, const struct endpoint *remote)
{
	struct endpoint near = {.port = port}, key = nat_scoped(nat->config.filtering, remote);

	return table_find(&nat->table, ENTRY_FILTER, &near, &key);
}

/* Hosts that nobody sees make mappings too. In blocks of their own they are in nobody's way. */
static void foreign_make(struct nat *nat, int64_t now_ms)
{
	struct endpoint near = nobody;

	if (nat->config.allocate == NAT_BLOCK)
		return;
	near.port = nat_port_foreign(nat);
	if (!near.port || !table_add(&nat->table, ENTRY_FOREIGN, &near, &nobody, now_ms))
		return;
	nat->ports[near.port].users++;
	nat->ports[near.port].owner = nobody;
	nat->counters.foreign++;
}

static void entry_expire(struct nat *nat, uint32_t index)
{
	const struct entry *entry = &nat->table.entries[index];

	switch ((enum entry_kind)entry->kind) {
	case ENTRY_MAPPING:
		nat->mappings--;
		nat->ports[entry->port].users--;
		break;
	case ENTRY_FOREIGN:
		nat->ports[entry->near.port].users--;
		break;
	case ENTRY_BLOCK:
		nat->ports[entry->port].block = false;
		break;
	case ENTRY_FREE:
	case ENTRY_FILTER:
	case ENTRY_CLASH:
		break;
	}
	table_remove(&nat->table, index);
}

static void entries_expire(struct nat *nat, int64_t now_ms)
{
	const struct table *table = &nat->table;

	while (table->oldest &&
		now_ms - table->entries[table->oldest].used_ms >= nat_lifetime(&nat->config))
		entry_expire(nat, table->oldest);
}

static double foreign_gap(struct nat *nat)
{
	return -log((nat_random(nat) + 1.0) / 4294967296.0) * 1000 / nat->config.foreign;
}

/* What happened since the last call, in its order: mappings ended and others made theirs. */
static void nat_advance(struct nat *nat, int64_t now_ms)
{
	if (nat->config.foreign > 0) {
		if (!nat->started)
			nat->foreign_ms = (double)now_ms + foreign_gap(nat);
		nat->started = true;
		for (; nat->foreign_ms <= (double)now_ms; nat->foreign_ms += foreign_gap(nat)) {
			entries_expire(nat, (int64_t)nat->foreign_ms);
			foreign_make(nat, (int64_t)nat->foreign_ms);
		}
	}
	entries_expire(nat, now_ms);
}

static uint32_t mapping_add(struct nat *nat, const struct endpoint *inside,
	const struct endpoint *key, uint16_t port, int64_t now_ms)
{
	uint32_t index = nat->mappings < MAPPINGS_MAX
				 ? table_add(&nat->table, ENTRY_MAPPING, inside, key, now_ms)
				 : 0;

	if (!index)
		return 0;
	nat->table.entries[index].port = port;
	nat->ports[port].users++;
	nat->ports[port].owner = *inside;
	nat->mappings++;
	return index;
}

/* Linux looks for the port that a socket had last: a mapping without a remote endpoint. */
static void last_port_keep(
	struct nat *nat, const struct endpoint *inside, uint16_t port, int64_t now_ms)
{
	uint32_t index = table_find(&nat->table, ENTRY_MAPPING, inside, &nobody);
	struct entry *entry = &nat->table.entries[index];

	if (!index) {
		mapping_add(nat, inside, &nobody, port, now_ms);
		return;
	}
	table_use(&nat->table, index, now_ms);
	nat->ports[entry->port].users--;
	nat->ports[port].users++;
	entry->port = port;
}

static uint32_t mapping_make(struct nat *nat, const struct endpoint *inside,
	const struct endpoint *key, const struct endpoint *to, int64_t now_ms)
{
	uint16_t port = nat_port_choose(nat, inside, to, now_ms);
	uint32_t index = port ? mapping_add(nat, inside, key, port, now_ms) : 0;

	if (!index) {
		nat->counters.exhausted++;
		return 0;
	}
	nat->counters.mappings++;
	if (nat->config.allocate == NAT_PRESERVE_CLASH)
		last_port_keep(nat, inside, port, now_ms);
	return index;
}

/* The filter before its mapping, so that no filter outlives the mapping that it names. */
static bool filter_open(
	struct nat *nat, uint32_t mapping, const struct endpoint *to, int64_t now_ms)
{
	const struct entry *from = &nat->table.entries[mapping];
	struct endpoint near = {.port = from->port}, key = nat_scoped(nat->config.filtering, to);
	uint32_t index = table_find(&nat->table, ENTRY_FILTER, &near, &key);

	if (index)
		table_use(&nat->table, index, now_ms);
	else
		index = table_add(&nat->table, ENTRY_FILTER, &near, &key, now_ms);
	table_use(&nat->table, mapping, now_ms);
	if (!index)
		return false;
	nat->table.entries[index].inside = from->near;
	nat->table.entries[index].mapping = mapping;
	return true;
}

static struct endpoint mapping_key(const struct nat *nat, const struct endpoint *to)
{
	bool clash = nat->config.allocate == NAT_PRESERVE_CLASH;

	return nat_scoped(clash ? NAT_PORT : nat->config.mapping, to);
}

bool nat_out(struct nat *nat, const struct endpoint *inside, const struct endpoint *to,
	int64_t now_ms, struct endpoint *mapped)
{
	struct endpoint key = mapping_key(nat, to);
	struct endpoint host = {.addr = inside->addr};
	uint32_t index, block;

	nat_advance(nat, now_ms);
	index = table_find(&nat->table, ENTRY_MAPPING, inside, &key);
	if (!index)
		index = mapping_make(nat, inside, &key, to, now_ms);
	if (!index)
		return false;
	if (!filter_open(nat, index, to, now_ms)) {
		nat->counters.exhausted++;
		return false;
	}
	block = table_find(&nat->table, ENTRY_BLOCK, &host, &nobody);
	if (block)
		table_use(&nat->table, block, now_ms);
	*mapped = (struct endpoint){nat->config.public, nat->table.entries[index].port};
	return true;
}

static bool refuse(
	struct nat *nat, const struct endpoint *from, const struct endpoint *to, int64_t now_ms)
{
	struct endpoint near = {.port = to->port};
	uint32_t index;

	nat->counters.refused++;
	if (nat->config.allocate != NAT_PRESERVE_CLASH)
		return false;
	index = table_find(&nat->table, ENTRY_CLASH, &near, from);
	if (index)
		table_use(&nat->table, index, now_ms);
	else
		table_add(&nat->table, ENTRY_CLASH, &near, from, now_ms);
	return false;
}

bool nat_in(struct nat *nat, const struct endpoint *from, const struct endpoint *to, int64_t now_ms,
	struct endpoint *inside)
{
	const struct entry *entry;
	uint32_t index;

	nat_advance(nat, now_ms);
	if (!addr_equal(&to->addr, &nat->config.public))
		return false;
	if (addr_equal(&from->addr, &nat->config.public) && !nat->config.hairpin) {
		nat->counters.refused++;
		return false;
	}
	index = nat_filter_find(nat, to->port, from);
	if (!index)
		return refuse(nat, from, to, now_ms);
	entry = &nat->table.entries[index];
	if (nat->config.inbound_refreshes) {
		table_use(&nat->table, index, now_ms);
		table_use(&nat->table, entry->mapping, now_ms);
	}
	*inside = entry->inside;
	return true;
}

bool nat_inside(const struct nat *nat, const struct endpoint *from, const struct endpoint *to,
	struct endpoint *inside)
{
	uint32_t index = nat_filter_find(nat, to->port, from);

	if (!index || !addr_equal(&to->addr, &nat->config.public))
		return false;
	*inside = nat->table.entries[index].inside;
	return true;
}

bool nat_mapped(const struct nat *nat, const struct endpoint *inside, const struct endpoint *to,
	struct endpoint *mapped)
{
	struct endpoint key = mapping_key(nat, to);
	uint32_t index = table_find(&nat->table, ENTRY_MAPPING, inside, &key);

	if (!index)
		return false;
	*mapped = (struct endpoint){nat->config.public, nat->table.entries[index].port};
	return true;
}
