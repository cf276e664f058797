/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The counters of a few streams, which are asked for all the time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/consent.h"
#include "rules/fetch.h"
#include "rules/internal.h"

/* What is known of a spot. */
struct place {
	const struct rules_spot *spot;
	bool listening;
	struct prefix source;
	uint32_t timeout_ms;
	uint64_t packets, bytes;
	uint64_t limited_packets, limited_bytes;
};

struct sample {
	struct nl *nl;
	const struct rules_reader *reader;
	size_t count;
	struct place places[RULES_OPS_MAX];
};

static bool place_is_peer(const struct place *place)
{
	return !place->spot->listen.addr.family;
}

static const struct endpoint *place_key(const struct place *place)
{
	return place_is_peer(place) ? &place->spot->client : &place->spot->listen;
}

static bool place_is_in(const struct place *place, enum set_id set)
{
	bool rated = place->spot->rated;

	if (place_is_peer(place) || set == SET_CONSENT)
		return place_is_peer(place) && set == SET_CONSENT;
	if (set == SET_LISTEN)
		return true;
	if (set == SET_LIMITED)
		return rated;
	if (!place->listening || !place->spot->client.addr.family)
		return false;
	return set == SET_RATE ? consent_is_apart(consent_set(&place->source, rated))
			       : set == consent_set(&place->source, rated);
}

static void place_take(struct sample *sample, struct place *place, const struct elem *elem)
{
	struct rules_listening listening = {.listen = elem->key,
		.number = elem->number,
		.source = elem->source,
		.refused_packets = elem->packets,
		.refused_bytes = elem->bytes,
		.limited_packets = place->limited_packets,
		.limited_bytes = place->limited_bytes};

	if (elem->set == SET_LIMITED) {
		place->limited_packets = elem->packets;
		place->limited_bytes = elem->bytes;
		return;
	}
	if (elem->set == SET_LISTEN) {
		place->listening = true;
		place->source = elem->source;
		memcpy(listening.name, elem->name, sizeof(listening.name));
		sample->reader->listening(sample->reader->data, &listening);
		return;
	}
	if (elem->set != SET_RATE)
		place->timeout_ms = elem->timeout_ms;
	place->packets += elem->packets;
	place->bytes += elem->bytes;
}

/* What is there comes in the order in which it was asked for. */
static int set_take(struct sample *sample, enum set_id set, uint8_t family)
{
	struct elem keys[RULES_OPS_MAX];
	struct place *of[RULES_OPS_MAX];
	struct elems found = {0};
	size_t count = 0, at = 0;
	int err = 0;

	for (size_t i = 0; i < sample->count; i++) {
		struct place *place = &sample->places[i];
		const struct endpoint *key = place_key(place);

		if (key->addr.family != family || !place_is_in(place, set))
			continue;
		keys[count] = (struct elem){.set = set, .key = *key, .source = place->source};
		of[count++] = place;
	}
	if (count)
		err = fetch_elems(sample->nl, keys, count, &found);
	for (size_t i = 0; !err && i < found.count; i++) {
		while (at < count && !endpoint_equal(&found.list[i].key, &keys[at].key))
			at++;
		if (at < count)
			place_take(sample, of[at++], &found.list[i]);
	}
	free(found.list);
	return err;
}

/* A client has its consent and its counters at each address of its port. */
static void clients_tell(const struct sample *sample)
{
	for (size_t i = 0, end; i < sample->count; i = end) {
		const struct endpoint *client = &sample->places[i].spot->client;
		struct rules_client out = {.client = *client};

		for (end = i; end < sample->count &&
			      endpoint_equal(&sample->places[end].spot->client, client);
			end++) {
			const struct place *place = &sample->places[end];

			if (place->timeout_ms > out.consent_ms)
				out.consent_ms = place->timeout_ms;
			out.packets += place->packets;
			out.bytes += place->bytes;
		}
		if (client->addr.family && out.consent_ms)
			sample->reader->client(sample->reader->data, &out);
	}
}

static int family_take(struct sample *sample, uint8_t family)
{
	int err = set_take(sample, SET_LIMITED, family);

	if (!err)
		err = set_take(sample, SET_LISTEN, family);
	for (const enum set_id *set = consent_sets; !err && *set != SET_COUNT; set++)
		err = set_take(sample, *set, family);
	if (!err)
		err = set_take(sample, SET_RATE, family);
	return err ? err : set_take(sample, SET_CONSENT, family);
}

int rules_sample(struct rules *rules, const struct rules_spot *spots, size_t count,
	const struct rules_reader *reader)
{
	struct sample sample = {.nl = &rules->nl, .reader = reader, .count = count};
	int err;

	if (count > RULES_OPS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < count; i++)
		sample.places[i].spot = &spots[i];
	err = family_take(&sample, AF_INET);
	if (!err)
		err = family_take(&sample, AF_INET6);
	if (!err)
		clients_tell(&sample);
	return err;
}
