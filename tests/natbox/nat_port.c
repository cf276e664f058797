/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/natbox/internal.h"

/* xorshift64*: what a seed gives is the same everywhere. */
uint32_t nat_random(struct nat *nat)
{
	nat->random ^= nat->random >> 12;
	nat->random ^= nat->random << 25;
	nat->random ^= nat->random >> 27;
	return (uint32_t)(nat->random * 0x2545f4914f6cdd1dull >> 32);
}

uint16_t nat_random_port(struct nat *nat, uint32_t first, uint32_t count)
{
	return (uint16_t)(first + (uint64_t)nat_random(nat) * count / ((uint64_t)1 << 32));
}

uint32_t nat_port_count(const struct nat *nat)
{
	return (uint32_t)nat->config.high - nat->config.low + 1;
}

/* Linux tells flows apart by both ends, so a port is taken only towards one remote endpoint. */
static bool is_clashing(const struct nat *nat, uint16_t port, const struct endpoint *inside,
	const struct endpoint *to)
{
	uint32_t filter = nat_filter_find(nat, port, to);
	struct endpoint near = {.port = port};

	return (filter && !endpoint_equal(&nat->table.entries[filter].inside, inside)) ||
	       table_find(&nat->table, ENTRY_CLASH, &near, to);
}

/* A free port of `count` from `first` on; the first of them that is free from a random one on, when
 * they are scarce. 0: none. */
static uint16_t port_random(struct nat *nat, uint32_t first, uint32_t count)
{
	uint16_t port = 0;

	for (int i = 0; i < 16; i++) {
		port = nat_random_port(nat, first, count);
		if (!nat->ports[port].users)
			return port;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t next = first + (port - first + i) % count;

		if (!nat->ports[next].users)
			return (uint16_t)next;
	}
	return 0;
}

/* A step that does not reach all ports goes on beside where it began. */
static uint16_t port_sequential(struct nat *nat)
{
	int32_t count = (int32_t)nat_port_count(nat), low = nat->config.low;
	int32_t at = nat->last - low, begin = at;

	for (int32_t i = 0; i < count; i++) {
		at = (at + nat->config.step % count + count) % count;
		if (at == begin)
			at = begin = (at + 1) % count;
		nat->last = (uint16_t)(low + at);
		if (!nat->ports[nat->last].users)
			return nat->last;
	}
	return 0;
}

static uint16_t port_preserved(const struct nat *nat, const struct endpoint *inside)
{
	uint32_t low = nat->config.low, count = nat_port_count(nat);
	uint32_t at = inside->port < low ? 0 : (inside->port - low) % count;

	for (uint32_t i = 0; i < count; i++) {
		const struct port *port = &nat->ports[low + (at + i) % count];

		if (!port->users || endpoint_equal(&port->owner, inside))
			return (uint16_t)(low + (at + i) % count);
	}
	return 0;
}

/*
 * nf_nat_core.c, get_unique_tuple(): the port that this socket had last (find_appropriate_src),
 * else its own one, else a random one.
 */
static uint16_t port_clashing(
	struct nat *nat, const struct endpoint *inside, const struct endpoint *to)
{
	uint32_t before = table_find(&nat->table, ENTRY_MAPPING, inside, &nobody);
	uint16_t port = before ? nat->table.entries[before].port : inside->port;

	if (!is_clashing(nat, port, inside, to))
		return port;
	if (port != inside->port && !is_clashing(nat, inside->port, inside, to))
		return inside->port;
	for (int i = 0; i < 128; i++) {
		port = nat_random_port(nat, nat->config.low, nat_port_count(nat));
		if (!nat->ports[port].users && !is_clashing(nat, port, inside, to))
			return port;
	}
	return 0;
}

/* 0: there are as many hosts as blocks. */
static uint32_t block_make(struct nat *nat, const struct endpoint *near, int64_t now_ms)
{
	uint32_t blocks = nat_port_count(nat) / nat->config.block;
	uint32_t at = nat_random_port(nat, 0, blocks), first, index;

	for (uint32_t i = 0; i < blocks; i++) {
		first = nat->config.low + (at + i) % blocks * nat->config.block;
		if (nat->ports[first].block)
			continue;
		index = table_add(&nat->table, ENTRY_BLOCK, near, &nobody, now_ms);
		if (!index)
			return 0;
		nat->table.entries[index].port = (uint16_t)first;
		nat->ports[first].block = true;
		return index;
	}
	return 0;
}

static uint16_t port_block(struct nat *nat, const struct endpoint *inside, int64_t now_ms)
{
	struct endpoint near = {.addr = inside->addr};
	uint32_t index = table_find(&nat->table, ENTRY_BLOCK, &near, &nobody);

	if (!index)
		index = block_make(nat, &near, now_ms);
	if (!index)
		return 0;
	return port_random(nat, nat->table.entries[index].port, nat->config.block);
}

uint16_t nat_port_choose(
	struct nat *nat, const struct endpoint *inside, const struct endpoint *to, int64_t now_ms)
{
	switch (nat->config.allocate) {
	case NAT_PRESERVE:
		return port_preserved(nat, inside);
	case NAT_PRESERVE_CLASH:
		return port_clashing(nat, inside, to);
	case NAT_SEQUENTIAL:
		return port_sequential(nat);
	case NAT_RANDOM:
		return port_random(nat, nat->config.low, nat_port_count(nat));
	case NAT_BLOCK:
		return port_block(nat, inside, now_ms);
	}
	return 0;
}

uint16_t nat_port_foreign(struct nat *nat)
{
	if (nat->config.allocate == NAT_SEQUENTIAL)
		return port_sequential(nat);
	return port_random(nat, nat->config.low, nat_port_count(nat));
}
