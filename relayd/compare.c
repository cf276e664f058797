/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/compare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Clocks and transactions that were on their way make no more of a difference than this. */
#define CONSENT_SLACK_MS 2000

/* Orders of the records: by what the kernel finds them by, and INGRESS by its client too. */
enum index {
	BY_LISTENING,
	BY_PUNCH,
	BY_RAW,
	BY_INGRESS,
	BY_CLIENT,
	BY_PEER,
	BY_TARGET,
	BY_TORN,
	INDEXES
};

struct entry {
	struct endpoint key;
	const struct ipc_record *record;
};

struct list {
	struct entry *entries;
	size_t count;
};

struct compare {
	const struct sync_snapshot *snapshot;
	bool *wanted; /* of each record: it should be there, or is being replaced */
	struct list lists[INDEXES];
	struct net *net;
	struct compare_count count;
	int error;
};

static int key_compare(const void *a, const void *b)
{
	const struct endpoint *x = a, *y = b;
	int order = memcmp(x->addr.bytes, y->addr.bytes, sizeof x->addr.bytes);

	if (!order)
		order = (int)x->addr.family - (int)y->addr.family;
	return order ? order : (int)x->port - (int)y->port;
}

/* Where a record stands, and by what; false: nowhere. */
static bool record_index(
	const struct ipc_record *record, enum index *out, const struct endpoint **key)
{
	switch (record->kind) {
	case IPC_LISTENING:
		*out = BY_LISTENING;
		*key = &record->listening.listen;
		return true;
	case IPC_PUNCH:
		*out = record->punch.raw ? BY_RAW : BY_PUNCH;
		*key = &record->punch.at;
		return true;
	case IPC_INGRESS:
		*out = BY_INGRESS;
		*key = &record->ingress.listen;
		return true;
	case IPC_CLIENT:
		*out = BY_CLIENT;
		*key = &record->client.client;
		return true;
	case IPC_PEER:
		*out = BY_PEER;
		*key = &record->peer.client;
		return true;
	case IPC_TORN:
		*out = BY_TORN;
		*key = &record->torn.at;
		return true;
	case IPC_FLOW:
	case IPC_HEALTH:
	case IPC_AGAIN:
		return false;
	}
	return false;
}

static void list_add(struct list *list, const struct endpoint *key, const struct ipc_record *record)
{
	list->entries[list->count++] = (struct entry){*key, record};
}

static int lists_fill(struct compare *compare)
{
	const struct sync_snapshot *snapshot = compare->snapshot;
	size_t counts[INDEXES] = {0};
	const struct endpoint *key;
	enum index at;

	for (size_t i = 0; i < snapshot->count; i++)
		if (record_index(&snapshot->records[i], &at, &key))
			counts[at]++;
	counts[BY_TARGET] = counts[BY_INGRESS];
	for (size_t i = 0; i < INDEXES; i++) {
		compare->lists[i].entries = calloc(counts[i] + 1, sizeof(struct entry));
		if (!compare->lists[i].entries)
			return -ENOMEM;
	}
	for (size_t i = 0; i < snapshot->count; i++) {
		const struct ipc_record *record = &snapshot->records[i];

		if (!record_index(record, &at, &key))
			continue;
		list_add(&compare->lists[at], key, record);
		if (at == BY_INGRESS)
			list_add(&compare->lists[BY_TARGET], &record->ingress.client, record);
	}
	for (size_t i = 0; i < INDEXES; i++)
		qsort(compare->lists[i].entries, compare->lists[i].count, sizeof(struct entry),
			key_compare);
	return 0;
}

struct compare *compare_open(const struct sync_snapshot *snapshot)
{
	struct compare *compare = calloc(1, sizeof *compare);

	if (!compare)
		return NULL;
	compare->snapshot = snapshot;
	compare->wanted = calloc(snapshot->count + 1, sizeof *compare->wanted);
	if (!compare->wanted || lists_fill(compare)) {
		compare_close(compare);
		return NULL;
	}
	return compare;
}

void compare_close(struct compare *compare)
{
	for (size_t i = 0; i < INDEXES; i++)
		free(compare->lists[i].entries);
	free(compare->wanted);
	free(compare);
}

/* The first of this key, or NULL. */
static const struct entry *find(
	const struct compare *compare, enum index at, const struct endpoint *key)
{
	const struct list *list = &compare->lists[at];
	const struct entry *found =
		bsearch(key, list->entries, list->count, sizeof *found, key_compare);

	while (found && found > list->entries && !key_compare(&found[-1].key, key))
		found--;
	return found;
}

static const struct ipc_record *find_record(
	const struct compare *compare, enum index at, const struct endpoint *key)
{
	const struct entry *found = find(compare, at, key);

	return found ? found->record : NULL;
}

const struct rules_listening *compare_listening(
	const struct compare *compare, const struct endpoint *listen)
{
	const struct ipc_record *record = find_record(compare, BY_LISTENING, listen);

	return record ? &record->listening : NULL;
}

const struct rules_ingress *compare_destination(
	const struct compare *compare, const struct endpoint *client)
{
	const struct ipc_record *record = find_record(compare, BY_TARGET, client);

	return record ? &record->ingress : NULL;
}

/* `to` is NULL but for peers. */
static bool is_torn(const struct compare *compare, enum rules_torn_kind kind,
	const struct endpoint *at, const struct endpoint *to)
{
	const struct list *list = &compare->lists[BY_TORN];
	const struct entry *entry = find(compare, BY_TORN, at);

	for (; entry && entry < list->entries + list->count && !key_compare(&entry->key, at);
		entry++) {
		const struct rules_torn *torn = &entry->record->torn;

		if (torn->kind == kind && (!to || endpoint_equal(&torn->to, to)))
			return true;
	}
	return false;
}

static void want(struct compare *compare, const struct ipc_record *record)
{
	if (record)
		compare->wanted[record - compare->snapshot->records] = true;
}

static void queue(struct compare *compare, const struct rules_op *op)
{
	int err = sync_batch(&compare->net->sync, op, 1, NULL, NULL);

	if (err)
		compare->error = err;
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
	const struct ipc_record *record = find_record(compare, BY_LISTENING, listen);

	want(compare, record);
	return record && listening_is(slot, &record->listening) &&
	       !is_torn(compare, RULES_TORN_LISTEN, listen, NULL);
}

static bool raw_compare(
	struct compare *compare, const struct slot *slot, const struct endpoint *listen)
{
	const struct stream *stream = slot->stream;
	const struct endpoint at = {listen->addr, (uint16_t)(stream->spec.raw_punch + slot->index)};
	const struct ipc_record *record;

	if (!stream->spec.raw_punch)
		return true;
	record = find_record(compare, BY_RAW, &at);
	want(compare, record);
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
	const struct ipc_record *record = find_record(compare, BY_INGRESS, listen);
	int64_t due = consent_due(compare, slot);
	struct rules_op op = {.kind = RULES_INGRESS,
		.listen = *listen,
		.client = slot->have.client,
		.source = slot->listening_source,
		.consent_ms = due > 0 ? (uint32_t)due : 1,
		.rate = slot->stream->spec.rate};

	if (slot->have.client.addr.family || slot->want.client.addr.family)
		want(compare, record);
	if (!slot->have.client.addr.family)
		return;
	if (record && endpoint_equal(&record->ingress.client, &slot->have.client) &&
		(due <= CONSENT_SLACK_MS || !is_torn(compare, RULES_TORN_INGRESS, listen, NULL)))
		return;
	compare->count.missing++;
	strcpy(op.name, slot->stream->spec.name);
	queue(compare, &op);
}

static bool consent_is(const struct compare *compare, const struct slot *slot, uint32_t left_ms)
{
	int64_t due = consent_due(compare, slot);

	if (!hole_equal(&slot->have, &slot->want) || slot->refresh || due <= CONSENT_SLACK_MS)
		return true;
	return left_ms >= due - CONSENT_SLACK_MS && left_ms <= due + CONSENT_SLACK_MS;
}

static void hole_compare(struct compare *compare, struct slot *slot)
{
	const struct ipc_record *record;

	if (!slot->have.client.addr.family)
		return;
	record = find_record(compare, BY_CLIENT, &slot->have.client);
	want(compare, record);
	if (!record || !endpoint_equal(&record->client.punch, &slot->have.punch) ||
		record->client.rate != slot->stream->spec.rate) {
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
	bool listening = true, raw = true;

	hole_compare(compare, slot);
	for (size_t i = 0; i < config->address_count; i++) {
		struct endpoint listen = {config->addresses[i], slot->port};

		if (!slot_is_at(slot, &listen.addr))
			continue;
		listening &= listening_compare(compare, slot, &listen);
		raw &= raw_compare(compare, slot, &listen);
		ingress_compare(compare, slot, &listen);
	}
	if (slot->stream->gone)
		return;
	if ((slot->listening && !listening) || (slot->raw_open && !raw))
		differs(compare, slot);
	slot->listening &= listening;
	slot->raw_open &= raw;
}

/* Our own ports, which no stream has. */
static void ports_compare(struct compare *compare)
{
	const struct net *net = compare->net;

	for (size_t i = 0; i < net->setup->punch_count; i++) {
		const struct endpoint *at = &net->setup->punch_at[i];
		const char *option = config_port_option(net->config, at->port);
		bool raw = option && !strcmp(option, "rfc3489");
		const struct ipc_record *record = find_record(compare, raw ? BY_RAW : BY_PUNCH, at);
		struct rules_op op = {.kind = RULES_PUNCH, .punch = *at, .raw = raw};

		want(compare, record);
		if (record)
			continue;
		compare->count.missing++;
		queue(compare, &op);
	}
}

static const struct rules_client *peers_client(void *data, const struct endpoint *client)
{
	struct compare *compare = data;
	const struct ipc_record *record = find_record(compare, BY_CLIENT, client);

	want(compare, record);
	return record ? &record->client : NULL;
}

/* Of one socket there may be several. */
static const struct ipc_record *find_peer(const struct compare *compare, const struct hole *hole)
{
	const struct list *list = &compare->lists[BY_PEER];
	const struct entry *entry = find(compare, BY_PEER, &hole->client);

	for (; entry && entry < list->entries + list->count &&
		!key_compare(&entry->key, &hole->client);
		entry++)
		if (endpoint_equal(&entry->record->peer.punch, &hole->punch))
			return entry->record;
	return NULL;
}

static const struct rules_peer *peers_peer(void *data, const struct hole *hole)
{
	struct compare *compare = data;
	const struct ipc_record *record = find_peer(compare, hole);

	want(compare, record);
	if (!record || is_torn(compare, RULES_TORN_PEER, &hole->client, &hole->punch))
		return NULL;
	return &record->peer;
}

static void peers_compare(struct compare *compare)
{
	const struct broker_kernel view = {peers_client, peers_peer, compare};

	compare->count.missing +=
		broker_compare(compare->net->broker, &view, net_now(compare->net));
}

/* A flow between peers goes where the hole of who opened it leads. */
static bool peers_flow_is(const struct compare *compare, const struct rules_flow *flow)
{
	const struct hole hole = {flow->sender, flow->listen};
	const struct ipc_record *record = find_peer(compare, &hole);

	return record && record->peer.number == flow->number &&
	       endpoint_equal(&record->peer.peer, &flow->client) &&
	       endpoint_equal(&record->peer.from, &flow->punch);
}

static bool flow_is(const struct compare *compare, const struct rules_flow *flow)
{
	const struct hole hole = {flow->client, flow->punch};
	const struct net *net = compare->net;
	const struct slot *slot = config_is_local(net->config, &flow->listen.addr)
					  ? slot_by_listen(&net->table, &flow->listen)
					  : NULL;

	if (!slot)
		return peers_flow_is(compare, flow);
	return slot->stream->number == flow->number &&
	       (hole_equal(&slot->have, &hole) || hole_equal(&slot->want, &hole));
}

/*
 * Conntrack is asked before the table is, so a flow goes where it went when it began. One that was
 * overlooked, as when somebody was killed between commit and flush, would keep its stream for ever.
 */
static bool flow_compare(
	const struct compare *compare, const struct rules_flow *flow, struct rules_op *op)
{
	op->kind = RULES_FLUSH;
	op->client = flow->client;
	op->punch = flow->punch;
	return config_is_local(compare->net->config, &flow->punch.addr) && !flow_is(compare, flow);
}

/* The operation that takes it away; false: it stays. */
static bool orphan_op(
	const struct compare *compare, const struct ipc_record *record, struct rules_op *op)
{
	const struct config *config = compare->net->config;

	*op = (struct rules_op){.name = "orphan"};
	switch (record->kind) {
	case IPC_LISTENING:
		op->kind = RULES_UNLISTEN;
		op->listen = record->listening.listen;
		return true;
	case IPC_INGRESS:
		op->kind = RULES_UNINGRESS;
		op->listen = record->ingress.listen;
		return true;
	case IPC_PUNCH:
		op->kind = RULES_UNPUNCH;
		op->punch = record->punch.at;
		op->raw = record->punch.raw;
		return true;
	/* Of an address that is not ours any more: the kernel side flushes no flows there; it runs
	 * out, and no packet comes for it. */
	case IPC_CLIENT:
		op->kind = RULES_UNCLIENT;
		op->client = record->client.client;
		op->punch = record->client.punch;
		return config_is_local(config, &op->punch.addr);
	case IPC_PEER:
		op->kind = RULES_UNPEER;
		op->client = record->peer.client;
		op->punch = record->peer.punch;
		return config_is_local(config, &op->punch.addr);
	case IPC_TORN:
	case IPC_HEALTH:
	case IPC_AGAIN:
		return false;
	case IPC_FLOW:
		return flow_compare(compare, &record->flow, op);
	}
	return false;
}

static void orphans_remove(struct compare *compare)
{
	const struct sync_snapshot *snapshot = compare->snapshot;
	struct rules_op op;

	for (size_t i = 0; i < snapshot->count; i++) {
		if (compare->wanted[i] || !orphan_op(compare, &snapshot->records[i], &op))
			continue;
		compare->count.orphans++;
		queue(compare, &op);
	}
}

int compare_run(struct net *net, struct compare *compare, struct compare_count *out)
{
	struct stream *stream;

	compare->net = net;
	LIST_FOREACH(stream, &net->table.streams, link)
		for (size_t i = 0; i < stream->slot_count; i++)
			slot_compare(compare, &stream->slots[i]);
	ports_compare(compare);
	peers_compare(compare);
	orphans_remove(compare);
	*out = compare->count;
	return compare->error;
}
