/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/lane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "punchctl/lane_inner.h"

#define FLOW_IDLE_MS 10000 /* without data: it has ended */
#define FLOW_MIN     3	   /* datagrams; */
#define FLOW_MIN_MS  300   /* so that a single question and its answer start no search */
#define FLOW_LONE    20	   /* and of those that nobody answers, such as media: so many, */
#define FLOW_LONE_MS 1000  /* so that a program which calls in vain starts none either */

struct lane_event lane_event(const struct lane *lane, enum lane_event_type type)
{
	return (struct lane_event){.type = type, .mapped = lane->exchange.mapped};
}

void lane_emit(struct lane *lane, const struct lane_event *event)
{
	lane->config.event(lane->config.arg, event);
}

int64_t lane_jitter(int64_t ms)
{
	uint32_t random;

	mac_random(&random, sizeof(random));
	return ms * (800 + random % 401) / 1000;
}

int lane_open(const struct lane_config *config, int64_t now_ms, struct lane **out)
{
	uint64_t random;
	struct lane *lane;

	if (strlen(config->key) >= LANE_KEY)
		return -EINVAL;
	lane = calloc(1, sizeof(*lane));
	if (!lane)
		return -ENOMEM;
	lane->config = *config;
	lane->config.name = lane->config.key = NULL;
	memcpy(lane->key, config->key, strlen(config->key) + 1);
	if (proof_init(&lane->proof, config->name, 0) < 0) {
		free(lane);
		return -EINVAL;
	}
	/* Other peers have the same key, and words in the relay's name must name it: no guesses. */
	mac_random(&random, sizeof(random));
	lane->sequence = lane->floor = config->sequence + (random >> 24);
	lane->base_ms = now_ms;
	lane->hello.role = config->role;
	lane->hello.shared = config->shared;
	mac_random(lane->hello.lane, sizeof(lane->hello.lane));
	mac_random(lane->secret, sizeof(lane->secret));
	lane_relay_open(lane, now_ms);
	*out = lane;
	return 0;
}

void lane_close(struct lane *lane, int64_t now_ms)
{
	(void)now_ms;
	if (!lane)
		return;
	lane_relay_bye(lane);
	mac_wipe(lane, sizeof(*lane));
	free(lane);
}

void lane_set_nat(struct lane *lane, const struct nat_report *nat)
{
	lane->hello.nat = *nat;
	lane_relay_tell(lane);
}

void lane_set_hosts(struct lane *lane, const struct endpoint *hosts, unsigned int count)
{
	if (count > PEER_HOSTS)
		count = PEER_HOSTS;
	memset(lane->hello.hosts, 0, sizeof(lane->hello.hosts));
	memcpy(lane->hello.hosts, hosts, count * sizeof(*hosts));
	lane->hello.host_count = (uint8_t)count;
	lane_relay_tell(lane);
}

void lane_set_gateway(struct lane *lane, const struct endpoint *mapped)
{
	lane->hello.gateway = *mapped;
	lane_relay_tell(lane);
}

void lane_network(struct lane *lane, int64_t now_ms)
{
	lane_relay_hasten(lane, now_ms);
	lane_direct_hasten(lane, now_ms);
}

void lane_set_relayed(struct lane *lane, bool relayed, int64_t now_ms)
{
	if (lane->relayed == relayed)
		return;
	lane->relayed = relayed;
	if (relayed) {
		lane_direct_lost(lane, now_ms);
		lane_check_forget(lane);
		lane_search_leave(lane, now_ms);
	}
	lane_relay_tell(lane);
}

bool lane_flow_is_on(const struct lane *lane, int64_t now_ms)
{
	return lane->flow.used_ms && now_ms - lane->flow.used_ms < FLOW_IDLE_MS;
}

/* When wants_direct may change without anything coming or going. */
static int64_t flow_deadline(const struct lane *lane)
{
	if (lane->hello.wants_direct && lane->pin == LANE_FREE)
		return lane->flow.used_ms + FLOW_IDLE_MS;
	return INT64_MAX;
}

static void flow_tick(struct lane *lane, int64_t now_ms)
{
	if (!lane->hello.wants_direct || lane->pin != LANE_FREE || lane_flow_is_on(lane, now_ms))
		return;
	lane->hello.wants_direct = false;
	lane_relay_tell(lane);
}

static bool flow_is_worth_it(const struct lane_flow *flow, int64_t now_ms)
{
	bool lone = flow->in == 0 || flow->out == 0;

	return flow->in + flow->out >= (lone ? FLOW_LONE : FLOW_MIN) &&
	       now_ms - flow->began_ms >= (lone ? FLOW_LONE_MS : FLOW_MIN_MS);
}

static void flow_add(struct lane *lane, unsigned int in, unsigned int out, int64_t now_ms)
{
	struct lane_flow *flow = &lane->flow;

	if (!lane_flow_is_on(lane, now_ms)) {
		flow->in = flow->out = 0;
		flow->began_ms = now_ms;
	}
	if (now_ms - flow->used_ms >= LANE_BUSY_MS)
		lane_direct_hasten(lane, now_ms);
	flow->used_ms = now_ms;
	if (lane->hello.wants_direct || lane->pin != LANE_FREE)
		return;
	flow->in += in;
	flow->out += out;
	if (!flow_is_worth_it(flow, now_ms))
		return;
	lane->hello.wants_direct = true;
	lane_relay_tell(lane);
}

void lane_tick(struct lane *lane, int64_t now_ms)
{
	if (lane->failed)
		return;
	flow_tick(lane, now_ms);
	lane_direct_tick(lane, now_ms);
	lane_check_tick(lane, now_ms);
	lane_search_tick(lane, now_ms);
	lane_pin_tick(lane, now_ms);
	lane_relay_tick(lane, now_ms); /* last: it says what has changed */
}

int64_t lane_deadline(const struct lane *lane)
{
	int64_t due = lane_relay_deadline(lane);

	if (lane->failed)
		return INT64_MAX;
	due = lane_min(due, flow_deadline(lane));
	due = lane_min(due, lane_direct_deadline(lane));
	due = lane_min(due, lane_check_deadline(lane));
	due = lane_min(due, lane_pin_deadline(lane));
	return lane_min(due, lane_search_deadline(lane));
}

static enum lane_verdict stun_input(struct lane *lane, unsigned int socket,
	const struct endpoint *from, const struct stun *stun, int64_t now_ms)
{
	bool relay = endpoint_equal(from, &lane->config.relay);

	if (relay && socket == 0) {
		bool taken = lane_relay_input(lane, stun, now_ms);

		lane_relay_tick(lane, now_ms);
		return taken ? LANE_TAKEN : LANE_FOREIGN;
	}
	if (relay || endpoint_equal(from, &lane->word.alternate))
		return lane_search_input(lane, socket, stun, now_ms) ? LANE_TAKEN : LANE_FOREIGN;
	return lane_check_input(lane, socket, from, stun, now_ms) ? LANE_TAKEN : LANE_FOREIGN;
}

enum lane_verdict lane_input(struct lane *lane, unsigned int socket, const struct endpoint *from,
	const uint8_t *data, size_t len, int64_t now_ms)
{
	enum lane_verdict verdict;
	struct stun stun;

	if (!stun_is(data, len)) {
		if (!(socket == 0 && endpoint_equal(from, &lane->config.relay)) &&
			!(socket == lane->direct.socket &&
				endpoint_equal(from, &lane->direct.peer)) &&
			!lane_check_knows(lane, socket, from))
			return LANE_FOREIGN;
		flow_add(lane, 1, 0, now_ms);
		return LANE_DATA;
	}
	if (lane->failed || stun_parse(data, len, &stun) < 0)
		return LANE_FOREIGN;
	verdict = stun_input(lane, socket, from, &stun, now_ms);
	if (verdict == LANE_TAKEN && lane->exchange.dirty)
		lane_relay_tick(lane, now_ms);
	return verdict;
}

bool lane_output(struct lane *lane, unsigned int count, int64_t now_ms, struct lane_path *out)
{
	if (lane_state(lane) != PEER_PAIRED || lane->failed)
		return false;
	lane_pin_output(lane);
	flow_add(lane, 0, count, now_ms);
	out->direct = lane->pin == LANE_PINNED || lane_direct_is_open(lane, now_ms);
	if (out->direct) {
		out->socket = lane->direct.socket;
		out->peer = lane->direct.peer;
		return true;
	}
	/* A path that was idle, or in doubt, is trusted again as soon as it answers. */
	if (lane->direct.active)
		lane_direct_hasten(lane, now_ms);
	out->socket = 0;
	out->peer = lane->config.relay;
	return true;
}

enum peer_state lane_state(const struct lane *lane)
{
	return lane->pin == LANE_HELD && lane->state == PEER_PAIRED ? PEER_WAITING : lane->state;
}

bool lane_is_pinned(const struct lane *lane)
{
	return lane->pin != LANE_FREE;
}

bool lane_share(const struct lane *lane, uint16_t *low, uint16_t *high)
{
	*low = lane->word.share_low;
	*high = lane->word.share_high;
	return *low;
}

bool lane_is_direct(const struct lane *lane)
{
	return lane->direct.active;
}

int64_t lane_used_ms(const struct lane *lane)
{
	return lane->flow.used_ms;
}
