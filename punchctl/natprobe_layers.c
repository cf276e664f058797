/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How far a datagram must go to open all our NATs, and no farther. A socket sends one with a short
 * TTL to where the relay has not been heard from, and asks the relay to answer from there: the
 * answer arrives if the filter of every NAT saw the datagram pass.
 *
 * A mapping that depends on the port hides that. Then the TTL is guessed: some routers, but not so
 * far as the relay and whom it can reach at the same distance.
 */
#include "punchctl/natprobe_tests.h"

#define LAYERS_TRIES  3
#define LAYERS_LIKELY 3 /* one or two NATs at home, or the provider's close by */
#define LAYERS_GUESS  4
#define LAYERS_SHORT  2 /* routers from where an opener may end to the relay */

/*
 * Where the opener goes, and so what is to be changed. Only a filter that refuses it without the
 * opener can tell, and only if the mapping towards there is the one that the relay's port sees.
 */
static uint32_t opener_find(const struct natprobe *probe, struct endpoint *opener)
{
	enum nat_mapping mapping = probe->result.report.mapping;

	if (mapping == NAT_MAPPING_UNKNOWN || mapping == NAT_MAPPING_PORT)
		return 0;
	if (probe->result.report.filtering == NAT_FILTERING_PORT) {
		*opener = probe->result.alternate;
		return ASK_CHANGE_PORT;
	}
	if (probe->result.report.filtering != NAT_FILTERING_ADDRESS ||
		mapping == NAT_MAPPING_ADDRESS)
		return 0;
	*opener = probe->result.other;
	return ASK_CHANGE_ADDRESS | ASK_CHANGE_PORT;
}

/* The relay answers from elsewhere only so often, so the unlikely TTLs wait for the likely. */
static void layers_ask(struct natprobe *probe, uint8_t count, int64_t now_ms)
{
	struct probe_layers *layers = &probe->layers;
	struct endpoint opener;
	uint32_t change = opener_find(probe, &opener);

	for (; change && layers->asked < count; layers->asked++) {
		struct ask *ask = &layers->asks[layers->asked];

		ask->change = change;
		ask->limit = LAYERS_TRIES;
		ask->opener = opener;
		ask->opener_ttl = LAYERS_TTL_MIN + layers->asked;
		ask_start_fresh(probe, ask, now_ms);
	}
}

/* Requests with these TTLs: the first that is answered says how far the relay is. */
static void hops_ask(struct natprobe *probe, int64_t now_ms)
{
	struct probe_layers *layers = &probe->layers;

	layers->hops = true;
	for (; layers->asked < LAYERS_HOPS; layers->asked++) {
		struct ask *ask = &layers->asks[layers->asked];

		ask->limit = LAYERS_TRIES;
		ask->ttl = LAYERS_TTL_MIN + layers->asked;
		ask_start_fresh(probe, ask, now_ms);
	}
}

void layers_start(struct natprobe *probe, int64_t now_ms)
{
	struct endpoint opener;

	probe->layers.stage = PROBE_RUNNING;
	if (!opener_find(probe, &opener) && probe->result.report.mapping > NAT_MAPPING_NONE &&
		probe->result.report.filtering != NAT_FILTERING_ENDPOINT)
		hops_ask(probe, now_ms);
	else
		layers_ask(probe, LAYERS_LIKELY, now_ms);
}

static uint8_t opener_guess(uint8_t hops)
{
	if (hops == 0 || hops > LAYERS_GUESS + LAYERS_SHORT)
		return LAYERS_GUESS;
	return hops < LAYERS_TTL_MIN + LAYERS_SHORT ? LAYERS_TTL_MIN
						    : (uint8_t)(hops - LAYERS_SHORT);
}

/* The smallest that passed, 0: none did. False: one below may still come. */
static bool opener_known(const struct probe_layers *layers, uint8_t *ttl)
{
	*ttl = 0;
	for (uint8_t i = 0; i < layers->asked && !*ttl; i++) {
		if (!layers->asks[i].done)
			return false;
		if (ask_succeeded(&layers->asks[i]))
			*ttl = LAYERS_TTL_MIN + i;
	}
	return true;
}

/* A NAT behind the first router is most probably the provider's, and the router one as well. */
static uint8_t layers_estimate(const struct nat_report *report, bool guessed)
{
	if (report->mapping == NAT_MAPPING_NONE)
		return 0;
	return !guessed && report->opener_ttl > 2 ? 2 : 1;
}

void layers_step(struct natprobe *probe, int64_t now_ms)
{
	struct nat_report *report = &probe->result.report;
	uint8_t ttl;

	if (probe->layers.stage != PROBE_RUNNING || !opener_known(&probe->layers, &ttl))
		return;
	if (ttl == 0 && !probe->layers.hops && probe->layers.asked == LAYERS_LIKELY) {
		layers_ask(probe, LAYERS_ASKS, now_ms);
		return;
	}
	probe->layers.stage = PROBE_DONE;
	probe->result.opener_guessed = probe->layers.hops;
	report->opener_ttl = probe->layers.hops ? opener_guess(ttl) : ttl;
	report->layers = layers_estimate(report, probe->layers.hops);
	for (unsigned int i = 0; i < probe->layers.asked; i++) {
		probe_socket_close(probe, probe->layers.asks[i].socket);
		probe->layers.asks[i].done = true;
	}
}
