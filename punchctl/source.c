/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/source.h"

#include <stddef.h>

static unsigned int bucket_of(const struct source_table *table, const struct endpoint *from)
{
	return endpoint_hash(from, table->seed) % SOURCE_BUCKETS;
}

struct source *source_find(const struct source_table *table, const struct endpoint *from)
{
	struct source *at = table->buckets[bucket_of(table, from)];

	while (at && !endpoint_equal(&at->from, from))
		at = at->next;
	return at;
}

void source_add(struct source_table *table, struct source *source)
{
	unsigned int bucket = bucket_of(table, &source->from);

	source->next = table->buckets[bucket];
	table->buckets[bucket] = source;
	table->count++;
}

void source_remove(struct source_table *table, struct source *source)
{
	struct source **at = &table->buckets[bucket_of(table, &source->from)];

	while (*at && *at != source)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = source->next;
	table->count--;
}
