/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Port allocation, RFC 4787, section 4.2: fresh mappings in a known order, close to each other. */
#include "punchctl/natprobe_tests.h"

#define PORTS_PACE_MS 2

/* Another address, the partner's if need be, makes a new mapping for more NATs than another port.
 */
static const struct endpoint *second_of(const struct natprobe *probe)
{
	return probe->result.other.addr.family ? &probe->result.other : &probe->result.alternate;
}

static unsigned int asks_per_socket(const struct natprobe *probe)
{
	return second_of(probe)->addr.family ? 2 : 1;
}

static void ports_begin(struct natprobe *probe, int64_t now_ms)
{
	struct probe_ports *ports = &probe->ports;
	unsigned int sockets = probe->config.thorough ? PORTS_SOCKETS : PORTS_QUICK;

	ports->stage = PROBE_RUNNING;
	ports->sent = 0;
	ports->want = sockets * asks_per_socket(probe);
	ports->next_ms = now_ms + PORTS_PACE_MS;
}

void ports_start(struct natprobe *probe, int64_t now_ms)
{
	ports_begin(probe, now_ms);
}

/* Each is asked once: after a repetition nobody knows when the mapping was made. */
static void ports_send(struct natprobe *probe, int64_t now_ms)
{
	struct probe_ports *ports = &probe->ports;
	unsigned int index = ports->sent / asks_per_socket(probe);
	bool is_second = ports->sent % asks_per_socket(probe) == 1;
	struct ask *ask = &ports->asks[ports->sent++];

	*ask = (struct ask){.limit = 1};
	ports->next_ms = now_ms + PORTS_PACE_MS;
	if (!is_second) {
		ask_start_fresh(probe, ask, now_ms);
		ports->sockets[index] = ask->socket;
		return;
	}
	ask->socket = ask->ear = ports->sockets[index];
	ask->to = *second_of(probe);
	if (ask->socket >= 0)
		ask_start(probe, ask, now_ms);
	else
		ask->started = ask->done = true;
}

static void ports_close(struct natprobe *probe)
{
	for (unsigned int i = 0; i < PORTS_SOCKETS; i++) {
		probe_socket_close(probe, probe->ports.sockets[i]);
		probe->ports.sockets[i] = -1;
	}
}

static void ports_collect(struct natprobe *probe)
{
	struct natprobe_result *result = &probe->result;

	result->sample_count = 0;
	for (unsigned int i = 0; i < probe->ports.sent; i++) {
		const struct ask *ask = &probe->ports.asks[i];

		if (!ask_succeeded(ask))
			continue;
		result->samples[result->sample_count++] = (struct nat_sample){
			.local = probe->sockets[ask->socket].port,
			.mapped = ask->mapped.port,
		};
	}
}

void ports_step(struct natprobe *probe, int64_t now_ms)
{
	struct probe_ports *ports = &probe->ports;

	if (ports->stage != PROBE_RUNNING)
		return;
	if (ports->sent < ports->want && now_ms >= ports->next_ms)
		ports_send(probe, now_ms);
	if (ports->sent < ports->want)
		return;
	for (unsigned int i = 0; i < ports->sent; i++)
		if (!ports->asks[i].done)
			return;
	ports_collect(probe);
	ports_close(probe);
	if (probe->result.sample_count < ports->want / 2 && !ports->again) {
		ports->again = true;
		ports_begin(probe, now_ms);
		return;
	}
	ports->stage = PROBE_DONE;
	nat_ports_classify(
		probe->result.samples, probe->result.sample_count, &probe->result.report.ports);
}
