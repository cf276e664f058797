/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What there is of keys that are known. */
#include <errno.h>
#include <stdlib.h>

#include "rules/consent.h"
#include "rules/dump.h"
#include "rules/fetch.h"

int dump_part(struct dump *dump, enum set_id set, const struct elems *keys, struct elems *out)
{
	int err = dump->part->counts[set] ? fetch_elems(dump->nl, keys->list, keys->count, out) : 0;

	dump->part->seen[set] += (uint32_t)out->count;
	return err;
}

/* By the keys that are known, if the set is large and they are all that it has. */
static int known_read(struct dump *dump, enum set_id set, uint8_t family, const struct elems *keys,
	struct elems *out)
{
	uint32_t count = 0;
	int err;

	if (dump->part)
		return dump_part(dump, set, keys, out);
	err = fetch_count(dump->nl, set, family, &count);
	if (!err && count >= FETCH_MIN && keys->count >= count)
		err = fetch_elems(dump->nl, keys->list, keys->count, out);
	if (!err && count >= FETCH_MIN && out->count == count)
		return 0;
	out->count = 0;
	return elem_dump(dump->nl, set, family, out);
}

static int keys_room(struct elems *keys, size_t count)
{
	keys->count = 0;
	keys->list = calloc(count + 1, sizeof(*keys->list));
	return keys->list ? 0 : -ENOMEM;
}

static size_t hints_count(const struct dump *dump, uint8_t family)
{
	size_t count = 0;

	for (size_t i = 0; i < dump->hint_count; i++)
		count += dump->hints[i].listen.addr.family == family;
	return count;
}

int dump_listen_set(struct dump *dump, enum set_id set, uint8_t family, struct elems *out)
{
	struct elems keys = {0};
	int err = keys_room(&keys, hints_count(dump, family));

	for (size_t i = 0; !err && i < dump->hint_count; i++)
		if (dump->hints[i].listen.addr.family == family)
			keys.list[keys.count++] =
				(struct elem){.set = set, .key = dump->hints[i].listen};
	if (!err)
		err = known_read(dump, set, family, &keys, out);
	free(keys.list);
	return err;
}

/* A client has its port at each address. */
static void keys_unique(struct elems *keys)
{
	size_t count = 0;

	elems_sort(keys, elem_key_compare);
	for (size_t i = 0; i < keys->count; i++)
		if (!count || elem_key_compare(&keys->list[count - 1], &keys->list[i]))
			keys->list[count++] = keys->list[i];
	keys->count = count;
}

/* Also of those to which none leads any more. */
int dump_holes(struct dump *dump, uint8_t family, struct elems *out)
{
	struct elems keys = {0};
	int err = keys_room(&keys, dump->ingress.count + hints_count(dump, family));

	for (size_t i = 0; !err && i < dump->ingress.count; i++)
		keys.list[keys.count++] =
			(struct elem){.set = SET_EGRESS, .key = dump->ingress.list[i].data};
	for (size_t i = 0; !err && i < dump->hint_count; i++)
		if (dump->hints[i].listen.addr.family == family &&
			dump->hints[i].client.addr.family == family)
			keys.list[keys.count++] =
				(struct elem){.set = SET_EGRESS, .key = dump->hints[i].client};
	keys_unique(&keys);
	if (!err)
		err = known_read(dump, SET_EGRESS, family, &keys, out);
	free(keys.list);
	return err;
}

/* Of ports that have a client, to check those of all, by the source that LISTEN tells. */
static int consent_keys(const struct dump *dump, enum set_id set, struct elems *keys)
{
	const struct elems *ports = dump->check ? &dump->listening : &dump->ingress;
	int err = keys_room(keys, ports->count);

	for (size_t i = 0; !err && i < ports->count; i++) {
		const struct elem *listening =
			elems_find(&dump->listening, &ports->list[i], elem_key_compare);

		if (listening && (set == SET_RATE || set == consent_set(&listening->source, true) ||
					 set == consent_set(&listening->source, false)))
			keys->list[keys->count++] = (struct elem){
				.set = set, .key = listening->key, .source = listening->source};
	}
	return err;
}

int dump_consent_set(struct dump *dump, enum set_id set, uint8_t family, struct elems *out)
{
	struct elems keys = {0};
	uint32_t count = 0;
	int err;

	out->count = 0;
	if (!dump->part && (fetch_count(dump->nl, set, family, &count) || count < FETCH_MIN ||
				   dump->ingress.count < count / 2))
		return elem_dump(dump->nl, set, family, out);
	if (dump->part && !dump->part->counts[set])
		return 0;
	err = consent_keys(dump, set, &keys);
	if (!err && dump->part)
		err = dump_part(dump, set, &keys, out);
	else if (!err)
		err = fetch_elems(dump->nl, keys.list, keys.count, out);
	free(keys.list);
	return err;
}
