/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/upgrade.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Elements in one transaction. */
#define ROUND 4096
/* Consent that ports have: the element's number, which it has no use for. */
#define TAKEN 1

static int set_read(struct nl *nl, enum set_id set, uint8_t family, struct elems *out)
{
	int err = elem_dump(nl, set, family, out);

	/* One of before there were peers. */
	return err == -ENOENT && elem_is_peer(set) ? 0 : err;
}

static int set_keep(struct nl *nl, enum set_id set, uint8_t family, struct elems *out)
{
	struct elems some = {0};
	int err = set_read(nl, set, family, &some);

	if (!err && !elems_append(out, &some))
		err = -ENOMEM;
	free(some.list);
	return err;
}

static int key_compare(const void *a, const void *b)
{
	return elem_endpoint_compare(
		&((const struct elem *)a)->key, &((const struct elem *)b)->key);
}

static struct elem *key_find(const struct elems *elems, const struct endpoint *endpoint)
{
	const struct elem key = {.key = *endpoint};

	return elems->count ? bsearch(&key, elems->list, elems->count, sizeof(key), key_compare)
			    : NULL;
}

static void key_sort(struct elems *elems)
{
	if (elems->count)
		qsort(elems->list, elems->count, sizeof(*elems->list), key_compare);
}

/*
 * What was one client's is now of each port from which something goes to it; one has its counts.
 * The clients that are left are peers.
 */
static int consents_turn(struct upgrade *out, const struct elems *ports, struct elems *listens,
	struct elems *clients)
{
	struct consent *list =
		reallocarray(out->consents, out->consent_count + ports->count + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	out->consents = list;
	key_sort(listens);
	key_sort(clients);
	for (size_t i = 0; i < ports->count; i++) {
		const struct elem *listen = key_find(listens, &ports->list[i].key);
		struct elem *client = key_find(clients, &ports->list[i].data);
		struct consent *consent = &list[out->consent_count];

		if (!listen || !client || !client->timeout_ms)
			continue;
		*consent = (struct consent){.listen = listen->key,
			.source = listen->source,
			.timeout_ms = client->timeout_ms,
			.rate = client->rate,
			.packets = client->packets,
			.bytes = client->bytes};
		memcpy(consent->name, client->name, sizeof(consent->name));
		client->packets = client->bytes = 0;
		client->number = TAKEN;
		out->consent_count++;
	}
	for (size_t i = 0; i < clients->count; i++) {
		const struct elems one = {.list = &clients->list[i], .count = 1};

		if (one.list->number != TAKEN && !elems_append(&out->elems, &one))
			return -ENOMEM;
	}
	return 0;
}

static bool is_within(const struct elem *listen)
{
	return listen->source.bits && listen->source.bits < 8 * addr_size(listen->key.addr.family);
}

/* The elements of PREFIX lack their length; LISTEN has it. */
static int prefixes_add(struct upgrade *out, const struct elems *listens)
{
	for (size_t i = 0; i < listens->count; i++) {
		struct elem prefix = listens->list[i];
		const struct elems one = {.list = &prefix, .count = 1};

		prefix.set = SET_PREFIX;
		if (is_within(&prefix) && !elems_append(&out->elems, &one))
			return -ENOMEM;
	}
	return 0;
}

static int family_read(struct nl *nl, uint8_t family, struct upgrade *out)
{
	static const enum set_id kept[] = {SET_LISTEN, SET_MARK, SET_INGRESS, SET_EGRESS, SET_PUNCH,
		SET_RAW, SET_PEER, SET_PEER_MARK, SET_PEER_FROM};
	struct elems ports = {0}, listens = {0}, clients = {0};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(kept) / sizeof(kept[0]); i++)
		err = set_keep(nl, kept[i], family, &out->elems);
	if (!err)
		err = set_read(nl, SET_INGRESS, family, &ports);
	if (!err)
		err = set_read(nl, SET_LISTEN, family, &listens);
	if (!err)
		err = set_read(nl, SET_CONSENT, family, &clients);
	if (!err)
		err = consents_turn(out, &ports, &listens, &clients);
	if (!err)
		err = prefixes_add(out, &listens);
	free(ports.list);
	free(listens.list);
	free(clients.list);
	return err;
}

int upgrade_read(struct nl *nl, struct upgrade *out)
{
	int err = family_read(nl, AF_INET, out);

	return err ? err : family_read(nl, AF_INET6, out);
}

int upgrade_commit(struct rules *rules, const struct upgrade *upgrade, struct rules_error *error)
{
	const size_t count = upgrade->elems.count + upgrade->consent_count;
	size_t i = 0;
	int err = 0;

	do {
		for (size_t end = i + ROUND; i < count && i < end; i++) {
			if (i < upgrade->elems.count)
				elem_add(&rules->batch, -1, &upgrade->elems.list[i]);
			else
				consent_open(&rules->batch, &rules->kernel, -1,
					&upgrade->consents[i - upgrade->elems.count]);
		}
		err = batch_commit(&rules->batch, &rules->nl, error);
		batch_clear(&rules->batch);
	} while (!err && i < count);
	return err;
}

void upgrade_fini(struct upgrade *upgrade)
{
	free(upgrade->elems.list);
	free(upgrade->consents);
	*upgrade = (struct upgrade){0};
}
