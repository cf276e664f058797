/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pair's search for a direct path: when it begins, in which order, and when it is given up. */
#include <limits.h>
#include <string.h>

#include "relayd/broker_inner.h"

#define BACKOFF_MS     30000
#define BACKOFF_MAX_MS 600000
#define LOST_MS	       2000
#define LOST_MAX_MS    64000
#define SHORT_MS       30000 /* a path that lasted no longer is looked for less eagerly */
#define RESET_MS       10000 /* between two searches for the reason that something has changed; */
#define RESETS_MAX     7     /* the time doubles so often */
#define QUEUE_RETRY_MS 1000

bool search_wanted(const struct pair *pair)
{
	return pair->committed && pair->heard[0] && pair->heard[1] &&
	       (pair->lane[0]->hello.wants_direct || pair->lane[1]->hello.wants_direct);
}

int64_t search_due_ms(const struct pair *pair)
{
	switch (pair->search) {
	case SEARCH_IDLE:
		return search_wanted(pair) ? pair->search_ms : INT64_MAX;
	case SEARCH_PREPARING:
	case SEARCH_FIRING:
	case SEARCH_PAUSING:
		return pair->search_ms;
	case SEARCH_QUEUED:
	case SEARCH_DIRECT:
	case SEARCH_HOPELESS:
		break;
	}
	return INT64_MAX;
}

/* Strangers whose addresses share a place only wait for each other. */
static uint16_t place_of(const struct broker *broker, const struct lane *lane)
{
	const struct endpoint key = {.addr = lane->hole.client.addr};

	return (uint16_t)(endpoint_hash(&key, broker->seed) % BROKER_BUCKETS);
}

static void search_release(struct broker *broker, struct pair *pair)
{
	if (!pair->holds)
		return;
	pair->holds = false;
	broker->busy[pair->busy[0]]--;
	if (pair->busy[1] != pair->busy[0])
		broker->busy[pair->busy[1]]--;
	broker->rescan = true;
}

static void search_unqueue(struct broker *broker, struct pair *pair)
{
	if (pair->search != SEARCH_QUEUED)
		return;
	TAILQ_REMOVE(&broker->queue, pair, queue_link);
	pair->crowd->queued--;
	pair->search = SEARCH_IDLE;
}

static void search_enqueue(struct broker *broker, struct pair *pair)
{
	if (pair->crowd->queued >= BROKER_QUEUED) {
		pair->search_ms = broker->now_ms + QUEUE_RETRY_MS;
		return;
	}
	pair->search = SEARCH_QUEUED;
	pair->crowd->queued++;
	TAILQ_INSERT_TAIL(&broker->queue, pair, queue_link);
	broker->rescan = true;
}

static void search_begin(struct broker *broker, struct pair *pair)
{
	broker->busy[pair->busy[0]]++;
	if (pair->busy[1] != pair->busy[0])
		broker->busy[pair->busy[1]]++;
	pair->holds = true;
	memset(&pair->history, 0, sizeof(pair->history));
	if (pair->known == PEER_REST)
		pair->known = plan_recall(&broker->memory, &pair->lane[0]->hole.client.addr,
			&pair->lane[1]->hole.client.addr, broker->now_ms);
	round_begin(broker, pair);
	pair_schedule(pair);
}

/* In order: who waits for an address keeps those behind it from the address too. */
void search_queue(struct broker *broker)
{
	bool kept[BROKER_BUCKETS] = {false};
	struct pair *pair, *next;

	for (pair = TAILQ_FIRST(&broker->queue); pair; pair = next) {
		uint16_t a = place_of(broker, pair->lane[0]), b = place_of(broker, pair->lane[1]);
		bool free = broker->busy[a] < BROKER_SEARCHES &&
			    broker->busy[b] < BROKER_SEARCHES && !kept[a] && !kept[b];

		next = TAILQ_NEXT(pair, queue_link);
		if (!search_wanted(pair)) {
			search_unqueue(broker, pair);
			pair_schedule(pair);
		} else if (free) {
			search_unqueue(broker, pair);
			pair->busy[0] = a;
			pair->busy[1] = b;
			search_begin(broker, pair);
		} else {
			kept[a] = kept[b] = true;
		}
	}
}

static bool are_predictable(const struct plan_side side[static 2])
{
	return nat_is_predictable(&side[0].nat) && nat_is_predictable(&side[1].nat);
}

/* Nothing but a punch can work between them, and that has failed. */
static bool is_hopeless(const struct plan_side side[static 2])
{
	const struct plan_history punched = {.tries = {[PEER_PUNCH] = UINT_MAX}};

	if (side[0].nat.blocked || side[1].nat.blocked)
		return true;
	if (side[0].nat.mapping == NAT_MAPPING_UNKNOWN ||
		side[1].nat.mapping == NAT_MAPPING_UNKNOWN || are_predictable(side))
		return false;
	return plan_choose(side, &punched, PEER_REST) == PEER_REST;
}

/* Everything has failed, or nobody wants it any more. */
void search_end(struct broker *broker, struct pair *pair, bool failed)
{
	int64_t backoff_ms = BACKOFF_MS << (pair->failures < 5 ? pair->failures : 5);

	search_release(broker, pair);
	pair->known = PEER_REST;
	pair->search = SEARCH_IDLE;
	pair->search_ms = broker->now_ms;
	if (!failed)
		return;
	if (is_hopeless(pair->side)) {
		broker->counts[BROKER_HOPELESS]++;
		pair->search = SEARCH_HOPELESS;
		return;
	}
	pair->failures++;
	pair->search_ms += backoff_ms < BACKOFF_MAX_MS ? backoff_ms : BACKOFF_MAX_MS;
}

void search_stop(struct broker *broker, struct pair *pair)
{
	search_unqueue(broker, pair);
	search_release(broker, pair);
	pair->search = SEARCH_IDLE;
}

/* What changes all the time is no reason to search all the time: the other pays for it. */
static int64_t reset_soonest_ms(const struct broker *broker, struct pair *pair)
{
	int64_t soonest_ms;

	if (broker->now_ms - pair->changed_ms >= BACKOFF_MAX_MS)
		pair->resets = 0;
	pair->changed_ms = broker->now_ms;
	if (pair->resets == 0)
		return broker->now_ms;
	soonest_ms = pair->reset_ms + ((int64_t)RESET_MS << (pair->resets - 1));
	return soonest_ms > broker->now_ms ? soonest_ms : broker->now_ms;
}

static void reset_grant(struct pair *pair, int64_t soonest_ms)
{
	if (pair->resets == 0)
		pair->failures = 0;
	if (pair->resets < RESETS_MAX)
		pair->resets++;
	pair->search_ms = pair->reset_ms = soonest_ms;
}

void search_reset(struct broker *broker, struct pair *pair, bool moved)
{
	int64_t soonest_ms = reset_soonest_ms(broker, pair);

	switch (pair->search) {
	case SEARCH_IDLE:
	case SEARCH_HOPELESS:
		if (pair->search == SEARCH_HOPELESS || soonest_ms < pair->search_ms)
			reset_grant(pair, soonest_ms);
		pair->search = SEARCH_IDLE;
		break;
	case SEARCH_PREPARING:
	case SEARCH_FIRING:
		/* It counts as a try: who moves all the time must not keep others from theirs. */
		if (moved)
			round_failed(broker, pair);
		break;
	case SEARCH_QUEUED:
	case SEARCH_PAUSING:
	case SEARCH_DIRECT:
		break;
	}
	pair_schedule(pair);
}

/* One of them has a direct path: the other will have it too, or this one loses it again. */
static void search_direct(struct broker *broker, struct pair *pair)
{
	search_stop(broker, pair);
	pair->search = SEARCH_DIRECT;
	pair->direct_ms = broker->now_ms;
	pair->mutual = false;
	pair->known = pair->plan;
	broker->counts[BROKER_DIRECT]++;
	broker_tell(broker, "direct", pair, plan_text(pair->plan));
}

/* One alone may say so without a path. */
static void search_mutual(struct broker *broker, struct pair *pair)
{
	if (pair->mutual || !pair->said[0] || !pair->said[1])
		return;
	pair->mutual = true;
	pair->failures = 0;
	plan_remember(&broker->memory, &pair->lane[0]->hole.client.addr,
		&pair->lane[1]->hole.client.addr, pair->plan, broker->now_ms);
}

static void search_lost(struct broker *broker, struct pair *pair)
{
	int64_t pause_ms;

	broker_tell(broker, "relayed", pair, "the direct path is lost");
	if (!pair->mutual) {
		search_end(broker, pair, true);
		return;
	}
	if (broker->now_ms - pair->direct_ms >= SHORT_MS)
		pair->losses = 0;
	pause_ms = LOST_MS << (pair->losses < 5 ? pair->losses : 5);
	pair->losses++;
	pair->search = SEARCH_IDLE;
	pair->search_ms = broker->now_ms + (pause_ms < LOST_MAX_MS ? pause_ms : LOST_MAX_MS);
}

void search_hello(struct broker *broker, struct pair *pair, struct lane *lane)
{
	const struct peer_hello *hello = &lane->hello;
	bool direct = hello->progress == PEER_DIRECT && hello->round == pair->round;

	if (!pair->committed)
		return;
	if (pair->search != SEARCH_DIRECT) {
		if (direct && hello->round) {
			memset(pair->said, 0, sizeof(pair->said));
			pair->said[lane->role] = true;
			search_direct(broker, pair);
		} else {
			round_hello(broker, pair, lane);
		}
	} else if (direct) {
		pair->said[lane->role] = true;
		search_mutual(broker, pair);
	} else if (pair->said[lane->role]) {
		search_lost(broker, pair);
	}
	pair_schedule(pair);
}

void search_tick(struct broker *broker, struct pair *pair)
{
	if (broker->now_ms < search_due_ms(pair))
		return;
	if (pair->search == SEARCH_IDLE)
		search_enqueue(broker, pair);
	else
		round_due(broker, pair);
}
