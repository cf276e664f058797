/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "rules/check.h"
#include "rules/consent.h"
#include "rules/elem.h"
#include "rules/fetch.h"
#include "rules/internal.h"

/* Below, a dump is as good. */
#define FETCH_MIN 4096
/* Listening endpoints that are read at once. */
#define PART 1024

struct dump {
	struct nl *nl;
	struct rules *rules;
	const struct rules_reader *reader;
	struct check *check;	      /* or NULL */
	const struct endpoint *hints; /* where streams listen */
	size_t hint_count;
	struct elems listening, ingress; /* of the family that is being read, in order */
	/* Part after part: elements that there are, and that were read. */
	bool part;
	uint32_t counts[SET_COUNT], seen[SET_COUNT];
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
		.rate = elem->rate,
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

/* Sets of a kind that nothing has are not asked. */
static int part_read(
	struct dump *dump, enum set_id set, const struct elems *keys, struct elems *out)
{
	int err = dump->counts[set] ? fetch_elems(dump->nl, keys->list, keys->count, out) : 0;

	dump->seen[set] += (uint32_t)out->count;
	return err;
}

/* By the keys that are known, if the set is large and they are all that it has. */
static int known_read(struct dump *dump, enum set_id set, uint8_t family, const struct elems *keys,
	struct elems *out)
{
	uint32_t count = 0;
	int err;

	if (dump->part)
		return part_read(dump, set, keys, out);
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

/* A set whose keys are endpoints to which senders send. */
static int listen_set_read(struct dump *dump, enum set_id set, uint8_t family, struct elems *out)
{
	struct elems keys = {0};
	int err = keys_room(&keys, dump->hint_count);

	for (size_t i = 0; !err && i < dump->hint_count; i++)
		if (dump->hints[i].addr.family == family)
			keys.list[keys.count++] = (struct elem){.set = set, .key = dump->hints[i]};
	if (!err)
		err = known_read(dump, set, family, &keys, out);
	free(keys.list);
	return err;
}

static void elems_sort(struct elems *elems, int (*compare)(const void *, const void *))
{
	if (elems->count)
		qsort(elems->list, elems->count, sizeof(struct elem), compare);
}

/* A client has its port at each address. */
static void keys_unique(struct elems *keys)
{
	size_t count = 0;

	elems_sort(keys, elem_compare);
	for (size_t i = 0; i < keys->count; i++)
		if (!count || elem_compare(&keys->list[count - 1], &keys->list[i]))
			keys->list[count++] = keys->list[i];
	keys->count = count;
}

/* Holes by the clients to which ports lead. */
static int holes_read(struct dump *dump, uint8_t family, struct elems *out)
{
	struct elems keys = {0};
	int err = keys_room(&keys, dump->ingress.count);

	for (size_t i = 0; !err && i < dump->ingress.count; i++)
		keys.list[keys.count++] =
			(struct elem){.set = SET_EGRESS, .key = dump->ingress.list[i].data};
	keys_unique(&keys);
	if (!err)
		err = known_read(dump, SET_EGRESS, family, &keys, out);
	free(keys.list);
	return err;
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

/* Of ports that have a client, to check those of all, by the source that LISTEN tells. */
static int consent_keys(const struct dump *dump, enum set_id set, struct elems *keys)
{
	const struct elems *ports = dump->check ? &dump->listening : &dump->ingress;
	int err = keys_room(keys, ports->count);

	for (size_t i = 0; !err && i < ports->count; i++) {
		const struct elem *listening =
			elems_find(&dump->listening, &ports->list[i], elem_compare);

		if (listening && (set == SET_RATE || set == consent_set(&listening->source, true) ||
					 set == consent_set(&listening->source, false)))
			keys->list[keys->count++] = (struct elem){
				.set = set, .key = listening->key, .source = listening->source};
	}
	return err;
}

/* That of ports without a client matters to nobody, so a large set need not be told in full. */
static int consent_set_read(struct dump *dump, enum set_id set, uint8_t family, struct elems *out)
{
	struct elems keys = {0};
	uint32_t count = 0;
	int err;

	out->count = 0;
	if (!dump->part && (fetch_count(dump->nl, set, family, &count) || count < FETCH_MIN ||
				   dump->ingress.count < count / 2))
		return elem_dump(dump->nl, set, family, out);
	if (dump->part && !dump->counts[set])
		return 0;
	err = consent_keys(dump, set, &keys);
	if (!err && dump->part)
		err = part_read(dump, set, &keys, out);
	else if (!err)
		err = fetch_elems(dump->nl, keys.list, keys.count, out);
	free(keys.list);
	return err;
}

static int consents_read(struct dump *dump, uint8_t family, struct elems *out)
{
	struct elems some = {0};
	int err = 0;

	for (const enum set_id *set = consent_sets; !err && *set != SET_COUNT; set++) {
		err = consent_set_read(dump, *set, family, &some);
		if (!err && !elems_append(out, &some))
			err = -ENOMEM;
	}
	free(some.list);
	return err;
}

static int clients_gather(struct dump *dump, uint8_t family, struct clients *clients)
{
	bool all = dump->part && dump->check;
	int err = holes_read(dump, family, &clients->holes);

	if (!err && clients->holes.count && !elems_append(&clients->ports, &dump->ingress))
		err = -ENOMEM;
	/* In parts those of peers are not among the holes. */
	if (!err && clients->holes.count && !dump->part)
		err = elem_dump(dump->nl, SET_CONSENT, family, &clients->peers);
	if (!err && (clients->ports.count || all))
		err = consents_read(dump, family, &clients->consents);
	if (!err && (clients->consents.count || all))
		err = consent_set_read(dump, SET_RATE, family, &clients->rates);
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
		const struct elem *consent = elems_find(&clients->consents, port, elem_compare);
		const struct elem *rate = elems_find(&clients->rates, port, elem_compare);

		consent_add(hole, consent, true);
		consent_add(hole, rate, false);
		if (rate)
			hole->rate = rate->rate;
		else if (consent && consent_is_apart(consent->set))
			hole->rate = RULES_RATE_UNKNOWN;
	}
}

/* Holes are what EGRESS has. */
static int clients_read(struct dump *dump, uint8_t family)
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
		err = listen_set_read(dump, SET_LISTEN, family, &dump->listening);
	if (!err && (reader->ingress || reader->client))
		err = listen_set_read(dump, SET_INGRESS, family, &dump->ingress);
	if (err)
		return err;
	if (reader->listening)
		tell_all(dump, &dump->listening, listening_tell);
	if (reader->ingress)
		tell_all(dump, &dump->ingress, ingress_tell);
	elems_sort(&dump->listening, elem_compare);
	elems_sort(&dump->ingress, elem_compare);
	return 0;
}

static int streams_read(struct dump *dump, uint8_t family)
{
	int err = ports_read(dump, family);

	if (!err && dump->reader->client)
		err = clients_read(dump, family);
	free(dump->listening.list);
	free(dump->ingress.list);
	dump->listening = dump->ingress = (struct elems){0};
	return err;
}

/* What is not of streams. */
static int others_read(struct dump *dump, uint8_t family)
{
	const struct rules_reader *reader = dump->reader;
	int err = 0;

	if (reader->punch)
		err = set_read(dump, SET_PUNCH, family, punch_tell);
	if (!err && reader->punch)
		err = set_read(dump, SET_RAW, family, punch_tell);
	if (!err && reader->peer)
		err = peers_read(dump, family);
	return err;
}

/* Peers that the relay carries, by what lets them pass. */
static int lanes_read(struct dump *dump, uint8_t family)
{
	struct elems consents = {0}, holes = {0};
	struct clients clients = {0};
	int err = elem_dump(dump->nl, SET_CONSENT, family, &consents);

	elems_sort(&consents, elem_compare);
	for (size_t i = 0; i < consents.count; i++)
		consents.list[i].set = SET_EGRESS;
	if (!err)
		err = part_read(dump, SET_EGRESS, &consents, &holes);
	clients.peers = consents;
	for (size_t i = 0; !err && i < holes.count; i++) {
		client_join(&clients, &holes.list[i]);
		client_tell(dump, &holes.list[i]);
	}
	free(consents.list);
	free(holes.list);
	return err;
}

/* All that there is has been read; consent of whom nothing leads to matters only to a check. */
static bool is_complete(const struct dump *dump)
{
	static const enum set_id sets[] = {SET_LISTEN, SET_INGRESS, SET_EGRESS, SET_RATE};

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]) - !dump->check; i++)
		if (dump->seen[sets[i]] != dump->counts[sets[i]])
			return false;
	for (const enum set_id *set = consent_sets; dump->check && *set != SET_COUNT; set++)
		if (dump->seen[*set] != dump->counts[*set])
			return false;
	return true;
}

/* Of a large table, and a kernel that counts; where it does not, it cannot be known what is all. */
static bool parts_begin(struct dump *dump, uint8_t family)
{
	static const enum set_id sets[] = {SET_LISTEN, SET_INGRESS, SET_EGRESS, SET_RATE, SET_EXACT,
		SET_ANY, SET_EXACT_RATE, SET_ANY_RATE, SET_WITHIN};
	uint32_t prefixes = 0;

	memset(dump->seen, 0, sizeof(dump->seen));
	if (dump->rules->hint_count < FETCH_MIN || !dump->reader->client)
		return false;
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		if (fetch_count(dump->nl, sets[i], family, &dump->counts[sets[i]]))
			return false;
	if (dump->check && (fetch_count(dump->nl, SET_PREFIX, family, &prefixes) || prefixes))
		return false;
	return dump->counts[SET_LISTEN] >= FETCH_MIN;
}

/* The addresses of one port stand side by side, and stay together. */
static size_t part_count(const struct rules *rules, size_t at)
{
	size_t left = rules->hint_count - at, count = left < PART ? left : PART;

	while (count < left && rules->hints[at + count].port == rules->hints[at + count - 1].port)
		count++;
	return count;
}

/* Little memory at a time, and others have their turn in between. */
static int parts_read(struct dump *dump, uint8_t family, bool *complete)
{
	const struct rules *rules = dump->rules;
	int err = dump->check ? check_begin(dump->check) : 0;

	dump->part = true;
	for (size_t i = 0; !err && i < rules->hint_count; i += dump->hint_count) {
		dump->hints = rules->hints + i;
		dump->hint_count = part_count(rules, i);
		err = streams_read(dump, family);
		if (!dump->check && dump->reader->pause)
			dump->reader->pause(dump->reader->data);
	}
	if (!err)
		err = lanes_read(dump, family);
	dump->part = false;
	*complete = is_complete(dump) && (!dump->check || check_is_complete(dump->check));
	if (!err && dump->check && *complete)
		err = check_end(dump->check);
	return err;
}

static int whole_read(struct dump *dump, uint8_t family)
{
	int err = dump->check ? check_whole(dump->check) : 0;

	dump->hints = dump->rules->hints;
	dump->hint_count = dump->rules->hint_count;
	return err ? err : streams_read(dump, family);
}

/* *complete is false when parts were not all; what has been told is void then. */
static int family_read(struct dump *dump, uint8_t family, bool parts, bool *complete)
{
	int err;

	if (dump->check)
		check_family(dump->check, family);
	if (parts && parts_begin(dump, family))
		err = parts_read(dump, family, complete);
	else
		err = whole_read(dump, family);
	return err || !*complete ? err : others_read(dump, family);
}

static int families_read(struct dump *dump, bool parts, bool *complete)
{
	int err;

	*complete = true;
	err = family_read(dump, AF_INET, parts, complete);
	return err || !*complete ? err : family_read(dump, AF_INET6, parts, complete);
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

static int read_all(struct rules *rules, const struct rules_reader *reader, struct check *check)
{
	const struct ct_filter ours = {.mark = RULES_MARK, .mask = RULES_MARK_MASK};
	struct dump dump = {.nl = &rules->nl, .rules = rules, .reader = reader, .check = check};
	bool complete;
	int err = families_read(&dump, reader->again, &complete);

	if (!err && !complete) {
		reader->again(reader->data);
		err = families_read(&dump, false, &complete);
	}
	if (!err && reader->flow)
		err = ct_dump(&rules->nl, &ours, flow_tell, &dump);
	hints_forget(rules);
	return err;
}

int rules_read(struct rules *rules, const struct rules_reader *reader)
{
	return read_all(rules, reader, NULL);
}

int rules_check(struct rules *rules, const struct rules_reader *reader,
	void (*torn)(void *data, const struct rules_torn *torn))
{
	struct check *check = check_new(rules, torn, reader->data);
	int err = check ? read_all(rules, reader, check) : -ENOMEM;

	free(check);
	return err;
}
