/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One round: both prepare, both fire at one time, and both say what came of it. */
#include <string.h>

#include "relayd/broker_inner.h"

#define PREPARE_MS 1000
#define PAUSE_MS   1000 /* between two rounds of one search */
#define MARGIN_MS  150	/* a word that is lost is heard a second time before they fire */
#define LATE_MS	   1500 /* for the news of a failure */
#define RTT_MAX_MS 2000

static uint32_t rtt_ms(const struct pair *pair, unsigned int which)
{
	uint32_t rtt = pair->lane[which]->hello.rtt_ms;

	return rtt < RTT_MAX_MS ? rtt : RTT_MAX_MS;
}

static uint32_t rtt_max_ms(const struct pair *pair)
{
	uint32_t a = rtt_ms(pair, 0), b = rtt_ms(pair, 1);

	return a > b ? a : b;
}

static void round_fill(struct broker *broker, struct pair *pair, bool go)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct lane *lane = pair->lane[i];
		struct peer_round *round = &lane->round;

		memset(round, 0, sizeof(*round));
		round->number = pair->round;
		round->go = go;
		plan_fill(pair->plan, pair->side, i, pair->history.tries[pair->plan], round);
		round->limit_ms += rtt_ms(pair, 0) + rtt_ms(pair, 1);
		round->target_count = target_fill(broker, lane, pair->lane[!i], round->targets);
		word_changed(broker, lane);
	}
}

/* Who has not heard of it, and asks now, must not begin alone. */
void round_failed(struct broker *broker, struct pair *pair)
{
	for (unsigned int i = 0; i < 2; i++)
		pair->lane[i]->round = (struct peer_round){.number = pair->round};
	broker->counts[BROKER_FAILED]++;
	pair->history.tries[pair->plan]++;
	pair->search = SEARCH_PAUSING;
	pair->search_ms = broker->now_ms + PAUSE_MS;
}

static void round_go(struct broker *broker, struct pair *pair)
{
	int64_t fire_ms = broker->now_ms + rtt_max_ms(pair) / 2 + MARGIN_MS;

	memset(pair->said, 0, sizeof(pair->said));
	round_fill(broker, pair, true);
	if (!pair->lane[0]->round.target_count || !pair->lane[1]->round.target_count) {
		round_failed(broker, pair);
		return;
	}
	pair->lane[0]->fire_ms = pair->lane[1]->fire_ms = fire_ms;
	pair->search = SEARCH_FIRING;
	pair->search_ms = fire_ms + pair->lane[0]->round.limit_ms + rtt_max_ms(pair) + LATE_MS;
}

void round_begin(struct broker *broker, struct pair *pair)
{
	struct endpoint targets[PEER_TARGETS];

	for (unsigned int i = 0; i < 2; i++)
		pair->side[i] = (struct plan_side){
			.nat = pair->lane[i]->hello.nat,
			.hole = pair->lane[i]->hole.client,
			.listed = target_fill(broker, pair->lane[!i], pair->lane[i], targets) > 1,
			.fixed = pair->lane[i]->hello.shared,
		};
	pair->plan = plan_choose(pair->side, &pair->history, pair->known);
	if (pair->plan == PEER_REST || !search_wanted(pair)) {
		search_end(broker, pair, pair->plan == PEER_REST);
		return;
	}
	pair->round = pair->round + 1 ? pair->round + 1 : 1;
	if (pair->plan == PEER_PUNCH) {
		round_go(broker, pair);
		return;
	}
	memset(pair->said, 0, sizeof(pair->said));
	round_fill(broker, pair, false);
	pair->search = SEARCH_PREPARING;
	pair->search_ms = broker->now_ms + PREPARE_MS + 2 * rtt_max_ms(pair);
}

void round_hello(struct broker *broker, struct pair *pair, struct lane *lane)
{
	const struct peer_hello *hello = &lane->hello;

	if (hello->round != pair->round || pair->round == 0)
		return;
	if (pair->search == SEARCH_PREPARING && hello->progress == PEER_READY) {
		pair->said[lane->role] = true;
		pair->side[lane->role].last = hello->last;
		if (pair->said[!lane->role])
			round_go(broker, pair);
	} else if (pair->search == SEARCH_PREPARING && hello->progress == PEER_FAILED) {
		round_failed(broker, pair);
	} else if (pair->search == SEARCH_FIRING && hello->progress == PEER_FAILED) {
		pair->said[lane->role] = true;
		if (pair->said[!lane->role])
			round_failed(broker, pair);
	}
}

void round_due(struct broker *broker, struct pair *pair)
{
	switch (pair->search) {
	case SEARCH_PREPARING:
		round_go(broker, pair);
		break;
	case SEARCH_FIRING:
		round_failed(broker, pair);
		break;
	case SEARCH_PAUSING:
		round_begin(broker, pair);
		break;
	case SEARCH_IDLE:
	case SEARCH_QUEUED:
	case SEARCH_DIRECT:
	case SEARCH_HOPELESS:
		break;
	}
}
