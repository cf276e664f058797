/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/natbox/table.h"

#include <errno.h>
#include <stdlib.h>

/* Zero pages cost nothing until they are written to, so the size is no matter. */
int table_init(struct table *table, uint32_t seed)
{
	*table = (struct table){.seed = seed, .top = 1};
	table->entries = calloc(TABLE_ENTRIES, sizeof(*table->entries));
	table->heads = calloc(TABLE_ENTRIES, sizeof(*table->heads));
	if (table->entries && table->heads)
		return 0;
	table_fini(table);
	return -ENOMEM;
}

void table_fini(struct table *table)
{
	free(table->entries);
	free(table->heads);
	table->entries = NULL;
	table->heads = NULL;
}

static uint32_t *head_of(const struct table *table, enum entry_kind kind,
	const struct endpoint *near, const struct endpoint *remote)
{
	uint32_t hash = endpoint_hash(remote, endpoint_hash(near, table->seed + kind));

	return &table->heads[(hash ^ hash >> 15) % TABLE_ENTRIES];
}

uint32_t table_find(const struct table *table, enum entry_kind kind, const struct endpoint *near,
	const struct endpoint *remote)
{
	uint32_t index = *head_of(table, kind, near, remote);

	for (; index; index = table->entries[index].chain) {
		const struct entry *entry = &table->entries[index];

		if (entry->kind == kind && endpoint_equal(&entry->near, near) &&
			endpoint_equal(&entry->remote, remote))
			break;
	}
	return index;
}

static void order_leave(struct table *table, struct entry *entry)
{
	*(entry->older ? &table->entries[entry->older].newer : &table->oldest) = entry->newer;
	*(entry->newer ? &table->entries[entry->newer].older : &table->newest) = entry->older;
}

static void order_join(struct table *table, uint32_t index, int64_t now_ms)
{
	struct entry *entry = &table->entries[index];

	entry->used_ms = now_ms;
	entry->older = table->newest;
	entry->newer = 0;
	*(table->newest ? &table->entries[table->newest].newer : &table->oldest) = index;
	table->newest = index;
}

uint32_t table_add(struct table *table, enum entry_kind kind, const struct endpoint *near,
	const struct endpoint *remote, int64_t now_ms)
{
	uint32_t *head = head_of(table, kind, near, remote);
	uint32_t index = table->freed;

	if (index)
		table->freed = table->entries[index].chain;
	else if (table->top < TABLE_ENTRIES)
		index = table->top++;
	else
		return 0;
	table->entries[index] =
		(struct entry){.kind = kind, .near = *near, .remote = *remote, .chain = *head};
	*head = index;
	order_join(table, index, now_ms);
	return index;
}

void table_use(struct table *table, uint32_t index, int64_t now_ms)
{
	order_leave(table, &table->entries[index]);
	order_join(table, index, now_ms);
}

void table_remove(struct table *table, uint32_t index)
{
	struct entry *entry = &table->entries[index];
	uint32_t *link = head_of(table, entry->kind, &entry->near, &entry->remote);

	while (*link != index)
		link = &table->entries[*link].chain;
	*link = entry->chain;
	order_leave(table, entry);
	entry->kind = ENTRY_FREE;
	entry->chain = table->freed;
	table->freed = index;
}
