/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/natprobe.h"

#include <errno.h>
#include <stdlib.h>

#include "punchctl/natprobe_tests.h"

struct input {
	int socket;
	const struct endpoint *from;
	const struct stun *stun;
	int64_t now_ms;
};

static bool each_of(struct natprobe *probe, struct ask *asks, size_t count,
	bool (*fn)(struct natprobe *probe, struct ask *ask, void *arg), void *arg)
{
	for (size_t i = 0; i < count; i++)
		if (asks[i].started && fn(probe, &asks[i], arg))
			return true;
	return false;
}

bool probe_each_ask(struct natprobe *probe,
	bool (*fn)(struct natprobe *probe, struct ask *ask, void *arg), void *arg)
{
	if (each_of(probe, &probe->basic.ask, 1, fn, arg) ||
		each_of(probe, probe->mapping.asks, MAPPING_ASKS, fn, arg) ||
		each_of(probe, probe->filtering.asks, FILTERING_ASKS, fn, arg) ||
		each_of(probe, probe->ports.asks, probe->ports.sent, fn, arg) ||
		each_of(probe, probe->layers.asks, LAYERS_ASKS, fn, arg) ||
		each_of(probe, probe->hairpin.asks, 2, fn, arg))
		return true;
	for (unsigned int i = 0; i < probe->lifetime.count; i++)
		if (each_of(probe, &probe->lifetime.points[i].open, 1, fn, arg) ||
			each_of(probe, &probe->lifetime.points[i].poke, 1, fn, arg))
			return true;
	return false;
}

/* Nothing came, not once: UDP does not reach the relay, or there is none. Or it refuses. */
static void probe_give_up(struct natprobe *probe)
{
	probe->result.report.blocked = !probe->basic.ask.answered;
	probe->mapping.stage = PROBE_DONE;
	probe->filtering.stage = PROBE_DONE;
	probe->ports.stage = PROBE_DONE;
	probe->layers.stage = PROBE_DONE;
	probe->hairpin.stage = PROBE_DONE;
	probe->lifetime.stage = PROBE_DONE;
}

/* Test I of RFC 5780: everything else builds on its answer. */
static void basic_step(struct natprobe *probe)
{
	struct probe_basic *basic = &probe->basic;
	struct natprobe_result *result = &probe->result;

	if (basic->stage == PROBE_DONE || !basic->ask.done)
		return;
	basic->stage = PROBE_DONE;
	if (!ask_succeeded(&basic->ask)) {
		probe_give_up(probe);
		return;
	}
	result->mapped = basic->ask.mapped;
	result->alternate = (struct endpoint){probe->config.relay.addr, basic->ask.alternate};
	if (basic->ask.other.addr.family == probe->config.relay.addr.family &&
		!addr_equal(&basic->ask.other.addr, &probe->config.relay.addr)) {
		result->other = basic->ask.other;
		if (result->alternate.port == 0)
			result->alternate.port = basic->ask.other.port;
	}
	if (result->alternate.port == 0 || result->alternate.port == probe->config.relay.port)
		result->alternate = (struct endpoint){{0}, 0};
}

static bool probe_quick_done(const struct natprobe *probe)
{
	return probe->mapping.stage == PROBE_DONE && probe->filtering.stage == PROBE_DONE &&
	       probe->ports.stage == PROBE_DONE;
}

/*
 * Whatever is asked for the first time makes a mapping, so the order is: one burst for mapping and
 * filtering, then the samples by themselves; the layers need all three verdicts.
 */
static void probe_step(struct natprobe *probe, int64_t now_ms)
{
	basic_step(probe);
	if (probe->basic.stage != PROBE_DONE)
		return;
	if (probe->mapping.stage == PROBE_WAITING)
		mapping_start(probe, now_ms);
	if (probe->filtering.stage == PROBE_WAITING)
		filtering_start(probe, now_ms);
	if (probe->ports.stage == PROBE_WAITING)
		ports_start(probe, now_ms);
	mapping_step(probe, now_ms);
	filtering_step(probe, now_ms);
	ports_step(probe, now_ms);
	if (!probe_quick_done(probe))
		return;
	if (probe->layers.stage == PROBE_WAITING)
		layers_start(probe, now_ms);
	if (probe->hairpin.stage == PROBE_WAITING)
		hairpin_start(probe, now_ms);
	layers_step(probe, now_ms);
	hairpin_step(probe, now_ms);
	if (probe->layers.stage != PROBE_DONE || probe->hairpin.stage != PROBE_DONE)
		return;
	if (probe->lifetime.stage == PROBE_WAITING)
		lifetime_start(probe, now_ms);
	lifetime_step(probe, now_ms);
}

int natprobe_open(const struct natprobe_config *config, int64_t now_ms, struct natprobe **out)
{
	struct natprobe *probe = calloc(1, sizeof(*probe));
	struct ask *ask;

	*out = NULL;
	if (!probe)
		return -ENOMEM;
	probe->config = *config;
	probe->lifetime.asker = -1;
	for (size_t i = 0; i < PORTS_SOCKETS; i++)
		probe->ports.sockets[i] = -1;
	probe->rto_ms = 600;
	ask = &probe->basic.ask;
	ask->patient = true;
	ask_start_fresh(probe, ask, now_ms);
	if (ask->socket < 0) {
		int ret = ask->socket;

		free(probe);
		return ret;
	}
	probe->result.local = (struct endpoint){config->local, probe->sockets[ask->socket].port};
	*out = probe;
	return 0;
}

void natprobe_close(struct natprobe *probe)
{
	if (!probe)
		return;
	for (int i = 0; i < NATPROBE_SOCKETS; i++)
		probe_socket_close(probe, i);
	free(probe);
}

static bool tick_ask(struct natprobe *probe, struct ask *ask, void *arg)
{
	ask_tick(probe, ask, *(const int64_t *)arg);
	return false;
}

void natprobe_tick(struct natprobe *probe, int64_t now_ms)
{
	probe_each_ask(probe, tick_ask, &now_ms);
	probe_step(probe, now_ms);
}

static bool earliest(struct natprobe *probe, struct ask *ask, void *arg)
{
	int64_t *deadline = arg, other = ask_deadline(probe, ask);

	if (other < *deadline)
		*deadline = other;
	return false;
}

int64_t natprobe_deadline(const struct natprobe *probe)
{
	int64_t deadline = INT64_MAX, other;

	/* It changes nothing; only the walk is shared with those that do. */
	probe_each_ask((struct natprobe *)probe, earliest, &deadline);
	if (probe->ports.stage == PROBE_RUNNING && probe->ports.sent < probe->ports.want &&
		probe->ports.next_ms < deadline)
		deadline = probe->ports.next_ms;
	other = hairpin_deadline(probe);
	if (other < deadline)
		deadline = other;
	other = lifetime_deadline(probe);
	return other < deadline ? other : deadline;
}

static bool input_ask(struct natprobe *probe, struct ask *ask, void *arg)
{
	const struct input *input = arg;

	return ask_input(probe, ask, input->socket, input->from, input->stun, input->now_ms);
}

static int socket_find(const struct natprobe *probe, int number)
{
	for (int i = 0; i < NATPROBE_SOCKETS; i++)
		if (probe->sockets[i].open && probe->sockets[i].number == number)
			return i;
	return -1;
}

bool natprobe_input(struct natprobe *probe, int socket, const struct endpoint *from,
	const uint8_t *data, size_t len, int64_t now_ms)
{
	struct stun stun;
	struct input input = {socket_find(probe, socket), from, &stun, now_ms};

	if (input.socket < 0 || stun_parse(data, len, &stun) < 0)
		return false;
	if (!probe_each_ask(probe, input_ask, &input) && !hairpin_input(probe, input.socket, &stun))
		return false;
	probe_step(probe, now_ms);
	return true;
}

bool natprobe_is_done(const struct natprobe *probe)
{
	return probe->basic.stage == PROBE_DONE && probe_quick_done(probe) &&
	       probe->layers.stage == PROBE_DONE && probe->hairpin.stage == PROBE_DONE &&
	       probe->lifetime.stage == PROBE_DONE;
}

const struct natprobe_result *natprobe_result(const struct natprobe *probe)
{
	return &probe->result;
}
