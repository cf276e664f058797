/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel is told of pairs, and what an earlier relayd has told it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "relayd/broker_inner.h"

static struct rules_op op_make(enum rules_op_kind kind, const char *name, const struct hole *hole)
{
	struct rules_op op = {.kind = kind, .client = hole->client, .punch = hole->punch};

	_Static_assert(sizeof(op.name) >= SPEC_NAME, "room for a stream's name");
	strcpy(op.name, name);
	return op;
}

static struct rules_op op_client(const struct broker *broker, const struct pair *pair,
	enum rules_op_kind kind, unsigned int which)
{
	struct rules_op op = op_make(kind, pair->name, &pair->told[which]);

	op.consent_ms = broker->config.consent_ms;
	op.rate = pair->crowd->stream->spec.rate;
	return op;
}

static struct rules_op op_peer(const struct pair *pair, enum rules_op_kind kind, unsigned int which)
{
	struct rules_op op = op_make(kind, pair->name, &pair->told[which]);

	op.peer = pair->told[!which].client;
	op.from = pair->told[!which].punch;
	op.number = pair->number;
	return op;
}

static void settled(void *data, int error)
{
	struct pair *pair = data;

	pair->pending--;
	pair_settled(pair->broker, pair, error);
}

static int pair_apply(
	struct broker *broker, struct pair *pair, const struct rules_op *ops, size_t count)
{
	int err = broker->config.apply(broker->config.arg, ops, count, settled, pair);

	pair->pending += err == 0;
	return err;
}

void kernel_apply(struct broker *broker, const struct rules_op *ops, size_t count)
{
	/* Short of memory: consent ends what is left, or a comparison finds it. */
	(void)broker->config.apply(broker->config.arg, ops, count, NULL, NULL);
}

void kernel_side(const struct broker *broker, const struct pair *pair, unsigned int which,
	enum rules_op_kind kind, uint32_t consent_ms, struct rules_op *out)
{
	*out = kind == RULES_PEER ? op_peer(pair, kind, which)
				  : op_client(broker, pair, kind, which);
	if (kind != RULES_PEER)
		out->consent_ms = consent_ms;
}

int kernel_pair(struct broker *broker, struct pair *pair)
{
	struct rules_op ops[4];
	bool there = adopted_take(broker, pair);

	for (unsigned int i = 0; i < 2; i++) {
		ops[i] = op_client(broker, pair, there ? RULES_CONSENT : RULES_CLIENT, i);
		ops[2 + i] = op_peer(pair, RULES_PEER, i);
	}
	return pair_apply(broker, pair, ops, there ? 2 : 4);
}

int kernel_move(
	struct broker *broker, struct pair *pair, unsigned int which, const struct hole *hole)
{
	struct rules_op ops[6];
	size_t count = 0;

	ops[count++] = op_peer(pair, RULES_UNPEER, which);
	ops[count++] = op_peer(pair, RULES_UNPEER, !which);
	if (!client_is_used(broker, &pair->told[which].client, pair))
		ops[count++] = op_client(broker, pair, RULES_UNCLIENT, which);
	pair->before = pair->told[which];
	pair->told[which] = *hole;
	ops[count++] = op_client(broker, pair, RULES_CLIENT, which);
	ops[count++] = op_peer(pair, RULES_PEER, which);
	ops[count++] = op_peer(pair, RULES_PEER, !which);
	return pair_apply(broker, pair, ops, count);
}

/* The consent of a socket ends with the last of its pairs. */
static size_t op_unclient(const struct broker *broker, const struct pair *pair,
	const struct hole *hole, struct rules_op *out)
{
	if (client_is_used(broker, &hole->client, pair))
		return 0;
	*out = op_make(RULES_UNCLIENT, pair->name, hole);
	return 1;
}

void kernel_unpair(struct broker *broker, const struct pair *pair)
{
	struct rules_op ops[4];
	size_t count = 2;

	for (unsigned int i = 0; i < 2; i++) {
		ops[i] = op_peer(pair, RULES_UNPEER, i);
		count += op_unclient(broker, pair, &pair->told[i], &ops[count]);
	}
	kernel_apply(broker, ops, count);
}

void kernel_forget(struct broker *broker, const struct pair *pair, const struct hole *hole)
{
	struct rules_op ops[2] = {op_make(RULES_UNPEER, pair->name, hole)};
	const struct lane *owner = lane_by_hole(broker, hole);

	/* It may be somebody else's by now. */
	if (!hole->client.addr.family || (owner && !owner->closed) ||
		slot_by_client(broker->config.table, &hole->client))
		return;
	kernel_apply(broker, ops, 1 + op_unclient(broker, pair, hole, &ops[1]));
}

void kernel_consent(struct broker *broker, const struct lane *lane)
{
	const struct spec *spec = &lane->crowd->stream->spec;
	struct rules_op op = op_make(RULES_CONSENT, spec->name, &lane->hole);

	op.consent_ms = broker->config.consent_ms;
	op.rate = spec->rate;
	kernel_apply(broker, &op, 1);
}

static void adopted_free(struct broker *broker, struct adopted *adopted)
{
	LIST_REMOVE(adopted, link);
	broker->adopted_count--;
	free(adopted);
}

static bool adopted_uses(
	const struct broker *broker, const struct endpoint *client, const struct rules_peer *but)
{
	const struct adopted *adopted;

	LIST_FOREACH(adopted, &broker->adopted, link)
		if (&adopted->peer != but && endpoint_equal(&adopted->peer.client, client))
			return true;
	return false;
}

static void adopted_remove(
	struct broker *broker, const struct rules_peer *peer, const struct pair *pair)
{
	const struct hole hole = {peer->client, peer->punch};
	struct rules_op ops[2] = {op_make(RULES_UNPEER, peer->name, &hole),
		op_make(RULES_UNCLIENT, peer->name, &hole)};
	bool used = client_is_used(broker, &peer->client, pair) ||
		    adopted_uses(broker, &peer->client, peer);

	ops[0].peer = peer->peer;
	ops[0].number = peer->number;
	kernel_apply(broker, ops, used ? 1 : 2);
}

static bool adopted_is(const struct adopted *adopted, const struct pair *pair, unsigned int which)
{
	const struct rules_peer *peer = &adopted->peer;

	return endpoint_equal(&peer->client, &pair->told[which].client) &&
	       endpoint_equal(&peer->punch, &pair->told[which].punch) &&
	       endpoint_equal(&peer->peer, &pair->told[!which].client) &&
	       endpoint_equal(&peer->from, &pair->told[!which].punch);
}

/* Of an earlier one that did not say from where, all holes of that socket. */
static bool adopted_has(const struct rules_peer *peer, const struct hole *hole)
{
	if (endpoint_equal(&peer->client, &hole->client) &&
		endpoint_equal(&peer->punch, &hole->punch))
		return true;
	return endpoint_equal(&peer->peer, &hole->client) &&
	       (!peer->from.addr.family || endpoint_equal(&peer->from, &hole->punch));
}

/*
 * Both directions as they are wanted are taken over; anything else of these holes is in the way.
 * Name and number are those of the stream, or it would not have been adopted.
 */
bool adopted_take(struct broker *broker, const struct pair *pair)
{
	unsigned int found = 0;
	struct adopted *adopted, *next;

	LIST_FOREACH(adopted, &broker->adopted, link)
		if (strcmp(adopted->peer.name, pair->name) == 0)
			found += adopted_is(adopted, pair, 0) + adopted_is(adopted, pair, 1);
	for (adopted = LIST_FIRST(&broker->adopted); adopted; adopted = next) {
		next = LIST_NEXT(adopted, link);
		for (unsigned int i = 0; i < 2; i++) {
			if (!adopted_has(&adopted->peer, &pair->told[i]))
				continue;
			if (found != 2 ||
				(!adopted_is(adopted, pair, 0) && !adopted_is(adopted, pair, 1)))
				adopted_remove(broker, &adopted->peer, pair);
			adopted_free(broker, adopted);
			break;
		}
	}
	return found == 2;
}

void adopted_expire(struct broker *broker)
{
	struct adopted *adopted, *next;

	for (adopted = LIST_FIRST(&broker->adopted); adopted; adopted = next) {
		next = LIST_NEXT(adopted, link);
		adopted_remove(broker, &adopted->peer, NULL);
		adopted_free(broker, adopted);
	}
}

bool adopted_has_hole(const struct broker *broker, const struct endpoint *client)
{
	return adopted_uses(broker, client, NULL);
}

bool adopted_peer(const struct broker *broker, const struct hole *hole, struct endpoint *out)
{
	const struct adopted *adopted;

	LIST_FOREACH(adopted, &broker->adopted, link) {
		const struct rules_peer *peer = &adopted->peer;

		if (!endpoint_equal(&peer->client, &hole->client) ||
			!endpoint_equal(&peer->punch, &hole->punch))
			continue;
		*out = peer->peer;
		return true;
	}
	return false;
}

void broker_adopt(struct broker *broker, const struct rules_peer *peer, int64_t now_ms)
{
	const struct stream *stream = stream_find(broker->config.table, peer->name);
	struct adopted *adopted = NULL;

	broker_set_time(broker, now_ms);
	if (stream && !stream->gone && stream->spec.peers && stream->number == peer->number &&
		broker->adopted_count < BROKER_LANES)
		adopted = malloc(sizeof(*adopted));
	if (!adopted) {
		adopted_remove(broker, peer, NULL);
		return;
	}
	adopted->peer = *peer;
	LIST_INSERT_HEAD(&broker->adopted, adopted, link);
	broker->adopted_count++;
}
