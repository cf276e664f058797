/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "rules/elem.h"
#include "rules/fetch.h"
#include "rules/internal.h"

/* Below, a dump is as good. */
#define FETCH_MIN 4096

struct dump {
	struct nl *nl;
	struct rules *rules;
	const struct rules_reader *reader;
};

static int elem_compare(const void *a, const void *b)
{
	return elem_endpoint_compare(
		&((const struct elem *)a)->key, &((const struct elem *)b)->key);
}

static void listening_tell(const struct dump *dump, const struct elem *elem)
{
	struct rules_listening listening = {.listen = elem->key,
		.number = elem->number,
		.source = elem->source,
		.refused_packets = elem->packets,
		.refused_bytes = elem->bytes};

	memcpy(listening.name, elem->name, sizeof(listening.name));
	dump->reader->listening(dump->reader->data, &listening);
}

static void punch_tell(const struct dump *dump, const struct elem *elem)
{
	dump->reader->punch(dump->reader->data, &elem->key, elem->set == SET_RAW);
}

static void ingress_tell(const struct dump *dump, const struct elem *elem)
{
	struct rules_ingress ingress = {elem->key, elem->data};

	dump->reader->ingress(dump->reader->data, &ingress);
}

static void client_tell(const struct dump *dump, const struct elem *elem)
{
	struct rules_client client = {.client = elem->key,
		.punch = elem->data,
		.consent_ms = elem->timeout_ms,
		.packets = elem->packets,
		.bytes = elem->bytes};

	memcpy(client.name, elem->name, sizeof(client.name));
	dump->reader->client(dump->reader->data, &client);
}

static int hole_compare(const void *a, const void *b)
{
	const struct elem *x = a, *y = b;
	int order = elem_compare(a, b);

	return order ? order : elem_endpoint_compare(&x->to, &y->to);
}

static void peer_tell(const struct dump *dump, const struct elem *elem, const struct endpoint *from)
{
	struct rules_peer peer = {
		.client = elem->key, .punch = elem->to, .peer = elem->data, .number = elem->number};

	if (from)
		peer.from = *from;
	memcpy(peer.name, elem->name, sizeof(peer.name));
	dump->reader->peer(dump->reader->data, &peer);
}

/* By the keys that are known, if the set is large and they are all that it has. */
static int known_read(const struct dump *dump, enum set_id set, uint8_t family,
	const struct elems *keys, struct elems *out)
{
	uint32_t count = 0;
	int err = fetch_count(dump->nl, set, family, &count);

	if (!err && count >= FETCH_MIN && keys->count >= count)
		err = fetch_elems(dump->nl, keys->list, keys->count, out);
	if (!err && count >= FETCH_MIN && out->count == count)
		return 0;
	out->count = 0;
	return elem_dump(dump->nl, set, family, out);
}

/* Keys for another set: of the same elements, or of what they lead to. */
static int keys_make(
	const struct elems *from, enum set_id set, bool of_data, struct elems *out)
{
	out->list = calloc(from->count + 1, sizeof(*out->list));
	if (!out->list)
		return -ENOMEM;
	for (size_t i = 0; i < from->count; i++)
		out->list[out->count++] = (struct elem){.set = set,
			.key = of_data ? from->list[i].data : from->list[i].key};
	return 0;
}

static int hints_make(
	const struct rules *rules, enum set_id set, uint8_t family, struct elems *out)
{
	out->list = calloc(rules->hint_count + 1, sizeof(*out->list));
	if (!out->list)
		return -ENOMEM;
	for (size_t i = 0; i < rules->hint_count; i++)
		if (rules->hints[i].addr.family == family)
			out->list[out->count++] =
				(struct elem){.set = set, .key = rules->hints[i]};
	return 0;
}

/* A set whose keys are endpoints to which senders send. */
static int listen_set_read(
	const struct dump *dump, enum set_id set, uint8_t family, struct elems *out)
{
	struct elems keys = {0};
	int err = hints_make(dump->rules, set, family, &keys);

	if (!err)
		err = known_read(dump, set, family, &keys, out);
	free(keys.list);
	return err;
}

static int set_read(const struct dump *dump, enum set_id set, uint8_t family,
	void (*tell)(const struct dump *, const struct elem *))
{
	bool listens = set == SET_LISTEN || set == SET_INGRESS;
	struct elems elems = {0};
	int err = listens ? listen_set_read(dump, set, family, &elems)
			  : elem_dump(dump->nl, set, family, &elems);

	for (size_t i = 0; !err && i < elems.count; i++)
		tell(dump, &elems.list[i]);
	free(elems.list);
	return err;
}

/* Holes are what EGRESS has; consent and counters stand in CONSENT, unless it has run out. */
static int clients_read(const struct dump *dump, uint8_t family)
{
	struct elems holes = {0}, consents = {0}, ingress = {0}, keys = {0};
	int err = listen_set_read(dump, SET_INGRESS, family, &ingress);

	if (!err)
		err = keys_make(&ingress, SET_EGRESS, true, &keys);
	if (!err)
		err = known_read(dump, SET_EGRESS, family, &keys, &holes);
	free(ingress.list);
	free(keys.list);
	keys = (struct elems){0};
	if (!err)
		err = keys_make(&holes, SET_CONSENT, false, &keys);
	/* One of which nobody has a hole matters to nobody. */
	if (!err && holes.count >= FETCH_MIN)
		err = fetch_elems(dump->nl, keys.list, keys.count, &consents);
	else if (!err)
		err = elem_dump(dump->nl, SET_CONSENT, family, &consents);
	free(keys.list);
	if (!err && consents.count)
		qsort(consents.list, consents.count, sizeof(struct elem), elem_compare);
	for (size_t i = 0; !err && i < holes.count; i++) {
		struct elem *hole = &holes.list[i];
		const struct elem *consent = consents.count
						     ? bsearch(hole, consents.list, consents.count,
							       sizeof(struct elem), elem_compare)
						     : NULL;

		if (consent) {
			hole->timeout_ms = consent->timeout_ms;
			hole->packets = consent->packets;
			hole->bytes = consent->bytes;
		}
		client_tell(dump, hole);
	}
	free(holes.list);
	free(consents.list);
	return err;
}

static int peers_read(const struct dump *dump, uint8_t family)
{
	struct elems peers = {0}, from = {0};
	int err = elem_dump(dump->nl, SET_PEER, family, &peers);

	if (!err && peers.count)
		err = elem_dump(dump->nl, SET_PEER_FROM, family, &from);
	if (!err && from.count)
		qsort(from.list, from.count, sizeof(struct elem), hole_compare);
	for (size_t i = 0; !err && i < peers.count; i++) {
		const struct elem *found = from.count
						   ? bsearch(&peers.list[i], from.list, from.count,
							     sizeof(struct elem), hole_compare)
						   : NULL;

		peer_tell(dump, &peers.list[i], found ? &found->data : NULL);
	}
	free(peers.list);
	free(from.list);
	return err;
}

static void flow_tell(void *data, const struct ct *ct)
{
	const struct dump *dump = data;
	struct rules_flow flow = {.number = ct->mark & RULES_NUMBER_MAX,
		.sender = ct->orig.src,
		.listen = ct->orig.dst,
		.client = ct->reply.src,
		.punch = ct->reply.dst};

	if (ct->proto == IPPROTO_UDP && (ct->mark & RULES_MARK_MASK) == RULES_MARK)
		dump->reader->flow(dump->reader->data, &flow);
}

static int family_read(const struct dump *dump, uint8_t family)
{
	const struct rules_reader *reader = dump->reader;
	int err = 0;

	if (reader->listening)
		err = set_read(dump, SET_LISTEN, family, listening_tell);
	if (!err && reader->punch)
		err = set_read(dump, SET_PUNCH, family, punch_tell);
	if (!err && reader->punch)
		err = set_read(dump, SET_RAW, family, punch_tell);
	if (!err && reader->ingress)
		err = set_read(dump, SET_INGRESS, family, ingress_tell);
	if (!err && reader->client)
		err = clients_read(dump, family);
	if (!err && reader->peer)
		err = peers_read(dump, family);
	return err;
}

int rules_hint(struct rules *rules, const struct rules_spot *spots, size_t count)
{
	struct endpoint *hints;

	if (!count)
		rules->hint_count = 0;
	if (rules->hint_count + count > RULES_HINTS_MAX)
		return -E2BIG;
	if (rules->hint_count + count > rules->hint_room) {
		size_t room = 2 * (rules->hint_count + count);

		hints = reallocarray(rules->hints, room, sizeof(*hints));
		if (!hints)
			return -ENOMEM;
		rules->hints = hints;
		rules->hint_room = room;
	}
	for (size_t i = 0; i < count; i++)
		rules->hints[rules->hint_count++] = spots[i].listen;
	return 0;
}

static void hints_forget(struct rules *rules)
{
	free(rules->hints);
	rules->hints = NULL;
	rules->hint_count = rules->hint_room = 0;
}

int rules_read(struct rules *rules, const struct rules_reader *reader)
{
	const struct ct_filter ours = {.mark = RULES_MARK, .mask = RULES_MARK_MASK};
	struct dump dump = {.nl = &rules->nl, .rules = rules, .reader = reader};
	int err = family_read(&dump, AF_INET);

	if (!err)
		err = family_read(&dump, AF_INET6);
	if (!err && reader->flow)
		err = ct_dump(&rules->nl, &ours, flow_tell, &dump);
	hints_forget(rules);
	return err;
}

/* The spots of one family, in one of the sets that have counters. */
static int spots_read(const struct dump *dump, const struct rules_spot *spots, size_t count,
	enum set_id set, uint8_t family)
{
	struct elem keys[RULES_OPS_MAX];
	struct elems found = {0};
	size_t held = 0;
	int err = 0;

	for (size_t i = 0; i < count; i++) {
		const struct endpoint *key = set == SET_LISTEN ? &spots[i].listen
							       : &spots[i].client;

		if (key->addr.family == family)
			keys[held++] = (struct elem){.set = set, .key = *key};
	}
	if (held)
		err = fetch_elems(dump->nl, keys, held, &found);
	for (size_t i = 0; !err && i < found.count; i++) {
		if (set == SET_LISTEN)
			listening_tell(dump, &found.list[i]);
		else
			client_tell(dump, &found.list[i]);
	}
	free(found.list);
	return err;
}

int rules_sample(struct rules *rules, const struct rules_spot *spots, size_t count,
	const struct rules_reader *reader)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct dump dump = {.nl = &rules->nl, .rules = rules, .reader = reader};
	int err = count > RULES_OPS_MAX ? -E2BIG : 0;

	for (size_t f = 0; f < sizeof(families) && !err; f++) {
		err = spots_read(&dump, spots, count, SET_LISTEN, families[f]);
		if (!err)
			err = spots_read(&dump, spots, count, SET_CONSENT, families[f]);
	}
	return err;
}
