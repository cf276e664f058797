/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A round: prepared, said to be ready, fired when the relay says so, and ended. */
#include <string.h>

#include "punchctl/lane_inner.h"

#define SAMPLE_MIN     256 /* bytes: the relay answers nobody unproven with more */
#define SAMPLE_TRIES   5
#define SAMPLE_WAIT_MS 150
#define LIMIT_MAX_MS   60000
#define DELAY_MAX_MS   5000
#define READY_MAX_MS   15000 /* without a go */

/* By this socket's next mapping the other finds us: it must be a fresh one. */
static bool round_wants_socket(const struct peer_round *round)
{
	return round->plan == PEER_STEP || (round->plan == PEER_PREDICT && round->part == 1);
}

/* A relay that lies must not turn us against hosts that are no peers. */
static bool round_is_fair(const struct lane *lane, const struct peer_round *round)
{
	if (round->target_count > PEER_TARGETS || (round->go && round->target_count == 0))
		return false;
	for (unsigned int i = 0; i < round->target_count; i++) {
		if (!addr_is_routable(&round->targets[i].addr) || round->targets[i].port == 0 ||
			addr_equal(&round->targets[i].addr, &lane->config.relay.addr))
			return false;
	}
	return true;
}

static void pairs_drop_old(struct lane *lane, int64_t now_ms)
{
	for (unsigned int i = 0; i < LANE_PAIRS; i++) {
		struct lane_pair *pair = &lane->pairs[i];

		if (pair->socket > 0 || now_ms - pair->seen_ms > LANE_HOT_MS)
			pair->used = false;
	}
}

static void sockets_close(struct lane *lane)
{
	if (lane->search.sockets == 0)
		return;
	lane->search.sockets = 0;
	lane->config.sockets(lane->config.arg, 0, 0);
	if (lane->direct.socket > 0)
		memset(&lane->direct, 0, sizeof(lane->direct));
}

void lane_search_reset(struct lane *lane)
{
	sockets_close(lane);
	memset(&lane->search, 0, sizeof(lane->search));
}

void lane_search_end(struct lane *lane, enum peer_progress progress)
{
	lane->search.sampling = lane->search.firing = false;
	lane->search.progress = progress;
	lane_relay_tell(lane);
}

static void search_fail(struct lane *lane, int64_t now_ms)
{
	struct lane_event event = lane_event(lane, LANE_NO_PATH);

	event.plan = lane->search.round.plan;
	event.probes = lane->search.probes;
	event.ms = now_ms - lane->search.began_ms;
	lane_search_end(lane, PEER_FAILED);
	sockets_close(lane);
	pairs_drop_old(lane, now_ms);
	lane_pin_release(lane);
	lane_emit(lane, &event);
}

bool lane_is_searching(const struct lane *lane)
{
	return lane->search.sampling || lane->search.firing || lane->search.progress == PEER_READY;
}

void lane_search_leave(struct lane *lane, int64_t now_ms)
{
	if (lane_is_searching(lane))
		search_fail(lane, now_ms);
}

static void search_ready(struct lane *lane, uint16_t last, int64_t now_ms)
{
	lane->search.sampling = false;
	lane->search.last = last;
	lane->search.progress = PEER_READY;
	lane->search.end_ms = now_ms + READY_MAX_MS;
	lane_relay_tell(lane);
}

static void sample_send(struct lane *lane, unsigned int which, const struct endpoint *to)
{
	uint8_t data[STUN_MAX];
	struct buf buf;

	/* The other port of the relay, or none; a relay that lies names somebody else's. */
	if (!addr_equal(&to->addr, &lane->config.relay.addr) || to->port == 0)
		return;
	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, STUN_REQUEST, lane->search.sample_tid[which]);
	stun_put_padding(&buf, SAMPLE_MIN, 0);
	(void)lane->config.send(lane->config.arg, 1, to, 0, data, stun_end(&buf));
}

/*
 * The relay last: its answer says the newest port. What is lost is sent again, which makes no new
 * mapping. If the target is known already, the mapping towards it is made at once, before others
 * behind the same NAT take the port that comes next; the other side then looks for that one.
 */
static void sample_tick(struct lane *lane, int64_t now_ms)
{
	struct lane_search *search = &lane->search;

	if (search->sample_sends++ >= SAMPLE_TRIES) {
		search_fail(lane, now_ms);
		return;
	}
	search->next_ms = now_ms + SAMPLE_WAIT_MS * search->sample_sends;
	sample_send(lane, 1, &lane->word.alternate);
	sample_send(lane, 0, &lane->config.relay);
	if (search->round.plan != PEER_PREDICT || search->round.target_count == 0)
		return;
	search->probes++;
	lane_check_send(lane, 1, &search->round.targets[0], lane_fire_ttl(lane), false, now_ms);
}

bool lane_search_input(
	struct lane *lane, unsigned int socket, const struct stun *stun, int64_t now_ms)
{
	struct lane_search *search = &lane->search;

	if (!search->sampling || socket != 1 || stun->type != STUN_SUCCESS)
		return false;
	if (memcmp(stun->tid, search->sample_tid[1], STUN_TID) == 0)
		return true;
	if (memcmp(stun->tid, search->sample_tid[0], STUN_TID) != 0 || !stun->mapped.addr.family)
		return false;
	search_ready(lane, stun->mapped.port, now_ms);
	return true;
}

static void search_prepare(struct lane *lane, int64_t now_ms)
{
	struct lane_search *search = &lane->search;

	if (!round_wants_socket(&search->round)) {
		search_ready(lane, lane->exchange.mapped.port, now_ms);
		return;
	}
	search->sockets = lane->config.sockets(lane->config.arg, 0, 1);
	if (search->sockets == 0) {
		search_fail(lane, now_ms);
		return;
	}
	mac_random(search->sample_tid, sizeof(search->sample_tid));
	search->sampling = true;
	sample_tick(lane, now_ms);
}

static void search_go(struct lane *lane, int64_t now_ms)
{
	struct lane_search *search = &lane->search;
	const struct peer_round *round = &search->round;
	uint16_t count = round->count < PEER_SOCKETS_MAX ? round->count : PEER_SOCKETS_MAX;

	if (round_wants_socket(round) && search->sockets == 0) {
		search_fail(lane, now_ms);
		return;
	}
	if (round->plan == PEER_BIRTHDAY && round->part == 1)
		search->sockets = lane->config.sockets(lane->config.arg, 0, count);
	search->sampling = false;
	search->firing = true;
	search->go_ms = now_ms;
	search->fire_ms = now_ms + lane_min(round->delay_ms, DELAY_MAX_MS);
	search->end_ms = search->fire_ms + lane_min(round->limit_ms, LIMIT_MAX_MS);
	lane_fire_start(lane, now_ms);
}

/* Both may have found each other while the relay's word was on its way. */
static bool direct_stays(struct lane *lane, const struct peer_round *round, int64_t now_ms)
{
	if (!lane_direct_is_fresh(lane, now_ms)) {
		lane_direct_lost(lane, now_ms);
		return false;
	}
	lane->search.round = *round;
	lane->search.progress = PEER_DIRECT;
	return true;
}

void lane_search_round(struct lane *lane, const struct peer_round *round, int64_t now_ms)
{
	struct lane_search *search = &lane->search;
	bool again = round->number == search->round.number;

	if (round->number == 0 || (again && (!round->go || search->round.go)))
		return;
	if (again && search->progress != PEER_READY && search->progress != PEER_IDLE)
		return;
	if (lane->direct.active && direct_stays(lane, round, now_ms))
		return;
	if (!again) {
		pairs_drop_old(lane, now_ms);
		lane_search_reset(lane);
		search->began_ms = now_ms;
	}
	search->round = *round;
	if (round->plan == PEER_REST)
		return;
	if (lane_stays(lane) || !round_is_fair(lane, round))
		search_fail(lane, now_ms);
	else if (round->go)
		search_go(lane, now_ms);
	else
		search_prepare(lane, now_ms);
}

void lane_search_tick(struct lane *lane, int64_t now_ms)
{
	struct lane_search *search = &lane->search;

	if (search->sampling && now_ms >= search->next_ms)
		sample_tick(lane, now_ms);
	if (search->firing && now_ms >= search->next_ms && now_ms < search->end_ms)
		lane_fire_tick(lane, now_ms);
	if ((search->firing || search->progress == PEER_READY) && now_ms >= search->end_ms)
		search_fail(lane, now_ms);
}

int64_t lane_search_deadline(const struct lane *lane)
{
	const struct lane_search *search = &lane->search;
	int64_t due = INT64_MAX;

	if (search->sampling || search->firing)
		due = search->next_ms;
	if (search->firing || search->progress == PEER_READY)
		due = lane_min(due, search->end_ms);
	return due;
}
