/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "rules/dump.h"

static void punch_tell(const struct dump *dump, const struct elem *elem)
{
	dump->reader->punch(dump->reader->data, &elem->key, elem->set == SET_RAW);
}

static int hole_compare(const void *a, const void *b)
{
	const struct elem *x = a, *y = b;
	int order = elem_key_compare(a, b);

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

/* What was told until now is true for itself; others have their turn. */
int dump_pause(const struct dump *dump)
{
	int err = dump->check ? check_end(dump->check) : 0;

	if (!err && dump->reader->pause)
		dump->reader->pause(dump->reader->data);
	return err;
}

/* What does not come in parts: of a large table what is not of streams. */
static int few_read(struct dump *dump, uint8_t family)
{
	int err;

	if (!dump->part)
		err = dump_whole(dump, family);
	else
		err = dump->check ? check_peers(dump->check) : 0;
	if (!err && dump->part)
		err = dump_lanes(dump, family);
	return err ? err : others_read(dump, family);
}

static int families_read(struct dump *dump, bool parts, bool *complete)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct dump_sizes sizes[2];
	bool in_parts[2], any = false;
	int err = 0;

	*complete = true;
	for (size_t i = 0; !err && i < 2; i++) {
		in_parts[i] = parts && dump_parts_begin(dump, families[i], &sizes[i]);
		any |= in_parts[i];
		dump->part = in_parts[i] ? &sizes[i] : NULL;
		if (dump->check)
			check_family(dump->check, families[i]);
		err = few_read(dump, families[i]);
	}
	if (!err && any)
		err = dump_pause(dump);
	for (size_t i = 0; !err && *complete && i < 2; i++) {
		dump->part = &sizes[i];
		if (dump->check)
			check_family(dump->check, families[i]);
		if (in_parts[i])
			err = dump_parts(dump, families[i], complete);
	}
	dump->part = NULL;
	return err;
}

int rules_hint(struct rules *rules, const struct rules_spot *spots, size_t count)
{
	struct hint *hints;

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
		rules->hints[rules->hint_count++] = (struct hint){spots[i].listen, spots[i].client};
	return 0;
}

static void hints_forget(struct rules *rules)
{
	free(rules->hints);
	rules->hints = NULL;
	rules->hint_count = rules->hint_room = 0;
}

static bool hints_have_clients(const struct rules *rules)
{
	for (size_t i = 0; i < rules->hint_count; i++)
		if (rules->hints[i].client.addr.family)
			return true;
	return false;
}

static int read_all(struct rules *rules, const struct rules_reader *reader, struct check *check)
{
	const struct ct_filter ours = {.mark = RULES_MARK, .mask = RULES_MARK_MASK};
	struct dump dump = {.nl = &rules->nl, .rules = rules, .reader = reader, .check = check};
	bool complete;
	int err;

	if (check)
		check_owners(check, hints_have_clients(rules));
	err = families_read(&dump, reader->again, &complete);

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
