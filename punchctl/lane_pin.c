/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other shares the socket of its program, which knows clients by their addresses: data begin
 * when it is known whether there is a direct path, and then stay where they are. A direct path that
 * is lost leaves no choice: then they go to the relay, and stay there.
 */
#include "punchctl/lane_inner.h"

void lane_pin_begin(struct lane *lane, bool pinned, int64_t now_ms)
{
	pinned = pinned && lane->hello.role == PEER_CLIENT;
	lane->pin = pinned ? LANE_HELD : LANE_FREE;
	lane->held_ms = now_ms + LANE_HOLD_MS;
	if (lane->hello.wants_direct == pinned)
		return;
	lane->hello.wants_direct = pinned;
	lane_relay_tell(lane);
}

void lane_pin_release(struct lane *lane)
{
	struct lane_event event = lane_event(lane, LANE_PAIRED);

	if (lane->pin != LANE_HELD)
		return;
	lane->pin = LANE_OPEN;
	event.peer = lane->config.relay;
	lane_emit(lane, &event);
}

static void pin_relayed(struct lane *lane)
{
	lane->pin = LANE_RELAYED;
	lane->hello.wants_direct = false;
	if (lane->search.progress != PEER_IDLE || lane->search.sampling || lane->search.firing)
		lane_search_end(lane, PEER_FAILED);
	lane_relay_tell(lane);
}

void lane_pin_lost(struct lane *lane)
{
	if (lane->pin == LANE_PINNED)
		pin_relayed(lane);
}

void lane_pin_output(struct lane *lane)
{
	if (lane->pin != LANE_OPEN)
		return;
	if (lane->direct.active)
		lane->pin = LANE_PINNED;
	else
		pin_relayed(lane);
}

void lane_pin_tick(struct lane *lane, int64_t now_ms)
{
	if (lane->pin == LANE_HELD && now_ms >= lane->held_ms)
		lane_pin_release(lane);
}

int64_t lane_pin_deadline(const struct lane *lane)
{
	return lane->pin == LANE_HELD ? lane->held_ms : INT64_MAX;
}
