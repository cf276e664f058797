/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The direct path: taken, kept under consent (RFC 7675), and left. */
#include <string.h>

#include "punchctl/lane_inner.h"

static bool direct_is_busy(const struct lane *lane, int64_t now_ms)
{
	return lane->flow.used_ms && now_ms - lane->flow.used_ms < LANE_BUSY_MS;
}

/* The sockets that lost are closed; the one that won is number 1, unless it is the lane's own. */
static void sockets_trim(struct lane *lane)
{
	struct lane_direct *direct = &lane->direct;

	lane_check_forget(lane);
	if (lane->search.sockets == 0)
		return;
	lane->search.sockets = direct->socket ? 1 : 0;
	lane->config.sockets(lane->config.arg, direct->socket, lane->search.sockets);
	if (direct->socket)
		direct->socket = 1;
}

void lane_direct_begin(struct lane *lane, const struct lane_pair *pair, int64_t now_ms)
{
	struct lane_event event = lane_event(lane, LANE_DIRECT);

	lane->direct = (struct lane_direct){
		.active = true,
		.socket = pair->socket,
		.peer = pair->peer,
		.answered_ms = now_ms,
		.next_ms = now_ms + LANE_CHECK_MS,
		.rtt_ms = pair->rtt_ms,
	};
	sockets_trim(lane);
	lane_pin_release(lane);
	event.peer = lane->direct.peer;
	event.plan = lane->search.round.plan;
	event.ms = lane->search.began_ms ? now_ms - lane->search.began_ms : 0;
	event.probes = lane->search.probes;
	lane_search_end(lane, PEER_DIRECT);
	lane_emit(lane, &event);
}

void lane_direct_answered(struct lane *lane, unsigned int socket, const struct endpoint *from,
	int64_t age_ms, int64_t now_ms)
{
	struct lane_direct *direct = &lane->direct;

	if (!direct->active || socket != direct->socket || !endpoint_equal(from, &direct->peer))
		return;
	direct->rtt_ms = lane_max(age_ms, direct->rtt_ms - direct->rtt_ms / 8);
	if (!direct->unanswered_ms)
		return; /* one that has come twice */
	direct->answered_ms = now_ms;
	direct->unanswered_ms = 0;
	direct->next_ms =
		now_ms + (direct_is_busy(lane, now_ms) ? LANE_CHECK_MS : lane_jitter(LANE_IDLE_MS));
}

void lane_direct_lost(struct lane *lane, int64_t now_ms)
{
	struct lane_event event = lane_event(lane, LANE_LOST);

	if (!lane->direct.active)
		return;
	lane->direct.active = false;
	event.peer = lane->direct.peer;
	event.ms = now_ms - lane->direct.answered_ms;
	if (lane->search.progress == PEER_DIRECT)
		lane->search.progress = PEER_FAILED;
	lane_pin_lost(lane);
	lane_relay_tell(lane);
	lane_emit(lane, &event);
}

/* So long after a check its answer is late. */
static int64_t doubt_ms(const struct lane *lane)
{
	return lane_max(LANE_DOUBT_MS, 2 * lane->direct.rtt_ms);
}

static void direct_check(struct lane *lane, int64_t now_ms)
{
	struct lane_direct *direct = &lane->direct;

	if (!direct->unanswered_ms)
		direct->unanswered_ms = now_ms;
	direct->next_ms = now_ms + lane_min(LANE_CHECK_MS, doubt_ms(lane));
	/* The client says each time that this is its choice, for the other may have missed it. */
	lane_check_send(
		lane, direct->socket, &direct->peer, 0, lane->hello.role == PEER_CLIENT, now_ms);
}

/* Not twice for one doubt: the check that is on its way says it. */
void lane_direct_hasten(struct lane *lane, int64_t now_ms)
{
	if (lane->direct.active && !lane->direct.unanswered_ms)
		lane->direct.next_ms = lane_min(lane->direct.next_ms, now_ms);
}

/* What goes a path that has answered so lately may be lost with it, and not more. */
bool lane_direct_is_fresh(const struct lane *lane, int64_t now_ms)
{
	return lane->direct.active && now_ms - lane->direct.answered_ms < LANE_DEAD_MS;
}

/*
 * Data go it: a path in doubt may be dead, and the relay is as good. But one that does not answer
 * either is none to flee to.
 */
bool lane_direct_is_open(const struct lane *lane, int64_t now_ms)
{
	const struct lane_direct *direct = &lane->direct;

	if (!lane_direct_is_fresh(lane, now_ms))
		return false;
	return !direct->unanswered_ms || now_ms - direct->unanswered_ms < doubt_ms(lane) ||
	       lane->exchange.overdue;
}

static int64_t dead_ms(const struct lane *lane)
{
	if (!lane->direct.unanswered_ms)
		return INT64_MAX;
	return lane->direct.unanswered_ms + LANE_DEAD_MS - LANE_CHECK_MS;
}

void lane_direct_tick(struct lane *lane, int64_t now_ms)
{
	if (!lane->direct.active)
		return;
	if (now_ms >= dead_ms(lane))
		lane_direct_lost(lane, now_ms);
	else if (now_ms >= lane->direct.next_ms)
		direct_check(lane, now_ms);
}

int64_t lane_direct_deadline(const struct lane *lane)
{
	if (!lane->direct.active)
		return INT64_MAX;
	return lane_min(lane->direct.next_ms, dead_ms(lane));
}
