/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients, with their consent and their counters. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/consent.h"
#include "rules/dump.h"

/* What is known of clients, each in order of its key; INGRESS in order of its data. */
struct clients {
	struct elems holes, ports, peers, consents, rates;
};

static void client_tell(const struct dump *dump, const struct elem *elem)
{
	struct rules_client client = {.client = elem->key,
		.punch = elem->data,
		.consent_ms = elem->timeout_ms,
		.rate = elem->rate,
		.packets = elem->packets,
		.bytes = elem->bytes};

	memcpy(client.name, elem->name, sizeof(client.name));
	dump->reader->client(dump->reader->data, &client);
}

static int consents_read(struct dump *dump, uint8_t family, struct elems *out)
{
	struct elems some = {0};
	int err = 0;

	for (const enum set_id *set = consent_sets; !err && *set != SET_COUNT; set++) {
		err = dump_consent_set(dump, *set, family, &some);
		if (!err && !elems_append(out, &some))
			err = -ENOMEM;
	}
	free(some.list);
	return err;
}

static int clients_gather(struct dump *dump, uint8_t family, struct clients *clients)
{
	bool all = dump->part && dump->check;
	int err = dump_holes(dump, family, &clients->holes);

	if (!err && clients->holes.count && !elems_append(&clients->ports, &dump->ingress))
		err = -ENOMEM;
	/* In parts those of peers are not among the holes. */
	if (!err && clients->holes.count && !dump->part)
		err = elem_dump(dump->nl, SET_CONSENT, family, &clients->peers);
	if (!err && (clients->ports.count || all))
		err = consents_read(dump, family, &clients->consents);
	if (!err && (clients->consents.count || all))
		err = dump_consent_set(dump, SET_RATE, family, &clients->rates);
	elems_sort(&clients->ports, elem_data_compare);
	elems_sort(&clients->peers, elem_key_compare);
	elems_sort(&clients->consents, elem_key_compare);
	elems_sort(&clients->rates, elem_key_compare);
	return err;
}

static void consent_add(struct elem *hole, const struct elem *consent, bool timed)
{
	if (!consent)
		return;
	if (timed && consent->timeout_ms > hole->timeout_ms)
		hole->timeout_ms = consent->timeout_ms;
	hole->packets += consent->packets;
	hole->bytes += consent->bytes;
}

/* A client has consented for every port from which something goes to it, and as a peer. */
static void client_join(const struct clients *clients, struct elem *hole)
{
	const struct elem key = {.data = hole->key};
	const struct elem *port = elems_find(&clients->ports, &key, elem_data_compare);
	const struct elem *end = clients->ports.list + clients->ports.count;

	consent_add(hole, elems_find(&clients->peers, hole, elem_key_compare), true);
	for (; port && port < end && endpoint_equal(&port->data, &hole->key); port++) {
		const struct elem *consent = elems_find(&clients->consents, port, elem_key_compare);
		const struct elem *rate = elems_find(&clients->rates, port, elem_key_compare);

		consent_add(hole, consent, true);
		consent_add(hole, rate, false);
		if (rate)
			hole->rate = rate->rate;
		else if (consent && consent_is_apart(consent->set))
			hole->rate = RULES_RATE_UNKNOWN;
	}
}

/* Holes are what EGRESS has. */
int dump_clients(struct dump *dump, uint8_t family)
{
	struct clients clients = {0};
	int err = clients_gather(dump, family, &clients);

	for (size_t i = 0; !err && i < clients.holes.count; i++) {
		client_join(&clients, &clients.holes.list[i]);
		client_tell(dump, &clients.holes.list[i]);
	}
	if (!err && dump->part && dump->check)
		err = check_part(dump->check, &(struct check_part){&dump->listening, &dump->ingress,
						      &clients.consents, &clients.rates});
	free(clients.holes.list);
	free(clients.ports.list);
	free(clients.peers.list);
	free(clients.consents.list);
	free(clients.rates.list);
	return err;
}

int dump_lanes(struct dump *dump, uint8_t family)
{
	struct elems consents = {0}, holes = {0};
	struct clients clients = {0};
	int err = elem_dump(dump->nl, SET_CONSENT, family, &consents);

	elems_sort(&consents, elem_key_compare);
	for (size_t i = 0; i < consents.count; i++)
		consents.list[i].set = SET_EGRESS;
	if (!err)
		err = dump_part(dump, SET_EGRESS, &consents, &holes);
	clients.peers = consents;
	for (size_t i = 0; !err && i < holes.count; i++) {
		client_join(&clients, &holes.list[i]);
		client_tell(dump, &holes.list[i]);
	}
	free(consents.list);
	free(holes.list);
	return err;
}
