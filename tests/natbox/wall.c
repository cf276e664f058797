/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/natbox/wall.h"

int wall_init(struct wall *wall, const struct nat_config *config)
{
	wall->config = config;
	wall->refused = 0;
	return table_init(&wall->table, config->seed);
}

void wall_fini(struct wall *wall)
{
	table_fini(&wall->table);
}

static void expire(struct wall *wall, int64_t now_ms)
{
	struct table *table = &wall->table;

	while (table->oldest &&
		now_ms - table->entries[table->oldest].used_ms >= nat_lifetime(wall->config))
		table_remove(table, table->oldest);
}

static uint32_t filter_find(
	const struct wall *wall, const struct endpoint *inside, const struct endpoint *key)
{
	return table_find(&wall->table, ENTRY_FILTER, inside, key);
}

bool wall_out(
	struct wall *wall, const struct endpoint *inside, const struct endpoint *to, int64_t now_ms)
{
	struct endpoint key = nat_scoped(wall->config->filtering, to);
	uint32_t index;

	expire(wall, now_ms);
	index = filter_find(wall, inside, &key);
	if (index)
		table_use(&wall->table, index, now_ms);
	else
		index = table_add(&wall->table, ENTRY_FILTER, inside, &key, now_ms);
	return index != 0;
}

bool wall_in(struct wall *wall, const struct endpoint *from, const struct endpoint *inside,
	int64_t now_ms)
{
	struct endpoint key = nat_scoped(wall->config->filtering, from);
	uint32_t index;

	expire(wall, now_ms);
	index = filter_find(wall, inside, &key);
	if (!index)
		wall->refused++;
	else if (wall->config->inbound_refreshes)
		table_use(&wall->table, index, now_ms);
	return index != 0;
}
