/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel should hold and does not. */
#include <string.h>

#include "relayd/compare_inner.h"

/* Clocks and transactions that were on their way make no more of a difference than this. */
#define CONSENT_SLACK_MS 2000

/*
 * What the transaction under way makes of a slot is taken for what the kernel has, so nothing can
 * be noted before its verdict: another comparison will.
 */
static bool is_free(const struct compare *compare, const struct slot *slot)
{
	if (slot->busy)
		restore_doubt(compare->net);
	return !slot->busy;
}

/* The next sync is to do something for it. */
static void differs(struct compare *compare, struct slot *slot)
{
	compare->count.missing++;
	slot_mark(&compare->net->table, slot);
}

static bool listening_is(const struct slot *slot, const struct rules_listening *listening)
{
	const struct prefix *source = &slot->listening_source;

	return listening->number == slot->stream->number &&
	       !strcmp(listening->name, slot->stream->spec.name) &&
	       listening->source.bits == source->bits &&
	       (!source->bits || addr_equal(&listening->source.addr, &source->addr));
}

/* LISTEN replaces what is there, so one of them brings all of the slot's in order. */
static bool listening_compare(
	struct compare *compare, const struct slot *slot, const struct endpoint *listen)
{
	const struct ipc_record *record = compare_record(compare, BY_LISTENING, listen);

	compare_want(compare, record);
	return record && listening_is(slot, &record->listening) &&
	       !compare_is_torn(compare, RULES_TORN_LISTEN, listen, NULL);
}

static bool raw_compare(struct compare *compare, const struct endpoint *at)
{
	const struct ipc_record *record = compare_record(compare, BY_RAW, at);

	compare_want(compare, record);
	return record != NULL;
}

/* Milliseconds of consent that the slot's client has left, by its last punch. */
static int64_t consent_due(const struct compare *compare, const struct slot *slot)
{
	const struct net *net = compare->net;

	return (int64_t)net->table.consent_ms - (net_now(net) - slot->punched_ms);
}

/* What the kernel should have of the slot by now is missing here and there: only that is sent. */
static void ingress_compare(
	struct compare *compare, const struct slot *slot, const struct endpoint *listen)
{
	const struct ipc_record *record = compare_record(compare, BY_INGRESS, listen);
	int64_t due = consent_due(compare, slot);
	struct rules_op op = {.kind = RULES_INGRESS,
		.listen = *listen,
		.client = slot->have.client,
		.source = slot->listening_source,
		.consent_ms = due > 0 ? (uint32_t)due : 1,
		.rate = slot->stream->spec.rate};

	if (slot->have.client.addr.family || slot->want.client.addr.family || slot->busy)
		compare_want(compare, record);
	if (!slot->have.client.addr.family)
		return;
	if (record && endpoint_equal(&record->ingress.client, &slot->have.client) &&
		(due <= CONSENT_SLACK_MS ||
			!compare_is_torn(compare, RULES_TORN_INGRESS, listen, NULL)))
		return;
	if (!is_free(compare, slot))
		return;
	compare->count.missing++;
	strcpy(op.name, slot->stream->spec.name);
	compare_queue(compare, &op);
}

static bool consent_is(const struct compare *compare, const struct slot *slot, uint32_t left_ms)
{
	int64_t due = consent_due(compare, slot);

	if (!hole_equal(&slot->have, &slot->want) || slot->refresh || slot->busy ||
		due <= CONSENT_SLACK_MS)
		return true;
	return left_ms >= due - CONSENT_SLACK_MS && left_ms <= due + CONSENT_SLACK_MS;
}

static void hole_compare(struct compare *compare, struct slot *slot)
{
	const struct ipc_record *record;

	if (!slot->have.client.addr.family)
		return;
	record = compare_record(compare, BY_CLIENT, &slot->have.client);
	compare_want(compare, record);
	if (!record || !endpoint_equal(&record->client.punch, &slot->have.punch) ||
		record->client.rate == RULES_RATE_UNKNOWN ||
		record->client.rate != slot->have_rate) {
		if (!is_free(compare, slot))
			return;
		/* All of it is made anew. */
		memset(&slot->have, 0, sizeof slot->have);
		differs(compare, slot);
	} else if (!consent_is(compare, slot, record->client.consent_ms)) {
		slot->refresh = true;
		differs(compare, slot);
	}
}

static void slot_compare(struct compare *compare, struct slot *slot)
{
	const struct config *config = compare->net->config;
	bool listening = true;

	slot->seen = compare->net->table.round;
	hole_compare(compare, slot);
	for (size_t i = 0; i < config->address_count; i++) {
		struct endpoint listen = {config->addresses[i], slot->port};

		if (!slot_is_at(slot, &listen.addr))
			continue;
		listening &= listening_compare(compare, slot, &listen);
		ingress_compare(compare, slot, &listen);
	}
	if (slot->gone || !slot->listening || listening || !is_free(compare, slot))
		return;
	slot->listening = false;
	differs(compare, slot);
}

/* The slots that the part is about. */
static void slots_compare(struct compare *compare)
{
	const struct net *net = compare->net;

	for (size_t i = 0; i < compare->part.count; i++) {
		const struct ipc_record *record = &compare->part.records[i];
		const struct endpoint *listen =
			record->kind == IPC_LISTENING ? &record->listening.listen
			: record->kind == IPC_INGRESS ? &record->ingress.listen
						      : NULL;
		struct slot *slot = listen && config_is_local(net->config, &listen->addr)
					    ? slot_by_listen(&net->table, listen)
					    : NULL;

		if (slot && slot->seen != net->table.round)
			slot_compare(compare, slot);
	}
}

static void raw_slot_compare(struct compare *compare, struct slot *slot)
{
	const struct config *config = compare->net->config;
	uint16_t port = slot->raw_open ? slot->raw_open : slot->raw_port;
	bool raw = true;

	for (size_t i = 0; i < config->address_count; i++) {
		struct endpoint at = {config->addresses[i], port};

		if (slot_is_at(slot, &at.addr))
			raw &= raw_compare(compare, &at);
	}
	if (slot->gone || !slot->raw_open || raw || !is_free(compare, slot))
		return;
	slot->raw_open = 0;
	differs(compare, slot);
}

static void raws_compare(struct compare *compare)
{
	struct slot *slot;

	LIST_FOREACH(slot, &compare->net->table.raws, raw_link)
		raw_slot_compare(compare, slot);
}

/* Our own ports, which no stream has. */
static void ports_compare(struct compare *compare)
{
	const struct net *net = compare->net;

	for (size_t i = 0; i < net->setup->punch_count; i++) {
		const struct endpoint *at = &net->setup->punch_at[i];
		const char *option = config_port_option(net->config, at->port);
		bool raw = option && !strcmp(option, "rfc3489");
		const struct ipc_record *record =
			compare_record(compare, raw ? BY_RAW : BY_PUNCH, at);
		struct rules_op op = {.kind = RULES_PUNCH, .punch = *at, .raw = raw};

		compare_want(compare, record);
		if (record)
			continue;
		compare->count.missing++;
		compare_queue(compare, &op);
	}
}

static const struct rules_client *peers_client(void *data, const struct endpoint *client)
{
	struct compare *compare = data;
	const struct ipc_record *record = compare_record(compare, BY_CLIENT, client);

	compare_want(compare, record);
	return record ? &record->client : NULL;
}

static const struct rules_peer *peers_peer(void *data, const struct hole *hole)
{
	struct compare *compare = data;
	const struct ipc_record *record = compare_peer(compare, hole);

	compare_want(compare, record);
	if (!record || compare_is_torn(compare, RULES_TORN_PEER, &hole->client, &hole->punch))
		return NULL;
	return &record->peer;
}

static void peers_compare(struct compare *compare)
{
	const struct broker_kernel view = {peers_client, peers_peer, compare};

	compare->count.missing +=
		broker_compare(compare->net->broker, &view, net_now(compare->net));
}

void compare_part(struct compare *compare)
{
	if (compare->part.first) {
		ports_compare(compare);
		peers_compare(compare);
		raws_compare(compare);
	}
	slots_compare(compare);
	compare_orphans(compare);
}

int compare_finish(struct compare *compare, struct compare_count *out)
{
	static const struct sync_snapshot nothing;
	struct stream_table *table = &compare->net->table;
	struct stream *stream;

	if (!compare->error && !compare_load(compare, &nothing))
		LIST_FOREACH(stream, &table->streams, link)
			for (size_t i = 0; i < stream->slot_count; i++)
				if (stream->slots[i]->listening &&
					stream->slots[i]->seen < compare->first)
					slot_compare(compare, stream->slots[i]);
	*out = compare->count;
	return compare->error;
}
