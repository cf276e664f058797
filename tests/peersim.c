/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/peersim.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/peersim_queue.h"
#include "tests/peersim_relay.h"

#define START_MS  1000000
#define LOCAL_MS  1 /* from a host to its NAT */
#define CORE_HOPS 8 /* from one NAT to the other, or to the relay */
#define TTL	  64
#define SOCKETS	  (PEER_SOCKETS_MAX + 1)
#define DATA_MAX  4096 /* datagrams of each side that are told apart */

struct host {
	struct sim *sim;
	unsigned int side;
	struct lane *lane;
	struct nat *nat;
	struct addr inside, public;
	uint16_t ports[SOCKETS];
	unsigned int sockets;
	int64_t paired_ms, data_ms;
	struct sim_side result;
	bool seen[DATA_MAX];
};

struct sim {
	struct sim_config config;
	int64_t now_ms;
	uint64_t random;
	struct host hosts[2];
	struct simrelay relay;
	bool cut, traced;
	struct simqueue queue;
};

/* With SIM_TRACE in the environment, what happens when. */
__attribute__((format(printf, 2, 3))) static void trace(
	const struct sim *sim, const char *format, ...)
{
	va_list args;

	if (!sim->traced)
		return;
	fprintf(stderr, "%7lld ", (long long)(sim->now_ms - START_MS));
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static unsigned int type_of(const uint8_t *data)
{
	return data[0] * 256u + data[1];
}

static uint32_t sim_random(struct sim *sim)
{
	sim->random = sim->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(sim->random >> 33);
}

static bool chance(struct sim *sim, double p)
{
	return sim_random(sim) < p * 2147483648.0;
}

/* Into the core, to whom the address belongs. */
static void core_send(struct sim *sim, struct event *event)
{
	unsigned int jitter = sim->config.jitter_ms;
	bool peer = true;

	if (chance(sim, sim->config.loss) || event->ttl <= CORE_HOPS) {
		trace(sim, "lost, ttl %u", event->ttl);
		return;
	}
	event->ttl -= CORE_HOPS;
	event->at_ms = sim->now_ms + sim->config.delay_ms;
	if (jitter)
		event->at_ms += (int64_t)(sim_random(sim) % (2 * jitter + 1)) - jitter;
	event->where = AT_OTHER_NAT;
	if (addr_equal(&event->to.addr, &sim->hosts[0].public))
		event->side = 0;
	else if (addr_equal(&event->to.addr, &sim->hosts[1].public))
		event->side = 1;
	else
		peer = false;
	if (addr_equal(&event->to.addr, &sim->relay.punch.addr))
		event->where = AT_RELAY;
	else if (!peer || (sim->cut && !addr_equal(&event->from.addr, &sim->relay.punch.addr)))
		return;
	simqueue_push(&sim->queue, event);
}

static void relay_send(void *arg, const struct endpoint *from, const struct endpoint *to,
	const void *data, size_t len)
{
	struct sim *sim = arg;
	struct event event = {.from = *from, .to = *to, .ttl = TTL, .len = (uint16_t)len};

	ck_assert_uint_le(len, sizeof(event.data));
	memcpy(event.data, data, len);
	core_send(sim, &event);
}

static void host_out(struct host *host, unsigned int socket, const struct endpoint *to, uint8_t ttl,
	const void *data, size_t len)
{
	struct sim *sim = host->sim;
	struct event event = {
		.at_ms = sim->now_ms + LOCAL_MS,
		.where = AT_OWN_NAT,
		.side = host->side,
		.from = {host->inside, host->ports[socket]},
		.to = *to,
		.ttl = ttl ? ttl : TTL,
		.len = (uint16_t)len,
	};

	ck_assert_uint_le(socket, host->sockets);
	ck_assert_uint_le(len, sizeof(event.data));
	memcpy(event.data, data, len);
	simqueue_push(&sim->queue, &event);
}

static int lane_send(void *arg, unsigned int socket, const struct endpoint *to, uint8_t ttl,
	const void *data, size_t len)
{
	struct host *host = arg;

	trace(host->sim, "side %u socket %u ttl %u type %04x", host->side, socket, ttl,
		type_of(data));
	if (!addr_equal(&to->addr, &host->sim->relay.punch.addr) && host->result.direct_ms == 0)
		host->result.probes++;
	host_out(host, socket, to, ttl, data, len);
	return 0;
}

static uint16_t port_fresh(struct sim *sim)
{
	return (uint16_t)(32768 + sim_random(sim) % 28232);
}

static unsigned int lane_sockets(void *arg, unsigned int keep, unsigned int count)
{
	struct host *host = arg;

	ck_assert_uint_le(count, PEER_SOCKETS_MAX);
	ck_assert_uint_le(keep, host->sockets);
	if (keep)
		host->ports[1] = host->ports[keep];
	for (unsigned int i = keep ? 2 : 1; i <= count; i++)
		host->ports[i] = port_fresh(host->sim);
	host->sockets = count;
	return count;
}

static void host_event(void *arg, const struct lane_event *event)
{
	struct host *host = arg;
	struct sim *sim = host->sim;

	trace(sim, "side %u event %d", host->side, event->type);
	switch (event->type) {
	case LANE_PAIRED:
		if (host->paired_ms == 0)
			host->paired_ms = host->data_ms = sim->now_ms;
		break;
	case LANE_DIRECT:
		host->result.direct = true;
		host->result.plan = event->plan;
		if (host->result.directs++ == 0)
			host->result.direct_ms = sim->now_ms - host->paired_ms;
		break;
	case LANE_LOST:
		host->result.direct = false;
		host->result.losts++;
		break;
	case LANE_NO_PATH:
		host->result.rounds_failed++;
		break;
	case LANE_WAITING:
	case LANE_CLOSED:
	case LANE_SILENT:
	case LANE_BACK:
	case LANE_REFUSED:
		break;
	case LANE_FAILED:
		ck_abort_msg("failed: %s", event->reason);
	}
}

static void host_open(struct sim *sim, unsigned int side)
{
	struct host *host = &sim->hosts[side];
	struct nat_config nat = sim->config.nat[side];
	struct lane_config config = {
		.role = side == 0 ? PEER_CLIENT : PEER_SERVICE,
		.name = SIM_NAME,
		.key = SIM_KEY,
		.relay = sim->relay.punch,
		.sequence = 1,
		.send = lane_send,
		.sockets = lane_sockets,
		.event = host_event,
		.arg = host,
	};

	host->sim = sim;
	host->side = side;
	ck_assert_int_eq(addr_parse(side == 0 ? "10.0.0.2" : "10.1.0.2", &host->inside), 0);
	ck_assert_int_eq(addr_parse(side == 0 ? "198.51.100.1" : "192.0.2.1", &host->public), 0);
	nat.public = host->public;
	nat.seed = sim_random(sim);
	host->nat = nat_open(&nat);
	ck_assert_ptr_nonnull(host->nat);
	host->ports[0] = port_fresh(sim);
	ck_assert_int_eq(lane_open(&config, sim->now_ms, &host->lane), 0);
	lane_set_nat(host->lane, &sim->config.report[side]);
}

struct sim *sim_open(const struct sim_config *config)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	ck_assert_ptr_nonnull(sim);
	sim->config = *config;
	sim->now_ms = START_MS;
	sim->traced = getenv("SIM_TRACE") != NULL;
	sim->random = config->seed * 0x9e3779b97f4a7c15u + 1;
	simqueue_open(&sim->queue);
	simrelay_open(&sim->relay);
	sim->relay.arg = sim;
	sim->relay.send = relay_send;
	/* The service first, as in life. */
	host_open(sim, 1);
	host_open(sim, 0);
	return sim;
}

void sim_close(struct sim *sim)
{
	for (unsigned int i = 0; i < 2; i++) {
		lane_close(sim->hosts[i].lane, sim->now_ms);
		nat_close(sim->hosts[i].nat);
	}
	simrelay_close(&sim->relay);
	simqueue_close(&sim->queue);
	free(sim);
}

static void host_data(struct host *host, const uint8_t *data, size_t len)
{
	uint32_t number;

	ck_assert_uint_eq(len, 1 + sizeof(number));
	memcpy(&number, data + 1, sizeof(number));
	if (number >= DATA_MAX)
		return;
	if (host->seen[number])
		host->result.doubled++;
	else
		host->result.got++;
	host->seen[number] = true;
}

static void host_input(struct host *host, struct event *event)
{
	for (unsigned int i = 0; i <= host->sockets; i++) {
		if (host->ports[i] != event->to.port)
			continue;
		switch (lane_input(
			host->lane, i, &event->from, event->data, event->len, host->sim->now_ms)) {
		case LANE_DATA:
			host_data(host, event->data, event->len);
			break;
		case LANE_TAKEN:
			break;
		case LANE_FOREIGN:
			host->result.strangers++;
			break;
		}
		return;
	}
}

static void event_do(struct sim *sim, struct event *event)
{
	struct host *host = &sim->hosts[event->side];
	struct endpoint end;

	switch (event->where) {
	case AT_OWN_NAT:
		if (chance(sim, sim->config.loss / 10) || --event->ttl == 0)
			return;
		if (!nat_out(host->nat, &event->from, &event->to, sim->now_ms, &end)) {
			return;
		}
		event->from = end;
		core_send(sim, event);
		break;
	case AT_OTHER_NAT:
		if (!nat_in(host->nat, &event->from, &event->to, sim->now_ms, &end)) {
			trace(sim, "side %u: refused by the NAT", event->side);
			return;
		}
		event->to = end;
		event->where = AT_HOST;
		event->at_ms = sim->now_ms + LOCAL_MS;
		simqueue_push(&sim->queue, event);
		break;
	case AT_RELAY:
		simrelay_input(&sim->relay, &event->from, &event->to, event->data, event->len,
			sim->now_ms);
		break;
	case AT_HOST:
		host_input(host, event);
		break;
	}
}

/* Sends data when it is time; when it is next. */
static int64_t host_tick(struct host *host)
{
	struct sim *sim = host->sim;
	struct lane_path path;
	uint8_t data[1 + sizeof(uint32_t)] = {0x80};

	if (sim->now_ms >= lane_deadline(host->lane))
		lane_tick(host->lane, sim->now_ms);
	if (host->paired_ms && sim->config.data_ms && sim->now_ms >= host->data_ms &&
		lane_output(host->lane, 1, sim->now_ms, &path)) {
		memcpy(data + 1, &host->result.sent, sizeof(host->result.sent));
		host->result.sent++;
		host_out(host, path.socket, &path.peer, 0, data, sizeof(data));
		host->data_ms = sim->now_ms + sim->config.data_ms;
	}
	if (!host->paired_ms || !sim->config.data_ms)
		return lane_deadline(host->lane);
	return host->data_ms < lane_deadline(host->lane) ? host->data_ms
							 : lane_deadline(host->lane);
}

/* One moment; false when it would be after the end. */
static bool sim_step(struct sim *sim, int64_t end_ms)
{
	int64_t next = end_ms, due;
	struct event event;

	while (simqueue_due_ms(&sim->queue) <= sim->now_ms) {
		event = *simqueue_pop(&sim->queue);
		event_do(sim, &event);
	}
	simrelay_tick(&sim->relay, sim->now_ms);
	for (unsigned int i = 0; i < 2; i++) {
		due = host_tick(&sim->hosts[i]);
		next = due < next ? due : next;
	}
	due = simrelay_deadline(&sim->relay);
	next = due < next ? due : next;
	due = simqueue_due_ms(&sim->queue);
	next = due < next ? due : next;
	if (sim->now_ms >= end_ms)
		return false;
	sim->now_ms = next > sim->now_ms ? next : sim->now_ms + 1;
	return true;
}

void sim_run(struct sim *sim, int64_t ms)
{
	int64_t end_ms = sim->now_ms + ms;

	while (sim_step(sim, end_ms))
		;
}

bool sim_run_direct(struct sim *sim, int64_t ms)
{
	const uint64_t hopeless = simrelay_hopeless(&sim->relay);
	int64_t end_ms = sim->now_ms + ms;

	while (!(sim->hosts[0].result.direct && sim->hosts[1].result.direct)) {
		if (simrelay_hopeless(&sim->relay) > hopeless || !sim_step(sim, end_ms))
			return false;
	}
	return true;
}

const struct sim_side *sim_side(const struct sim *sim, unsigned int side)
{
	return &sim->hosts[side].result;
}

struct lane *sim_lane(struct sim *sim, unsigned int side)
{
	return sim->hosts[side].lane;
}

int64_t sim_now(const struct sim *sim)
{
	return sim->now_ms;
}

void sim_cut(struct sim *sim, bool cut)
{
	sim->cut = cut;
}

void sim_data(struct sim *sim, unsigned int data_ms)
{
	sim->config.data_ms = data_ms;
	for (unsigned int i = 0; i < 2; i++)
		sim->hosts[i].data_ms = sim->now_ms;
}

void sim_renumber(struct sim *sim, unsigned int side)
{
	struct host *host = &sim->hosts[side];
	struct nat_config nat = sim->config.nat[side];

	host->public.bytes[3]++;
	nat.public = host->public;
	nat.seed = sim_random(sim);
	nat_close(host->nat);
	host->nat = nat_open(&nat);
	ck_assert_ptr_nonnull(host->nat);
}
