/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The datagrams of a round. A pass sends one to each address of the plan. First come passes with a
 * TTL that only our own NATs see: they make mappings and open filters, and nothing reaches the
 * other's NAT before it has opened too, for there are NATs that answer by taking the port away.
 */
#include <string.h>

#include "punchctl/lane_inner.h"

#define GUARD_MS 30 /* the relay has left time for a go that was lost */
#define BIRTH_MS (PEER_SOCKETS_MAX * LANE_PACE_MIN)
#define PORT_MIN 1024
#define PASSES	 10

struct pass {
	bool low;
	bool early; /* counted from the go, not from the common moment */
	uint16_t at_ms;
};

/* The later ones are there for what was lost. */
static const struct pass punch_passes[] = {{true, true, 0}, {true, false, 0},
	{false, false, GUARD_MS}, {false, false, GUARD_MS + 40}, {false, false, GUARD_MS + 100},
	{false, false, GUARD_MS + 200}, {false, false, GUARD_MS + 400},
	{false, false, GUARD_MS + 800}, {false, false, GUARD_MS + 1600}};
static const struct pass window_passes[] = {
	{true, true, 0}, {false, false, GUARD_MS + 400}, {false, false, GUARD_MS + 1200}};
static const struct pass step_passes[] = {{true, true, 0}, {false, false, GUARD_MS},
	{false, false, GUARD_MS + 400}, {false, false, GUARD_MS + 1200}};
static const struct pass tries_passes[] = {{false, false, BIRTH_MS}};
static const struct pass births_passes[] = {{true, true, 0}, {true, true, 1000}};

#define TABLE(passes) (passes), sizeof(passes) / sizeof((passes)[0])

static const struct {
	const struct pass *passes;
	size_t count;
} tables[][2] = {
	[PEER_REST] = {{NULL, 0}, {NULL, 0}},
	[PEER_PUNCH] = {{TABLE(punch_passes)}, {TABLE(punch_passes)}},
	[PEER_PREDICT] = {{TABLE(window_passes)}, {TABLE(punch_passes)}},
	[PEER_STEP] = {{TABLE(step_passes)}, {TABLE(step_passes)}},
	[PEER_BIRTHDAY] = {{TABLE(tries_passes)}, {TABLE(births_passes)}},
};

static unsigned int part_of(const struct lane *lane)
{
	return lane->search.round.part == 1;
}

static const struct pass *pass_now(const struct lane *lane)
{
	const struct lane_search *search = &lane->search;
	enum peer_plan plan = search->round.plan;

	if (search->pass >= tables[plan][part_of(lane)].count)
		return NULL;
	return &tables[plan][part_of(lane)].passes[search->pass];
}

/* How many datagrams a pass has. */
static unsigned int pass_size(const struct lane *lane)
{
	const struct peer_round *round = &lane->search.round;
	unsigned int part = part_of(lane);

	switch (round->plan) {
	case PEER_REST:
		return 0;
	case PEER_PUNCH:
		return round->target_count;
	case PEER_PREDICT:
		return part == 0 ? round->count : 1;
	case PEER_STEP:
		return round->count;
	case PEER_BIRTHDAY:
		return part == 0 ? round->count : lane->search.sockets;
	}
	return 0;
}

uint8_t lane_fire_ttl(const struct lane *lane)
{
	const struct nat_report *nat = &lane->hello.nat;

	return nat->opener_ttl ? nat->opener_ttl : LANE_TTL_GUESS;
}

/* A permutation of 16 bits by four rounds of a keyed Feistel network: no list of ports is kept. */
static uint16_t shuffle(const struct lane *lane, uint16_t value)
{
	uint8_t left = (uint8_t)(value >> 8), right = (uint8_t)value;

	for (unsigned int i = 0; i < 4; i++) {
		uint32_t mix = (right + 1u + lane->search.shuffle[i]) * 0x9e3779b1u;
		uint8_t next = (uint8_t)(left ^ (uint8_t)(mix >> 24) ^ (uint8_t)(mix >> 13));

		left = right;
		right = next;
	}
	return (uint16_t)(left << 8 | right);
}

/* The next port of low to high, each once; 0: there is none left. */
static uint16_t port_random(struct lane *lane)
{
	const struct peer_round *round = &lane->search.round;
	uint16_t low = round->low < PORT_MIN ? PORT_MIN : round->low;
	uint16_t port;

	while (lane->search.drawn <= UINT16_MAX) {
		port = shuffle(lane, (uint16_t)lane->search.drawn++);
		if (port >= low && port <= round->high)
			return port;
	}
	return 0;
}

static uint16_t port_predicted(const struct lane *lane, unsigned int n)
{
	const struct peer_round *round = &lane->search.round;
	const struct nat_ports ports = {
		.allocation = NAT_ALLOCATION_SEQUENTIAL, .step = round->step};

	return nat_ports_next(&ports, round->last, n);
}

/* What the index-th datagram of this pass is; port 0: none. */
static void shot_get(
	struct lane *lane, unsigned int index, unsigned int *socket, struct endpoint *to)
{
	const struct peer_round *round = &lane->search.round;
	unsigned int part = part_of(lane);

	*to = round->targets[round->plan == PEER_PUNCH ? index : 0];
	*socket = 0;
	switch (round->plan) {
	case PEER_REST:
	case PEER_PUNCH:
		break;
	case PEER_PREDICT:
		*socket = part;
		if (part == 0)
			to->port = port_predicted(lane, index + 1);
		break;
	case PEER_STEP:
		*socket = 1;
		to->port = port_predicted(lane, part == 0 ? index + 1 : 2 * index + 1);
		break;
	case PEER_BIRTHDAY:
		*socket = part == 0 ? 0 : index + 1;
		if (part == 0)
			to->port = port_random(lane);
		break;
	}
}

static void pass_begin(struct lane *lane)
{
	struct lane_search *search = &lane->search;
	const struct pass *pass = pass_now(lane);
	int64_t at;

	search->index = 0;
	if (!pass) {
		search->next_ms = INT64_MAX;
		return;
	}
	at = (pass->early ? search->go_ms : search->fire_ms) + pass->at_ms;
	/* While the other opens a window, nothing should arrive there. */
	if (!pass->low && (search->round.plan == PEER_PREDICT || search->round.plan == PEER_STEP))
		at += search->round.count * LANE_PACE_MIN;
	search->next_ms = lane_max(search->next_ms, at);
}

void lane_fire_start(struct lane *lane, int64_t now_ms)
{
	struct lane_search *search = &lane->search;

	search->pass = 0;
	search->drawn = 0;
	search->next_ms = now_ms;
	mac_random(search->shuffle, sizeof(search->shuffle));
	pass_begin(lane);
	if (now_ms >= search->next_ms)
		lane_fire_tick(lane, now_ms);
}

static int64_t pace_of(const struct lane *lane, const struct pass *pass)
{
	return pass->low ? LANE_PACE_MIN : lane_max(lane->search.round.pace_ms, LANE_PACE_MIN);
}

void lane_fire_tick(struct lane *lane, int64_t now_ms)
{
	struct lane_search *search = &lane->search;
	const struct pass *pass = pass_now(lane);
	struct endpoint to;
	unsigned int socket;

	if (!pass || search->probes >= PEER_PROBES_MAX - LANE_CHECKS) {
		search->next_ms = INT64_MAX;
		return;
	}
	/* The other has been seen: what is left to do is to check that address. */
	if (lane_check_is_hot(lane, now_ms)) {
		search->next_ms = now_ms + LANE_HOT_MS / 4;
		return;
	}
	search->next_ms = now_ms + pace_of(lane, pass);
	if (search->index < pass_size(lane)) {
		shot_get(lane, search->index++, &socket, &to);
		if (to.port)
			lane_check_send(lane, socket, &to, pass->low ? lane_fire_ttl(lane) : 0,
				false, now_ms);
		search->probes++;
	}
	if (search->index >= pass_size(lane)) {
		search->pass++;
		pass_begin(lane);
	}
}
