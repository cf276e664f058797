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
	uint32_t counts[SET_COUNT], seen[SET_COUNT]; /* elements there are, and were read */
};

/* Below, dumps are as good. */
#define PARTS_MIN 4096
/* Listening endpoints that are looked at together. */
#define PART 2048

#define SEARCHES_MAX 64

/* The sets that are looked at: the first of each group is what the others belong to. */
static const enum set_id looked_at[] = {SET_LISTEN, SET_MARK, SET_PREFIX, SET_INGRESS, SET_EXACT,
	SET_ANY, SET_EXACT_RATE, SET_ANY_RATE, SET_WITHIN, SET_RATE, SET_EGRESS, SET_CONSENT,
	SET_PEER, SET_PEER_MARK, SET_PEER_FROM};
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
		check->unsure = true;
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

static int family_load(struct check *check)
{
	int err = 0;

	for (size_t i = 0; !err && i < LOOKED_AT; i++) {
		struct elems *elems = &check->sets[looked_at[i]];

		err = elem_dump(&check->rules->nl, looked_at[i], check->family, elems);
		if (!err && elems->count)
			qsort(elems->list, elems->count, sizeof(struct elem), key_compare);
	}
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

/* A dump of a large set takes the kernel a time that grows with the square of its size. */
static int whole_check(struct check *check)
{
	int err = family_load(check);

	if (!err)
		sets_look(check);
	sets_free(check);
	return err;
}

/* Those of a set that have the keys of `like`, which may be those of other sets. */
static int set_fetch(struct check *check, enum set_id set, const struct elems *like)
{
	struct elems *out = &check->sets[set];
	struct elem *keys;
	size_t count = 0;
	int err;

	if (!check->counts[set] || !like->count)
		return 0;
	keys = calloc(like->count, sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < like->count; i++) {
		const struct elem *elem = &like->list[i];

		if (is_consent(set) && !consent_is_of(set, &elem->source))
			continue;
		keys[count] = *elem;
		keys[count++].set = set;
	}
	err = fetch_elems(&check->rules->nl, keys, count, out);
	free(keys);
	check->seen[set] += (uint32_t)out->count;
	if (!err && out->count)
		qsort(out->list, out->count, sizeof(*out->list), key_compare);
	return err;
}

/* Everything of a few listening endpoints. */
static int part_check(struct check *check, const struct endpoint *at, size_t count)
{
	const struct elems *listens = &check->sets[SET_LISTEN];
	struct elems keys = {.list = calloc(count, sizeof(struct elem))};
	int err = keys.list ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < count; i++)
		if (at[i].addr.family == check->family)
			keys.list[keys.count++] = (struct elem){.key = at[i]};
	if (!err)
		err = set_fetch(check, SET_LISTEN, &keys);
	if (!err)
		err = set_fetch(check, SET_INGRESS, &keys);
	if (!err)
		err = set_fetch(check, SET_MARK, listens);
	for (const enum set_id *set = consent_sets; !err && *set != SET_COUNT; set++)
		err = set_fetch(check, *set, listens);
	if (!err)
		err = set_fetch(check, SET_RATE, listens);
	if (!err)
		sets_look(check);
	sets_free(check);
	free(keys.list);
	return err;
}

static const enum set_id few[] = {SET_CONSENT, SET_PEER, SET_PEER_MARK, SET_PEER_FROM};

/* Peers, which are few beside the streams of a large relay. */
static int peers_check(struct check *check)
{
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(few) / sizeof(few[0]); i++) {
		struct elems *elems = &check->sets[few[i]];

		err = elem_dump(&check->rules->nl, few[i], check->family, elems);
		check->seen[few[i]] = (uint32_t)elems->count;
		if (!err && elems->count)
			qsort(elems->list, elems->count, sizeof(struct elem), key_compare);
	}
	if (!err)
		err = set_fetch(check, SET_EGRESS, &check->sets[SET_CONSENT]);
	if (!err)
		sets_look(check);
	sets_free(check);
	return err;
}

static int counts_read(struct check *check)
{
	int err = 0;

	for (size_t i = 0; !err && i < LOOKED_AT; i++)
		err = fetch_count(&check->rules->nl, looked_at[i], check->family,
			&check->counts[looked_at[i]]);
	return err;
}

/* All that there is has been looked at; of EGRESS nothing is said. */
static bool counts_agree(const struct check *check)
{
	for (size_t i = 0; i < LOOKED_AT; i++)
		if (looked_at[i] != SET_EGRESS &&
			check->seen[looked_at[i]] != check->counts[looked_at[i]])
			return false;
	return true;
}

/* By the keys that are known; *sure: they are all there are, and enough to judge by. */
static int parts_check(struct check *check, bool *sure)
{
	const struct rules *rules = check->rules;
	size_t part;
	int err;

	*sure = false;
	/* A kernel that does not count cannot say that this is all. */
	if (rules->hint_count < PARTS_MIN || counts_read(check) ||
		check->counts[SET_LISTEN] < PARTS_MIN || check->counts[SET_PREFIX])
		return 0;
	check->part = true;
	err = peers_check(check);
	for (size_t i = 0; !err && !check->unsure && i < rules->hint_count; i += part) {
		part = rules->hint_count - i < PART ? rules->hint_count - i : PART;
		err = part_check(check, rules->hints + i, part);
	}
	*sure = !err && !check->unsure && counts_agree(check);
	check->part = false;
	return err;
}

/* What the parts have told is true, if perhaps not all; it may be told again. */
static int family_check(struct rules *rules, uint8_t family,
	void (*torn)(void *data, const struct rules_torn *torn), void *data)
{
	struct check check = {.rules = rules, .family = family, .torn = torn, .data = data};
	bool sure;
	int err;

	batch_clear(&rules->batch);
	err = parts_check(&check, &sure);
	if (!err && !sure) {
		batch_clear(&rules->batch);
		err = whole_check(&check);
	}
	return err ? err : batch_commit(&rules->batch, &rules->nl, NULL);
}

int rules_check(
	struct rules *rules, void (*torn)(void *data, const struct rules_torn *torn), void *data)
{
	int err = family_check(rules, AF_INET, torn, data);

	return err ? err : family_check(rules, AF_INET6, torn, data);
}
