/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A hello: whose it is, what it changes, and what it is answered. */
#include <errno.h>
#include <string.h>

#include "common/mac.h"
#include "relayd/broker_inner.h"

#define RTT_MAX_MS    2000
#define PUSH_LATER_MS 100

static const uint8_t nobody[PEER_LANE];

static bool is_paired(const struct peer_hello *hello)
{
	return memcmp(hello->peer, nobody, PEER_LANE) != 0;
}

static void word_closed(
	const struct broker *broker, const struct broker_hello *hello, struct peer_word *word)
{
	const struct lane lane = {
		.closed = true,
		.hole = hello->hole,
		.serial = serial_first(broker, hello->hello->heard),
	};

	word_fill(broker, &lane, word);
}

static bool nat_equal(const struct nat_report *a, const struct nat_report *b)
{
	uint8_t bytes[2][NAT_WIRE];
	struct buf buf;

	buf_init(&buf, bytes[0], NAT_WIRE);
	nat_put(&buf, a);
	buf_init(&buf, bytes[1], NAT_WIRE);
	nat_put(&buf, b);
	return memcmp(bytes[0], bytes[1], NAT_WIRE) == 0;
}

static int refuse(struct broker *broker, struct crowd *crowd, enum broker_count why)
{
	broker->counts[why]++;
	if (crowd)
		crowd->refused++;
	return why == BROKER_FOREIGN ? -EPERM : -EBUSY;
}

/*
 * Nobody else has the socket, and all lanes of it share it, or it has one. A lane of the same
 * stream lets the hole go: that socket proves now that it has begun anew.
 */
static int hole_take(struct broker *broker, const struct broker_hello *hello, struct lane *lane)
{
	const struct endpoint *client = &hello->hole.client;
	struct lane *other = lane_by_client(broker, client);

	if (slot_by_client(broker->config.table, client) ||
		(other && other->crowd->stream != hello->stream))
		return -EADDRINUSE;
	while (!hello->hello->shared && other && other != lane) {
		lane_end(broker, other, "its socket has a new lane");
		other = lane_by_client(broker, client);
	}
	other = lane_by_hole(broker, &hello->hole);
	if (!other || other == lane || other->closed)
		return 0;
	lane_end(broker, other, "its socket has a new lane");
	return 0;
}

/* The other one of a pair that an earlier relayd has made, if it has come back. */
static struct lane *claimed_find(
	struct broker *broker, const struct crowd *crowd, const struct peer_hello *hello)
{
	struct lane *other = lane_find(broker, hello->peer);

	if (!other || !other->claims || other->crowd != crowd || other->role == hello->role ||
		memcmp(other->hello.peer, hello->lane, PEER_LANE) != 0)
		return NULL;
	return other;
}

/* After a start those come back who were paired; later nobody can. */
static bool may_claim(
	const struct broker *broker, const struct crowd *crowd, const struct peer_hello *hello)
{
	const struct lane *other = lane_find(broker, hello->peer);

	if (broker->now_ms >= broker->started_ms + broker->config.consent_ms)
		return false;
	return !other || (other->claims && other->crowd == crowd);
}

/* A client that only wants one in reserve has no place that another one needs. */
static bool spare_end(struct broker *broker, struct crowd *crowd)
{
	struct lane *client;

	TAILQ_FOREACH(client, &crowd->waiting[PEER_CLIENT], wait_link) {
		if (client->hello.spare) {
			lane_end(broker, client, "gives its place to another");
			return true;
		}
	}
	return pair_make_room(broker, crowd, 0);
}

static bool has_room(struct broker *broker, struct crowd *crowd, const struct peer_hello *hello)
{
	unsigned int peers = crowd->stream->spec.peers;

	if (crowd->lanes >= 2 * (peers + BROKER_OFFERS))
		return false;
	if (is_paired(hello))
		return true;
	if (hello->role == PEER_SERVICE)
		return crowd->offers < BROKER_OFFERS;
	if (crowd->callers < BROKER_OFFERS && crowd->pairs + crowd->callers < peers)
		return true;
	return !hello->spare && spare_end(broker, crowd);
}

static void lane_update(struct broker *broker, struct lane *lane, const struct broker_hello *hello)
{
	lane->hello = *hello->hello;
	lane->hello_ms = broker->now_ms;
	lane->doubted = false;
	lane->sequence = hello->sequence;
	mac_wipe(lane->key, sizeof(lane->key));
	memcpy(lane->key, hello->key, hello->key_len);
	lane->key_len = hello->key_len;
}

static void lane_begin(struct broker *broker, struct lane *lane)
{
	struct lane *other;

	if (is_paired(&lane->hello)) {
		other = claimed_find(broker, lane->crowd, &lane->hello);
		lane->claims = true;
		if (other && lane->crowd->pairs < lane->crowd->stream->spec.peers)
			pair_again(broker, lane, other);
		return;
	}
	lane_wait(lane);
	pair_all(broker, lane->crowd);
	if (lane->waiting && lane->role == PEER_CLIENT && !lane->unserved) {
		lane->unserved = true;
		broker->counts[BROKER_UNSERVED]++;
	}
}

static int hello_new(
	struct broker *broker, const struct broker_hello *hello, struct peer_word *word)
{
	struct crowd *crowd = crowd_make(broker, hello->stream);
	struct lane *lane;
	int err;

	if (!crowd)
		return refuse(broker, NULL, BROKER_FULL);
	if (hello->hello->bye ||
		(is_paired(hello->hello) && !may_claim(broker, crowd, hello->hello))) {
		word_closed(broker, hello, word);
		return 0;
	}
	err = hole_take(broker, hello, NULL);
	if (err) {
		refuse(broker, crowd, BROKER_FOREIGN);
		return err;
	}
	if (broker->config.table->draining && !is_paired(hello->hello)) {
		refuse(broker, crowd, BROKER_DRAINING);
		return -ESHUTDOWN;
	}
	if (!has_room(broker, crowd, hello->hello))
		return refuse(broker, crowd, BROKER_CROWDED);
	if (!crowd_take(crowd, broker->now_ms))
		return refuse(broker, crowd, BROKER_HASTY);
	lane = lane_make(broker, crowd, hello->hello, &hello->hole);
	if (!lane)
		return refuse(broker, crowd, BROKER_FULL);
	lane->fresh = !hello->hello->heard;
	lane_update(broker, lane, hello);
	if (lane->role == PEER_SERVICE)
		lane_doubt_others(broker, lane);
	lane_begin(broker, lane);
	word_fill(broker, lane, word);
	lane_schedule(broker, lane);
	return 0;
}

static int lane_follow(struct broker *broker, struct lane *lane, const struct broker_hello *hello)
{
	int err;

	if (hole_equal(&lane->hole, &hello->hole))
		return 0;
	err = hole_take(broker, hello, lane);
	if (err) {
		refuse(broker, lane->crowd, BROKER_FOREIGN);
		return err;
	}
	if (!crowd_take(lane->crowd, broker->now_ms))
		return refuse(broker, lane->crowd, BROKER_HASTY);
	pair_move(broker, lane, &hello->hole);
	return 0;
}

/* The answer to this hello is on its way: a push in the same moment would say it twice. */
static void push_later(struct broker *broker, struct lane *lane)
{
	int64_t later_ms = broker->now_ms + PUSH_LATER_MS +
			   (lane->hello.rtt_ms < RTT_MAX_MS ? lane->hello.rtt_ms : RTT_MAX_MS);

	if (lane->hello.heard == lane->serial)
		lane->push_ms = INT64_MAX;
	else if (lane->push_ms < later_ms)
		lane->push_ms = later_ms;
	lane_schedule(broker, lane);
}

static void lane_heard(struct broker *broker, struct lane *lane, const struct nat_report *before)
{
	struct pair *pair = lane->pair;

	if (lane->hello.bye) {
		lane_end(broker, lane, "said goodbye");
		return;
	}
	if (lane->claims && !pair && !is_paired(&lane->hello)) {
		lane_end(broker, lane, "has not been paired after all");
		return;
	}
	pair_refresh(broker, lane);
	if (pair) {
		pair_heard(broker, lane);
		if (lane->hello.lonely && lane->role == PEER_CLIENT)
			pair_doubt(broker, pair);
		search_hello(broker, pair, lane);
		if (!nat_equal(before, &lane->hello.nat))
			search_reset(broker, pair, false);
	} else if (lane->claims) {
		claim_heard(broker, lane);
	} else if (lane->waiting) {
		pair_all(broker, lane->crowd);
	}
}

static int hello_known(struct broker *broker, struct lane *lane, const struct broker_hello *hello,
	struct peer_word *word)
{
	const struct nat_report before = lane->hello.nat;
	int err;

	if (lane->role != hello->hello->role ||
		(lane->crowd && lane->crowd->stream != hello->stream))
		return refuse(broker, crowd_make(broker, hello->stream), BROKER_FOREIGN);
	if (hello->sequence < lane->sequence ||
		(hello->sequence == lane->sequence && !hole_equal(&lane->hole, &hello->hole)))
		return -ESTALE;
	if (lane->closed) {
		lane->sequence = hello->sequence;
		lane->hello.heard = hello->hello->heard;
		lane->hello.rtt_ms = hello->hello->rtt_ms;
	} else if (hello->sequence > lane->sequence) {
		err = lane_follow(broker, lane, hello);
		if (err)
			return err;
		if (!lane->closed) {
			lane_update(broker, lane, hello);
			lane_heard(broker, lane, &before);
		}
	}
	word_fill(broker, lane, word);
	push_later(broker, lane);
	return 0;
}

int broker_hello(struct broker *broker, const struct broker_hello *hello, int64_t now_ms,
	struct peer_word *word)
{
	struct lane *lane = lane_find(broker, hello->hello->lane);
	int err = -EPERM;

	broker_set_time(broker, now_ms);
	if (hello->stream->spec.peers && !hello->stream->gone && hello->key_len <= STUN_KEY_MAX)
		err = lane ? hello_known(broker, lane, hello, word)
			   : hello_new(broker, hello, word);
	if (broker->rescan)
		broker_tick(broker, now_ms);
	return err;
}
