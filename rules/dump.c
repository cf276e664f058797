/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "rules/consent.h"
#include "rules/elem.h"
#include "rules/internal.h"

struct dump {
	struct nl *nl;
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

static int set_read(const struct dump *dump, enum set_id set, uint8_t family,
	void (*tell)(const struct dump *, const struct elem *))
{
	struct elems elems = {0};
	int err = elem_dump(dump->nl, set, family, &elems);

	for (size_t i = 0; !err && i < elems.count; i++)
		tell(dump, &elems.list[i]);
	free(elems.list);
	return err;
}

static int elem_compare_data(const void *a, const void *b)
{
	return elem_endpoint_compare(
		&((const struct elem *)a)->data, &((const struct elem *)b)->data);
}

static void elems_sort(struct elems *elems, int (*compare)(const void *, const void *))
{
	if (elems->count)
		qsort(elems->list, elems->count, sizeof(struct elem), compare);
}

/* The first of those that are equal to the key, or NULL. */
static const struct elem *elems_find(const struct elems *elems, const struct elem *key,
	int (*compare)(const void *, const void *))
{
	const struct elem *found =
		elems->count ? bsearch(key, elems->list, elems->count, sizeof(struct elem), compare)
			     : NULL;

	while (found && found > elems->list && !compare(key, found - 1))
		found--;
	return found;
}

/* What is known of clients, each in order of its key; INGRESS in order of its data. */
struct clients {
	struct elems holes, ports, peers, consents, rates;
};

static int consents_read(const struct dump *dump, uint8_t family, struct elems *out)
{
	struct elems some = {0};
	int err = 0;

	for (const enum set_id *set = consent_sets; !err && *set != SET_COUNT; set++) {
		err = elem_dump(dump->nl, *set, family, &some);
		if (!err && !elems_append(out, &some))
			err = -ENOMEM;
	}
	free(some.list);
	return err;
}

static int clients_gather(const struct dump *dump, uint8_t family, struct clients *clients)
{
	int err = elem_dump(dump->nl, SET_EGRESS, family, &clients->holes);

	if (!err && clients->holes.count)
		err = elem_dump(dump->nl, SET_INGRESS, family, &clients->ports);
	if (!err && clients->holes.count)
		err = elem_dump(dump->nl, SET_CONSENT, family, &clients->peers);
	if (!err && clients->ports.count)
		err = consents_read(dump, family, &clients->consents);
	if (!err && clients->consents.count)
		err = elem_dump(dump->nl, SET_RATE, family, &clients->rates);
	elems_sort(&clients->ports, elem_compare_data);
	elems_sort(&clients->peers, elem_compare);
	elems_sort(&clients->consents, elem_compare);
	elems_sort(&clients->rates, elem_compare);
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
	const struct elem *port = elems_find(&clients->ports, &key, elem_compare_data);
	const struct elem *end = clients->ports.list + clients->ports.count;

	consent_add(hole, elems_find(&clients->peers, hole, elem_compare), true);
	for (; port && port < end && endpoint_equal(&port->data, &hole->key); port++) {
		consent_add(hole, elems_find(&clients->consents, port, elem_compare), true);
		consent_add(hole, elems_find(&clients->rates, port, elem_compare), false);
	}
}

/* Holes are what EGRESS has. */
static int clients_read(const struct dump *dump, uint8_t family)
{
	struct clients clients = {0};
	int err = clients_gather(dump, family, &clients);

	for (size_t i = 0; !err && i < clients.holes.count; i++) {
		client_join(&clients, &clients.holes.list[i]);
		client_tell(dump, &clients.holes.list[i]);
	}
	free(clients.holes.list);
	free(clients.ports.list);
	free(clients.peers.list);
	free(clients.consents.list);
	free(clients.rates.list);
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

int rules_read(struct rules *rules, const struct rules_reader *reader)
{
	const struct ct_filter ours = {.mark = RULES_MARK, .mask = RULES_MARK_MASK};
	struct dump dump = {.nl = &rules->nl, .reader = reader};
	int err = family_read(&dump, AF_INET);

	if (!err)
		err = family_read(&dump, AF_INET6);
	if (!err && reader->flow)
		err = ct_dump(&rules->nl, &ours, flow_tell, &dump);
	return err;
}
