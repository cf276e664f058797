/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of the table hangs together: an operation makes elements in several sets, and somebody else
 * can take one of them away, or leave one behind. What lacks a part is told; a part that belongs to
 * nothing is deleted here.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "rules/check.h"
#include "rules/consent.h"
#include "rules/elem.h"
#include "rules/fetch.h"
#include "rules/internal.h"

/* One family's sets, each in order of its keys. */
struct check {
	struct rules *rules;
	uint8_t family;
	struct elems sets[SET_COUNT];
	void (*torn)(void *data, const struct rules_torn *torn);
	void *data;
	unsigned int searches; /* for what is missing, and cannot be looked up */
	bool part;	       /* sets hold a part of what there is, */
	bool unsure;	       /* which is not enough to judge by */
	bool owners;	       /* of ports are known */
	uint32_t marks;	       /* that were read */
};

#define SEARCHES_MAX 64

/* The sets that are looked at: the first of each group is what the others belong to. */
static const enum set_id looked_at[] = {SET_LISTEN, SET_MARK, SET_PREFIX, SET_INGRESS, SET_EXACT,
	SET_ANY, SET_EXACT_RATE, SET_ANY_RATE, SET_WITHIN, SET_RATE, SET_LIMITED, SET_EGRESS,
	SET_CONSENT, SET_PEER, SET_PEER_MARK, SET_PEER_FROM};
#define LOOKED_AT (sizeof(looked_at) / sizeof(looked_at[0]))

static int key_compare(const void *a, const void *b)
{
	const struct elem *x = a, *y = b;
	int order = elem_endpoint_compare(&x->key, &y->key);

	if (!order && elem_is_peer(x->set))
		order = elem_endpoint_compare(&x->to, &y->to);
	if (!order && elem_has_source(x->set))
		order = memcmp(
			x->source.addr.bytes, y->source.addr.bytes, sizeof(x->source.addr.bytes));
	return order;
}

/* The element of a set with like's key, and its source where that is part of it. */
static const struct elem *find(const struct check *check, enum set_id set, const struct elem *like)
{
	const struct elems *elems = &check->sets[set];
	struct elem key = *like;

	key.set = set;
	if (!elems->count)
		return NULL;
	return bsearch(&key, elems->list, elems->count, sizeof(key), key_compare);
}

static bool is_within(const struct prefix *source)
{
	return source->bits && source->bits < 8 * addr_size(source->addr.family);
}

static void tell(const struct check *check, enum rules_torn_kind kind, const struct elem *elem)
{
	struct rules_torn torn = {.kind = kind, .at = elem->key, .to = elem->to};

	check->torn(check->data, &torn);
}

static bool listen_is_whole(const struct check *check, const struct elem *listen)
{
	const struct elem *mark = find(check, SET_MARK, listen);

	if (!mark || mark->number != listen->number)
		return false;
	return !is_within(&listen->source) || find(check, SET_PREFIX, listen);
}

/* Consent that has run out is told too: whoever asks knows whether it should have. */
static bool ingress_is_whole(const struct check *check, const struct elem *ingress)
{
	const struct elem *listen = find(check, SET_LISTEN, ingress);

	for (const enum set_id *set = consent_sets; listen && *set != SET_COUNT; set++)
		if (consent_is_of(*set, &listen->source) && find(check, *set, listen))
			return !consent_is_apart(*set) || find(check, SET_RATE, listen);
	return false;
}

static bool peer_is_whole(const struct check *check, const struct elem *peer)
{
	const struct elem *mark = find(check, SET_PEER_MARK, peer);

	return mark && mark->number == peer->number;
}

/* What it belongs to is there. */
static bool belongs(const struct check *check, const struct elem *elem)
{
	const struct elem *listen = find(check, SET_LISTEN, elem);

	switch (elem->set) {
	case SET_MARK:
		return listen;
	case SET_PREFIX:
		return listen && is_within(&listen->source) &&
		       !memcmp(listen->source.addr.bytes, elem->source.addr.bytes,
			       sizeof(elem->source.addr.bytes));
	case SET_EXACT:
	case SET_ANY:
	case SET_EXACT_RATE:
	case SET_ANY_RATE:
	case SET_WITHIN:
		return listen && consent_is_of(elem->set, &listen->source) &&
		       (!elem_has_source(elem->set) ||
			       addr_equal(&listen->source.addr, &elem->source.addr));
	case SET_RATE:
	case SET_LIMITED:
		return listen;
	case SET_CONSENT:
		return find(check, SET_EGRESS, elem);
	case SET_PEER_MARK:
	case SET_PEER_FROM:
		return find(check, SET_PEER, elem);
	case SET_LISTEN:
	case SET_INGRESS:
	case SET_EGRESS:
	case SET_PUNCH:
	case SET_RAW:
	case SET_OPENING:
	case SET_PEER:
	case SET_COUNT:
		break;
	}
	return true;
}

/* Some INGRESS leads to the client of this hole. */
static bool is_led_to(const struct check *check, const struct elem *hole)
{
	const struct elems *ingress = &check->sets[SET_INGRESS];

	for (size_t i = 0; i < ingress->count; i++)
		if (endpoint_equal(&ingress->list[i].data, &hole->key))
			return true;
	return false;
}

/* The only hole of this stream to which nothing leads, or NULL. */
static const struct elem *lonely_hole(const struct check *check, const char *name)
{
	const struct elems *holes = &check->sets[SET_EGRESS];
	const struct elem *found = NULL;

	for (size_t i = 0; i < holes->count; i++) {
		const struct elem *hole = &holes->list[i];

		if (strcmp(hole->name, name) != 0 || find(check, SET_CONSENT, hole) ||
			is_led_to(check, hole))
			continue;
		if (found)
			return NULL;
		found = hole;
	}
	return found;
}

/*
 * A port has consent and leads nowhere. If its stream has one hole to which nothing leads, they
 * belong together; each search costs, and there is no sense in many.
 */
static void ingress_restore(struct check *check, const struct elem *consent)
{
	struct elem elem = {.set = SET_INGRESS, .key = consent->key};
	const struct elem *hole;

	if (check->searches == SEARCHES_MAX || find(check, SET_INGRESS, consent))
		return;
	if (check->part) {
		check->unsure |= !check->owners;
		return;
	}
	check->searches++;
	hole = lonely_hole(check, consent->name);
	if (!hole)
		return;
	elem.data = hole->key;
	memcpy(elem.name, consent->name, sizeof(elem.name));
	elem_add(&check->rules->batch, -1, &elem);
}

static bool is_consent(enum set_id set)
{
	const enum set_id *at = consent_sets;

	while (*at != SET_COUNT && *at != set)
		at++;
	return *at == set && set != SET_COUNT;
}

static void look(struct check *check, const struct elem *elem)
{
	if (elem->set == SET_LISTEN && !listen_is_whole(check, elem))
		tell(check, RULES_TORN_LISTEN, elem);
	else if (elem->set == SET_INGRESS && !ingress_is_whole(check, elem))
		tell(check, RULES_TORN_INGRESS, elem);
	else if (elem->set == SET_PEER && !peer_is_whole(check, elem))
		tell(check, RULES_TORN_PEER, elem);
	else if (is_consent(elem->set) && belongs(check, elem))
		ingress_restore(check, elem);
	else if (!belongs(check, elem))
		elem_delete(&check->rules->batch, &check->rules->kernel, -1, elem);
}

static int set_load(struct check *check, enum set_id set)
{
	struct elems *elems = &check->sets[set];
	int err = elem_dump(&check->rules->nl, set, check->family, elems);

	if (!err && elems->count)
		qsort(elems->list, elems->count, sizeof(struct elem), key_compare);
	return err;
}

static int family_load(struct check *check)
{
	int err = 0;

	for (size_t i = 0; !err && i < LOOKED_AT; i++)
		err = set_load(check, looked_at[i]);
	return err;
}

static void sets_look(struct check *check)
{
	for (size_t i = 0; i < LOOKED_AT; i++) {
		const struct elems *elems = &check->sets[looked_at[i]];

		for (size_t e = 0; e < elems->count; e++)
			look(check, &elems->list[e]);
	}
}

static void sets_free(struct check *check)
{
	for (size_t i = 0; i < LOOKED_AT; i++)
		free(check->sets[looked_at[i]].list);
	memset(check->sets, 0, sizeof(check->sets));
}

int check_end(struct check *check)
{
	int err = batch_commit(&check->rules->batch, &check->rules->nl, NULL);

	batch_clear(&check->rules->batch);
	return err;
}

/* A dump of a large set takes the kernel a time that grows with the square of its size. */
int check_whole(struct check *check)
{
	int err = family_load(check);

	check->part = false;
	batch_clear(&check->rules->batch);
	if (!err)
		sets_look(check);
	sets_free(check);
	return err ? err : check_end(check);
}

/* Those of a set that have the keys of `like`, which may be those of other sets. */
static int set_fetch(struct check *check, enum set_id set, const struct elems *like)
{
	struct elems *out = &check->sets[set];
	struct elem *keys = calloc(like->count + 1, sizeof(*keys));
	int err;

	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < like->count; i++) {
		keys[i] = like->list[i];
		keys[i].set = set;
	}
	err = fetch_elems(&check->rules->nl, keys, like->count, out);
	free(keys);
	if (!err && out->count)
		qsort(out->list, out->count, sizeof(*out->list), key_compare);
	return err;
}

/* Peers, which are few beside the streams of a large relay. */
int check_peers(struct check *check)
{
	static const enum set_id sets[] = {SET_CONSENT, SET_PEER, SET_PEER_MARK, SET_PEER_FROM};
	int err = 0;

	check->part = true;
	batch_clear(&check->rules->batch);
	for (size_t i = 0; !err && i < sizeof(sets) / sizeof(sets[0]); i++)
		err = set_load(check, sets[i]);
	if (!err)
		err = set_fetch(check, SET_EGRESS, &check->sets[SET_CONSENT]);
	if (!err)
		sets_look(check);
	sets_free(check);
	return err ? err : check_end(check);
}

/* Of one listening endpoint there is one consent, so the order stays. */
static int consents_sort(struct check *check, const struct elems *consents)
{
	for (size_t i = 0; i < consents->count; i++) {
		const struct elems one = {.list = &consents->list[i], .count = 1};

		if (!elems_append(&check->sets[one.list->set], &one))
			return -ENOMEM;
	}
	return 0;
}

int check_part(struct check *check, const struct check_part *part)
{
	int err;

	batch_clear(&check->rules->batch);
	err = set_fetch(check, SET_MARK, part->listening);

	check->marks += (uint32_t)check->sets[SET_MARK].count;
	if (!err)
		err = consents_sort(check, part->consents);
	check->sets[SET_LISTEN] = *part->listening;
	check->sets[SET_INGRESS] = *part->ingress;
	check->sets[SET_RATE] = *part->rates;
	if (!err)
		sets_look(check);
	check->sets[SET_LISTEN] = check->sets[SET_INGRESS] = check->sets[SET_RATE] =
		(struct elems){0};
	sets_free(check);
	return err;
}

bool check_is_complete(const struct check *check, uint64_t slack)
{
	struct nl *nl = &check->rules->nl;
	uint32_t marks = 0, prefixes = 0;

	return !check->unsure && !fetch_count(nl, SET_MARK, check->family, &marks) &&
	       !fetch_count(nl, SET_PREFIX, check->family, &prefixes) && !prefixes &&
	       marks <= check->marks + slack && check->marks <= marks + slack;
}

void check_family(struct check *check, uint8_t family)
{
	check->family = family;
	check->unsure = false;
	check->marks = 0;
}

void check_owners(struct check *check, bool known)
{
	check->owners = known;
}

struct check *check_new(
	struct rules *rules, void (*torn)(void *data, const struct rules_torn *torn), void *data)
{
	struct check *check = calloc(1, sizeof(*check));

	if (!check)
		return NULL;
	check->rules = rules;
	check->torn = torn;
	check->data = data;
	return check;
}
