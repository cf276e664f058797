/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mapping, RFC 5780, section 4.3: one socket, and what it looks like from each of the relay's. */
#include "punchctl/natprobe_tests.h"

static void mapping_ask(
	struct natprobe *probe, unsigned int which, const struct endpoint *to, int64_t now_ms)
{
	struct ask *ask = &probe->mapping.asks[which];

	ask->socket = ask->ear = probe->basic.ask.socket;
	ask->to = *to;
	ask_start(probe, ask, now_ms);
}

/* Without a NAT as well, as filtering wants to know who answers at all. */
void mapping_start(struct natprobe *probe, int64_t now_ms)
{
	const struct natprobe_result *result = &probe->result;
	struct endpoint address = {result->other.addr, probe->config.relay.port};

	probe->mapping.stage = PROBE_RUNNING;
	if (probe->result.alternate.addr.family)
		mapping_ask(probe, MAPPING_ALTERNATE, &probe->result.alternate, now_ms);
	if (result->other.addr.family) {
		mapping_ask(probe, MAPPING_ADDRESS, &address, now_ms);
		mapping_ask(probe, MAPPING_BOTH, &result->other, now_ms);
	}
}

static bool is_seen_as(const struct ask *ask, const struct endpoint *mapped)
{
	return ask_succeeded(ask) && endpoint_equal(&ask->mapped, mapped);
}

static bool is_seen_otherwise(const struct ask *ask, const struct endpoint *mapped)
{
	return ask_succeeded(ask) && !endpoint_equal(&ask->mapped, mapped);
}

/* Without an answer from the other address, the other port still tells half of it. */
static enum nat_mapping mapping_verdict(const struct natprobe *probe)
{
	const struct endpoint *mapped = &probe->result.mapped;
	const struct ask *alternate = &probe->mapping.asks[MAPPING_ALTERNATE];
	const struct ask *address = &probe->mapping.asks[MAPPING_ADDRESS];
	const struct ask *both = &probe->mapping.asks[MAPPING_BOTH];

	if (endpoint_equal(mapped, &probe->result.local))
		return NAT_MAPPING_NONE;
	if (is_seen_otherwise(alternate, mapped))
		return NAT_MAPPING_PORT;
	if (is_seen_as(address, mapped) && !is_seen_otherwise(both, mapped))
		return NAT_MAPPING_ENDPOINT;
	if (is_seen_as(both, mapped) && !ask_succeeded(address))
		return NAT_MAPPING_ENDPOINT;
	if (ask_succeeded(address) && is_seen_as(both, &address->mapped))
		return NAT_MAPPING_ADDRESS;
	if (ask_succeeded(address) || ask_succeeded(both))
		return NAT_MAPPING_PORT;
	return is_seen_as(alternate, mapped) ? NAT_MAPPING_NOT_PORT : NAT_MAPPING_UNKNOWN;
}

void mapping_step(struct natprobe *probe, int64_t now_ms)
{
	struct probe_mapping *mapping = &probe->mapping;
	const struct ask *alternate = &mapping->asks[MAPPING_ALTERNATE];

	(void)now_ms;
	if (mapping->stage != PROBE_RUNNING)
		return;
	for (unsigned int i = 0; i < MAPPING_ASKS; i++)
		if (mapping->asks[i].started && !mapping->asks[i].done)
			return;
	mapping->stage = PROBE_DONE;
	probe->result.alternate_silent = alternate->started && !alternate->answered;
	probe->result.report.mapping = mapping_verdict(probe);
}
