/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel has lost of the pairs, or has with another rate, is made anew. */
#include <stdlib.h>
#include <string.h>

#include "relayd/broker_inner.h"

/* Clocks and transactions that were on their way make no more of a difference than this. */
#define CONSENT_SLACK_MS 2000

static bool peer_is(const struct pair *pair, unsigned int which, const struct rules_peer *peer)
{
	return peer && peer->number == pair->number &&
	       endpoint_equal(&peer->peer, &pair->told[!which].client) &&
	       endpoint_equal(&peer->from, &pair->told[!which].punch);
}

/* Milliseconds that are left of the lane's consent. */
static int64_t consent_left(const struct broker *broker, const struct lane *lane)
{
	return (int64_t)broker->config.consent_ms - (broker->now_ms - lane->refreshed_ms);
}

/* One side of a pair: adds what is missing of it. */
static size_t side_compare(const struct broker *broker, const struct broker_kernel *kernel,
	const struct pair *pair, unsigned int which, struct rules_op *ops)
{
	const struct rules_client *client = kernel->client(kernel->data, &pair->told[which].client);
	const struct rules_peer *peer = kernel->peer(kernel->data, &pair->told[which]);
	int64_t left = consent_left(broker, pair->lane[which]);
	size_t count = 0;

	if (left > CONSENT_SLACK_MS && (!client || client->consent_ms < left - CONSENT_SLACK_MS))
		kernel_side(broker, pair, which, client ? RULES_CONSENT : RULES_CLIENT,
			(uint32_t)left, &ops[count++]);
	if (!peer_is(pair, which, peer))
		kernel_side(broker, pair, which, RULES_PEER, 0, &ops[count++]);
	return count;
}

static size_t pair_compare(
	struct broker *broker, const struct broker_kernel *kernel, const struct pair *pair)
{
	struct rules_op ops[4];
	size_t count = 0;

	for (unsigned int i = 0; i < 2; i++)
		count += side_compare(broker, kernel, pair, i, &ops[count]);
	if (count)
		kernel_apply(broker, ops, count);
	return count;
}

/* What an earlier relayd had left, and is not there any more, nobody can take over. */
static void adopted_compare(struct broker *broker, const struct broker_kernel *kernel)
{
	struct adopted *adopted, *next;

	for (adopted = LIST_FIRST(&broker->adopted); adopted; adopted = next) {
		const struct hole hole = {adopted->peer.client, adopted->peer.punch};

		next = LIST_NEXT(adopted, link);
		if (kernel->client(kernel->data, &hole.client) && kernel->peer(kernel->data, &hole))
			continue;
		LIST_REMOVE(adopted, link);
		broker->adopted_count--;
		free(adopted);
	}
}

void broker_rate(struct broker *broker, const struct stream *stream, int64_t now_ms)
{
	const struct crowd *crowd = crowd_find(broker, stream);
	const struct pair *pair;
	struct rules_op ops[2];

	if (!crowd)
		return;
	broker_set_time(broker, now_ms);
	LIST_FOREACH(pair, &crowd->paired, link) {
		for (unsigned int i = 0; i < 2; i++) {
			int64_t left = consent_left(broker, pair->lane[i]);

			kernel_side(broker, pair, i, RULES_CLIENT, left > 0 ? (uint32_t)left : 1,
				&ops[i]);
		}
		kernel_apply(broker, ops, 2);
	}
}

size_t broker_compare(struct broker *broker, const struct broker_kernel *kernel, int64_t now_ms)
{
	const struct crowd *crowd;
	const struct pair *pair;
	size_t missing = 0;

	broker_set_time(broker, now_ms);
	adopted_compare(broker, kernel);
	for (size_t i = 0; i < BROKER_BUCKETS; i++)
		LIST_FOREACH(crowd, &broker->crowds[i], link)
			LIST_FOREACH(pair, &crowd->paired, link)
				missing += pair_compare(broker, kernel, pair);
	return missing;
}
