/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The streams' ports with their clients: all at once, or part after part. */
#include <stdlib.h>
#include <string.h>

#include "rules/consent.h"
#include "rules/dump.h"
#include "rules/fetch.h"

/* Listening endpoints that are read at once. */
#define PART 512

static void listening_tell(const struct dump *dump, const struct elem *elem)
{
	const struct elem *limited = elems_find(&dump->limited, elem, elem_key_compare);
	struct rules_listening listening = {.listen = elem->key,
		.number = elem->number,
		.source = elem->source,
		.refused_packets = elem->packets,
		.refused_bytes = elem->bytes};

	if (limited) {
		listening.limited_packets = limited->packets;
		listening.limited_bytes = limited->bytes;
	}
	memcpy(listening.name, elem->name, sizeof(listening.name));
	dump->reader->listening(dump->reader->data, &listening);
}

static void ingress_tell(const struct dump *dump, const struct elem *elem)
{
	struct rules_ingress ingress = {elem->key, elem->data};

	dump->reader->ingress(dump->reader->data, &ingress);
}

static void tell_all(const struct dump *dump, const struct elems *elems,
	void (*tell)(const struct dump *, const struct elem *))
{
	for (size_t i = 0; i < elems->count; i++)
		tell(dump, &elems->list[i]);
}

static int ports_read(struct dump *dump, uint8_t family)
{
	const struct rules_reader *reader = dump->reader;
	int err = 0;

	if (reader->listening || reader->client)
		err = dump_listen_set(dump, SET_LISTEN, family, &dump->listening);
	if (!err && (reader->ingress || reader->client))
		err = dump_listen_set(dump, SET_INGRESS, family, &dump->ingress);
	if (!err && reader->listening)
		err = dump_listen_set(dump, SET_LIMITED, family, &dump->limited);
	if (err)
		return err;
	elems_sort(&dump->limited, elem_key_compare);
	if (reader->listening)
		tell_all(dump, &dump->listening, listening_tell);
	if (reader->ingress)
		tell_all(dump, &dump->ingress, ingress_tell);
	elems_sort(&dump->listening, elem_key_compare);
	elems_sort(&dump->ingress, elem_key_compare);
	return 0;
}

static int streams_read(struct dump *dump, uint8_t family)
{
	int err = ports_read(dump, family);

	if (!err && dump->reader->client)
		err = dump_clients(dump, family);
	free(dump->listening.list);
	free(dump->ingress.list);
	free(dump->limited.list);
	dump->listening = dump->ingress = dump->limited = (struct elems){0};
	return err;
}

int dump_whole(struct dump *dump, uint8_t family)
{
	int err = dump->check ? check_whole(dump->check) : 0;

	dump->hints = dump->rules->hints;
	dump->hint_count = dump->rules->hint_count;
	return err ? err : streams_read(dump, family);
}

/*
 * All that there is has been read, but for what transactions between the parts may have added or
 * removed. Consent of whom nothing leads to is left out: it ends by itself.
 */
static bool is_complete(const struct dump *dump)
{
	static const enum set_id sets[] = {SET_LISTEN, SET_INGRESS, SET_EGRESS, SET_RATE};
	const struct dump_sizes *part = dump->part;
	uint64_t slack = dump->rules->resized - part->resized;

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]) - !dump->check; i++) {
		uint64_t seen = part->seen[sets[i]], count = part->counts[sets[i]];

		if (seen > count + slack || count > seen + slack)
			return false;
	}
	return !dump->check || check_is_complete(dump->check, slack);
}

bool dump_parts_begin(const struct dump *dump, uint8_t family, struct dump_sizes *sizes)
{
	static const enum set_id sets[] = {SET_LISTEN, SET_INGRESS, SET_EGRESS, SET_RATE,
		SET_LIMITED, SET_EXACT, SET_ANY, SET_EXACT_RATE, SET_ANY_RATE, SET_WITHIN};
	uint32_t prefixes = 0;

	*sizes = (struct dump_sizes){.resized = dump->rules->resized};
	if (dump->rules->hint_count < FETCH_MIN || !dump->reader->client)
		return false;
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		if (fetch_count(dump->nl, sets[i], family, &sizes->counts[sets[i]]))
			return false;
	if (dump->check && (fetch_count(dump->nl, SET_PREFIX, family, &prefixes) || prefixes))
		return false;
	return sizes->counts[SET_LISTEN] >= FETCH_MIN;
}

/* The addresses of one port stand side by side, and stay together. */
static size_t part_count(const struct rules *rules, size_t at)
{
	size_t left = rules->hint_count - at, count = left < PART ? left : PART;

	while (count < left &&
		rules->hints[at + count].listen.port == rules->hints[at + count - 1].listen.port)
		count++;
	return count;
}

int dump_parts(struct dump *dump, uint8_t family, bool *complete)
{
	const struct rules *rules = dump->rules;
	int err = 0;

	for (size_t i = 0; !err && i < rules->hint_count; i += dump->hint_count) {
		dump->hints = rules->hints + i;
		dump->hint_count = part_count(rules, i);
		err = streams_read(dump, family);
		if (!err)
			err = dump_pause(dump);
	}
	*complete = is_complete(dump);
	return err;
}
