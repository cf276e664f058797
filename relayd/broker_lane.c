/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of lanes: found by name and by hole, waiting by stream, and remembered when closed. */
#include <stdlib.h>
#include <string.h>

#include "common/mac.h"
#include "relayd/broker_inner.h"

#define DOUBT_MS       4000 /* some pushes, and their answers from far away */
#define DOUBT_AGAIN_MS 1000 /* a service with many clients has many new lanes */

static size_t bucket_of_bytes(const struct broker *broker, const void *data, size_t len)
{
	const uint8_t *bytes = data;
	uint32_t hash = broker->seed ^ 0x811c9dc5u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * 0x01000193u;
	return (hash ^ hash >> 16) % BROKER_BUCKETS;
}

static size_t bucket_of_hole(const struct broker *broker, const struct endpoint *client)
{
	return endpoint_hash(client, broker->seed) % BROKER_BUCKETS;
}

static size_t bucket_of_stream(const struct broker *broker, const struct stream *stream)
{
	return bucket_of_bytes(broker, &stream, sizeof(stream));
}

struct crowd *crowd_find(const struct broker *broker, const struct stream *stream)
{
	struct crowd *crowd;

	LIST_FOREACH(crowd, &broker->crowds[bucket_of_stream(broker, stream)], link)
		if (crowd->stream == stream)
			return crowd;
	return NULL;
}

struct crowd *crowd_make(struct broker *broker, struct stream *stream)
{
	struct crowd *crowd = crowd_find(broker, stream);

	if (crowd)
		return crowd;
	crowd = calloc(1, sizeof(*crowd));
	if (!crowd)
		return NULL;
	crowd->stream = stream;
	TAILQ_INIT(&crowd->waiting[PEER_CLIENT]);
	TAILQ_INIT(&crowd->waiting[PEER_SERVICE]);
	LIST_INIT(&crowd->paired);
	LIST_INSERT_HEAD(&broker->crowds[bucket_of_stream(broker, stream)], crowd, link);
	return crowd;
}

bool crowd_take(struct crowd *crowd, int64_t now_ms)
{
	int64_t full_ms = crowd->full_ms > now_ms ? crowd->full_ms : now_ms;

	if (full_ms - now_ms > (BROKER_OPS_BURST - 1) * 1000 / BROKER_OPS_RATE)
		return false;
	crowd->full_ms = full_ms + 1000 / BROKER_OPS_RATE;
	return true;
}

struct lane *lane_find(const struct broker *broker, const uint8_t id[static PEER_LANE])
{
	struct lane *lane;

	LIST_FOREACH(lane, &broker->ids[bucket_of_bytes(broker, id, PEER_LANE)], id_link)
		if (memcmp(lane->id, id, PEER_LANE) == 0)
			return lane;
	return NULL;
}

struct lane *lane_by_hole(const struct broker *broker, const struct hole *hole)
{
	struct lane *lane;

	LIST_FOREACH(lane, &broker->holes[bucket_of_hole(broker, &hole->client)], hole_link)
		if (hole_equal(&lane->hole, hole))
			return lane;
	return NULL;
}

struct lane *lane_by_client(const struct broker *broker, const struct endpoint *client)
{
	struct lane *lane;

	LIST_FOREACH(lane, &broker->holes[bucket_of_hole(broker, client)], hole_link)
		if (!lane->closed && endpoint_equal(&lane->hole.client, client))
			return lane;
	return NULL;
}

bool client_is_used(
	const struct broker *broker, const struct endpoint *client, const struct pair *pair)
{
	const struct lane *lane;

	LIST_FOREACH(lane, &broker->holes[bucket_of_hole(broker, client)], hole_link)
		if (lane->pair && lane->pair != pair && endpoint_equal(&lane->hole.client, client))
			return true;
	return false;
}

static void lane_unhash_hole(struct lane *lane)
{
	if (lane->hashed)
		LIST_REMOVE(lane, hole_link);
	lane->hashed = false;
}

void lane_set_hole(struct broker *broker, struct lane *lane, const struct hole *hole)
{
	struct lane *before = lane_by_hole(broker, hole);

	/* What a closed one is told would be taken for what this one is. */
	if (before && before != lane) {
		lane_unhash_hole(before);
		before->push_ms = INT64_MAX;
		lane_schedule(broker, before);
	}
	lane_unhash_hole(lane);
	lane->sampled &= endpoint_equal(&lane->hole.client, &hole->client);
	lane->hole = *hole;
	LIST_INSERT_HEAD(&broker->holes[bucket_of_hole(broker, &hole->client)], lane, hole_link);
	lane->hashed = true;
}

struct lane *lane_make(struct broker *broker, struct crowd *crowd, const struct peer_hello *hello,
	const struct hole *hole)
{
	struct lane *lane;

	if (LIST_EMPTY(&broker->free_lanes) && !TAILQ_EMPTY(&broker->closed))
		lane_free(broker, TAILQ_FIRST(&broker->closed));
	lane = LIST_FIRST(&broker->free_lanes);
	if (!lane)
		return NULL;
	LIST_REMOVE(lane, free_link);
	memset(lane, 0, sizeof(*lane));
	memcpy(lane->id, hello->lane, PEER_LANE);
	lane->role = hello->role;
	lane->crowd = crowd;
	lane->serial = serial_first(broker, hello->heard);
	lane->push_ms = INT64_MAX;
	crowd->lanes++;
	LIST_INSERT_HEAD(&broker->ids[bucket_of_bytes(broker, lane->id, PEER_LANE)], lane, id_link);
	lane_set_hole(broker, lane, hole);
	return lane;
}

void lane_free(struct broker *broker, struct lane *lane)
{
	lane_unhash_hole(lane);
	LIST_REMOVE(lane, id_link);
	TAILQ_REMOVE(&broker->closed, lane, closed_link);
	heap_set(&broker->heap, &lane->timer, INT64_MAX);
	mac_wipe(lane->key, sizeof(lane->key));
	LIST_INSERT_HEAD(&broker->free_lanes, lane, free_link);
}

void lane_wait(struct lane *lane)
{
	struct crowd *crowd = lane->crowd;

	if (lane->waiting)
		return;
	lane->waiting = true;
	lane->patience_ms = 0;
	if (lane->role == PEER_SERVICE)
		crowd->offers++;
	else
		crowd->callers++;
	TAILQ_INSERT_HEAD(&crowd->waiting[lane->role], lane, wait_link);
}

void lane_unwait(struct lane *lane)
{
	struct crowd *crowd = lane->crowd;

	if (!lane->waiting)
		return;
	lane->waiting = false;
	if (lane->role == PEER_SERVICE)
		crowd->offers--;
	else
		crowd->callers--;
	TAILQ_REMOVE(&crowd->waiting[lane->role], lane, wait_link);
}

/* It is remembered: a request that was captured must not bring it back to life. */
void lane_end(struct broker *broker, struct lane *lane, const char *why)
{
	struct pair *pair = lane->pair;
	struct lane *other = pair ? pair->lane[!lane->role] : NULL;

	if (lane->closed)
		return;
	lane_unwait(lane);
	if (pair)
		pair_dissolve(broker, pair, why);
	lane->crowd->lanes--;
	lane->claims = false;
	lane->closed = true;
	lane->closed_ms = broker->now_ms;
	lane->doubt_ms = 0;
	memset(&lane->round, 0, sizeof(lane->round));
	TAILQ_INSERT_TAIL(&broker->closed, lane, closed_link);
	word_changed(broker, lane);
	if (other)
		lane_end(broker, other, why);
}

static void lane_doubt(struct broker *broker, struct lane *lane)
{
	lane->doubted = true;
	lane->doubted_ms = broker->now_ms;
	lane->doubt_ms = 0;
	word_changed(broker, lane);
}

/*
 * A service that was killed and has started again does not know its old lanes, which would keep
 * their clients until consent ends. So when a new lane comes, the paired ones of the same public
 * address are told their word again: who lives says that it was heard.
 */
void lane_doubt_others(struct broker *broker, const struct lane *fresh)
{
	struct pair *pair;

	LIST_FOREACH(pair, &fresh->crowd->paired, link) {
		struct lane *lane = pair->lane[PEER_SERVICE];

		if (!lane || lane->closed || lane->doubted ||
			!addr_equal(&lane->hole.client.addr, &fresh->hole.client.addr))
			continue;
		if (!lane->doubted_ms || broker->now_ms - lane->doubted_ms >= DOUBT_AGAIN_MS) {
			lane_doubt(broker, lane);
			continue;
		}
		lane->doubt_ms = lane->doubted_ms + DOUBT_AGAIN_MS;
		lane_schedule(broker, lane);
	}
}

/* When it ends, unless it says hello. */
static int64_t end_ms(const struct broker *broker, const struct lane *lane)
{
	int64_t silent_ms = lane->hello_ms + broker->config.consent_ms;
	int64_t claim_ms = broker->started_ms + broker->config.consent_ms;

	if (lane->closed)
		return lane->closed_ms + BROKER_LINGER;
	if (lane->claims && !lane->pair && claim_ms < silent_ms)
		return claim_ms;
	if (lane->doubted && lane->doubted_ms + DOUBT_MS < silent_ms)
		return lane->doubted_ms + DOUBT_MS;
	return silent_ms;
}

void lane_schedule(struct broker *broker, struct lane *lane)
{
	int64_t due_ms = end_ms(broker, lane);

	if (lane->doubt_ms && lane->doubt_ms < due_ms)
		due_ms = lane->doubt_ms;
	if (lane->waiting && lane->patience_ms > broker->now_ms && lane->patience_ms < due_ms)
		due_ms = lane->patience_ms;
	heap_set(&broker->heap, &lane->timer, lane->push_ms < due_ms ? lane->push_ms : due_ms);
}

void lane_due(struct broker *broker, struct lane *lane)
{
	bool ends = broker->now_ms >= end_ms(broker, lane);

	if (ends && lane->closed) {
		lane_free(broker, lane);
	} else if (ends) {
		lane_end(broker, lane, lane->claims ? "the other has not come back" : "silent");
	} else {
		if (lane->doubt_ms && broker->now_ms >= lane->doubt_ms)
			lane_doubt(broker, lane);
		if (broker->now_ms >= lane->push_ms)
			word_push(broker, lane);
		lane_schedule(broker, lane);
		if (lane->waiting && lane->patience_ms && broker->now_ms >= lane->patience_ms)
			pair_all(broker, lane->crowd);
	}
}
