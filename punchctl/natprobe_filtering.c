/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Filtering, RFC 5780, section 4.4: who may answer a socket that has sent to nobody but the relay's
 * one port. The other port comes first: when that may not, the other address may not either, and
 * need not be asked, as the relay answers from elsewhere only so often.
 */
#include "punchctl/natprobe_tests.h"

#define FILTERING_TRIES 3

static void filtering_ask(
	struct natprobe *probe, unsigned int which, uint32_t change, int64_t now_ms)
{
	struct ask *ask = &probe->filtering.asks[which];

	ask->change = change;
	ask->limit = FILTERING_TRIES;
	ask_start_fresh(probe, ask, now_ms);
}

/* A relay that names no other port would not answer from one: silence would tell nothing. */
void filtering_start(struct natprobe *probe, int64_t now_ms)
{
	probe->filtering.stage = PROBE_RUNNING;
	if (probe->result.alternate.addr.family)
		filtering_ask(probe, FILTERING_PORT, ASK_CHANGE_PORT, now_ms);
}

/* From where the answer was wished, mapping has had one: what is silent there is a filter. */
static bool is_reachable(const struct natprobe *probe, const struct ask *ask)
{
	unsigned int which = ask->change & ASK_CHANGE_ADDRESS ? MAPPING_BOTH : MAPPING_ALTERNATE;

	return probe->mapping.asks[which].answered;
}

/*
 * Tells nothing: refused, not sent, the answer of a server that does not heed the wish, or the
 * silence of one that is not heard from there anyhow.
 */
static bool is_void(const struct natprobe *probe, const struct ask *ask)
{
	const struct endpoint *relay = &probe->config.relay;

	if (!ask->started || ask->socket < 0)
		return true;
	if (!ask->answered)
		return !is_reachable(probe, ask);
	if (ask->error || ask->from.port == relay->port)
		return true;
	return (ask->change & ASK_CHANGE_ADDRESS) && addr_equal(&ask->from.addr, &relay->addr);
}

static enum nat_filtering filtering_verdict(const struct natprobe *probe)
{
	const struct ask *both = &probe->filtering.asks[FILTERING_BOTH];
	const struct ask *port = &probe->filtering.asks[FILTERING_PORT];

	if (!is_void(probe, both) && both->answered)
		return NAT_FILTERING_ENDPOINT;
	if (is_void(probe, port))
		return NAT_FILTERING_UNKNOWN;
	if (!port->answered)
		return NAT_FILTERING_PORT;
	return is_void(probe, both) ? NAT_FILTERING_NOT_PORT : NAT_FILTERING_ADDRESS;
}

/* True: the other address has been asked as well, or there is no need or no such address. */
static bool both_is_settled(struct natprobe *probe, int64_t now_ms)
{
	const struct ask *both = &probe->filtering.asks[FILTERING_BOTH];
	const struct ask *port = &probe->filtering.asks[FILTERING_PORT];

	if (both->started)
		return both->done;
	if (!probe->result.other.addr.family || (!is_void(probe, port) && !port->answered))
		return true;
	filtering_ask(probe, FILTERING_BOTH, ASK_CHANGE_ADDRESS | ASK_CHANGE_PORT, now_ms);
	return both->done;
}

void filtering_step(struct natprobe *probe, int64_t now_ms)
{
	struct probe_filtering *filtering = &probe->filtering;
	const struct ask *port = &filtering->asks[FILTERING_PORT];

	if (filtering->stage != PROBE_RUNNING || probe->mapping.stage != PROBE_DONE ||
		(port->started && !port->done) || !both_is_settled(probe, now_ms))
		return;
	filtering->stage = PROBE_DONE;
	probe->result.report.filtering = filtering_verdict(probe);
	for (unsigned int i = 0; i < FILTERING_ASKS; i++)
		if (filtering->asks[i].started)
			probe_socket_close(probe, filtering->asks[i].socket);
}
