/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/natprobe_sim.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "common/stun.h"

#define EVENTS	  1024
#define SOCKETS	  64
#define HOPS	  12 /* from the host to the relay */
#define HOUR	  3600000
#define PUNCH	  3478
#define ALTERNATE 3479

struct event {
	int64_t due_ms;
	bool inward; /* towards the host; else towards the relay */
	struct endpoint from, to;
	size_t len;
	uint8_t data[STUN_MAX];
};

struct world {
	const struct sim_config *config;
	struct sim *out;
	struct nat *nats[SIM_NATS];
	uint32_t random;
	uint16_t port;		 /* the next socket's */
	uint16_t ports[SOCKETS]; /* by socket, 0: closed */
	unsigned int open, count;
	struct event events[EVENTS];
};

static struct addr address(const char *text)
{
	struct addr addr;

	ck_assert_int_eq(addr_parse(text, &addr), 0);
	return addr;
}

static unsigned int draw(struct world *world, unsigned int n)
{
	world->random = world->random * 1664525 + 1013904223;
	return (unsigned int)(((uint64_t)world->random * n) >> 32);
}

static void post(struct world *world, bool inward, const struct endpoint *from,
	const struct endpoint *to, const void *data, size_t len)
{
	struct event *event;
	unsigned int delay = world->config->delay_ms ? world->config->delay_ms : 30;

	if (draw(world, 1000) < world->config->loss)
		return;
	ck_assert_uint_lt(world->count, EVENTS);
	ck_assert_uint_le(len, STUN_MAX);
	event = &world->events[world->count++];
	*event = (struct event){world->out->now_ms + delay, inward, *from, *to, len, {0}};
	memcpy(event->data, data, len);
}

static int sim_open(void *arg, uint16_t *port)
{
	struct world *world = arg;

	for (int i = 0; i < SOCKETS; i++) {
		if (world->ports[i])
			continue;
		world->port = (uint16_t)(world->port + 1 + draw(world, 90));
		world->ports[i] = *port = world->port;
		if (++world->open > world->out->sockets_max)
			world->out->sockets_max = world->open;
		return i;
	}
	return -1;
}

static void sim_close(void *arg, int socket)
{
	struct world *world = arg;

	ck_assert(world->ports[socket] != 0);
	world->ports[socket] = 0;
	world->open--;
}

static int sim_send(
	void *arg, int socket, const struct endpoint *to, uint8_t ttl, const void *data, size_t len)
{
	struct world *world = arg;
	struct endpoint from = {address("10.0.0.2"), world->ports[socket]}, mapped;
	unsigned int left = ttl ? ttl : 64;

	ck_assert(world->ports[socket] != 0);
	world->out->datagrams++;
	if (world->config->nats == 0)
		from.addr = address("198.51.100.1");
	for (unsigned int i = 0; i < world->config->nats; i++) {
		unsigned int routers = i + 1 == world->config->nats ? world->config->routers : 0;

		if (left <= 1 + routers)
			return 0;
		left -= 1 + routers;
		if (!nat_out(world->nats[i], &from, to, world->out->now_ms, &mapped))
			return 0;
		from = mapped;
		if (addr_equal(&to->addr, &mapped.addr)) { /* a hairpin */
			post(world, true, &from, to, data, len);
			return 0;
		}
	}
	if (left + world->config->nats + world->config->routers >
		(world->config->hops ? world->config->hops : HOPS))
		post(world, false, &from, to, data, len);
	return 0;
}

/* A firewall in front of the relay, which has no say in what the relay names. */
static bool is_walled(const struct world *world, const struct endpoint *here, bool inward)
{
	const struct sim_config *config = world->config;

	if (here->port == ALTERNATE && (config->walled || (config->walled_in && !inward)))
		return true;
	return config->half && here->addr.bytes[3] != 1;
}

static void answer(struct world *world, const struct event *event, const struct stun *request)
{
	struct endpoint source = event->to, client = event->from;
	uint8_t data[STUN_MAX];
	struct buf buf;

	if (world->config->plain) {
		source = event->to;
	} else {
		if (request->change & 0x4) {
			if (!world->config->two)
				return;
			source.addr = address(
				event->to.addr.bytes[3] == 1 ? "203.0.113.2" : "203.0.113.1");
		}
		if (request->change & 0x2)
			source.port = event->to.port == PUNCH ? ALTERNATE : PUNCH;
	}
	if (request->has_response_port && world->config->deaf)
		return;
	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, STUN_SUCCESS, request->tid);
	stun_put_endpoint(&buf, STUN_XOR_MAPPED_ADDRESS, &client);
	if (world->config->two) {
		struct endpoint other = {
			address(event->to.addr.bytes[3] == 1 ? "203.0.113.2" : "203.0.113.1"),
			event->to.port == PUNCH ? ALTERNATE : PUNCH};

		stun_put_endpoint(&buf, STUN_OTHER_ADDRESS, &other);
	} else if (!world->config->plain) {
		stun_put_alternate(&buf, event->to.port == PUNCH ? ALTERNATE : PUNCH);
	}
	stun_put_fingerprint(&buf);
	stun_end(&buf);
	if (!request->has_response_port)
		world->out->small += event->len < buf.at;
	else
		client.port = request->response_port;
	if (!is_walled(world, &source, true))
		post(world, true, &source, &client, data, buf.at);
}

static void relay_input(struct world *world, const struct event *event)
{
	struct stun request;

	if (world->config->dead || is_walled(world, &event->to, false) ||
		stun_parse(event->data, event->len, &request) < 0 || request.type != STUN_REQUEST)
		return;
	if (!world->config->two && event->to.addr.bytes[3] != 1)
		return;
	if (world->config->plain && event->to.port != PUNCH)
		return;
	answer(world, event, &request);
}

/* At the outermost NAT, or at the host when there is none left before it. */
static void host_input(struct world *world, struct natprobe *probe, const struct event *event)
{
	struct endpoint to = event->to, inside;

	for (unsigned int i = world->config->nats; i-- > 0;) {
		if (!addr_equal(&to.addr, &world->config->nat[i].public))
			continue;
		if (!nat_in(world->nats[i], &event->from, &to, world->out->now_ms, &inside))
			return;
		to = inside;
	}
	for (int i = 0; i < SOCKETS; i++)
		if (world->ports[i] && world->ports[i] == to.port) {
			natprobe_input(probe, i, &event->from, event->data, event->len,
				world->out->now_ms);
			return;
		}
}

static unsigned int next_event(const struct world *world)
{
	unsigned int best = 0;

	for (unsigned int i = 1; i < world->count; i++)
		if (world->events[i].due_ms < world->events[best].due_ms)
			best = i;
	return best;
}

static void turn(struct world *world, struct natprobe *probe)
{
	int64_t deadline = natprobe_deadline(probe);
	unsigned int index = next_event(world);
	struct event event;

	if (world->count == 0 || world->events[index].due_ms > deadline) {
		ck_assert(deadline != INT64_MAX);
		ck_assert(deadline >= world->out->now_ms);
		world->out->now_ms = deadline;
		natprobe_tick(probe, deadline);
		return;
	}
	event = world->events[index];
	memmove(&world->events[index], &world->events[index + 1],
		(--world->count - index) * sizeof(event));
	world->out->now_ms = event.due_ms;
	if (event.inward)
		host_input(world, probe, &event);
	else
		relay_input(world, &event);
}

void sim_run(const struct sim_config *config, const struct natprobe_config *probe, struct sim *out)
{
	static const char *const publics[] = {"100.64.0.9", "100.65.0.9", "192.0.2.9"};
	struct sim_config own = *config;
	struct world *world = calloc(1, sizeof(*world));
	struct natprobe_config with = *probe;
	struct natprobe *machine;

	memset(out, 0, sizeof(*out));
	world->config = &own;
	world->out = out;
	world->port = (uint16_t)(30000 + config->seed % 8192);
	world->random = config->seed * 2654435761u + 7;
	for (unsigned int i = 0; i < own.nats; i++) {
		own.nat[i].public = address(publics[SIM_NATS - own.nats + i]);
		own.nat[i].seed = config->seed + i;
		world->nats[i] = nat_open(&own.nat[i]);
	}
	with.relay = (struct endpoint){address("203.0.113.1"), PUNCH};
	with.local = address(own.nats ? "10.0.0.2" : "198.51.100.1");
	with.open = sim_open;
	with.close = sim_close;
	with.send = sim_send;
	with.arg = world;
	ck_assert_int_eq(natprobe_open(&with, 0, &machine), 0);
	while (!natprobe_is_done(machine)) {
		ck_assert_int_lt(out->now_ms, HOUR);
		turn(world, machine);
	}
	out->result = *natprobe_result(machine);
	natprobe_close(machine);
	ck_assert_uint_eq(world->open, 0);
	for (unsigned int i = 0; i < own.nats; i++)
		nat_close(world->nats[i]);
	free(world);
}
