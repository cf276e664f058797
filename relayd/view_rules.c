/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/view_rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "relayd/view.h"

/* A record and the name of the stream that it is for. */
struct owned {
	const char *name;
	const struct ipc_record *record;
};

static const char *listen_owner(const struct stream_table *table, const struct endpoint *listen)
{
	const struct slot *slot = slot_by_listen(table, listen);

	return slot ? slot->stream->spec.name : "";
}

/* A port's flow may be older than the stream that has the port now; peers' flows have no port. */
static const char *flow_owner(const struct stream_table *table, const struct rules_flow *flow)
{
	const struct slot *slot = slot_by_listen(table, &flow->listen);
	const struct stream *stream;

	LIST_FOREACH(stream, &table->streams, link)
		if (!slot && stream->spec.peers && stream->number == flow->number)
			return stream->spec.name;
	return slot && slot->stream->number == flow->number ? slot->stream->spec.name : "";
}

/* NULL: of no stream. */
static const char *record_owner(const struct stream_table *table, const struct ipc_record *record)
{
	switch (record->kind) {
	case IPC_LISTENING:
		return record->listening.name;
	case IPC_INGRESS:
		return listen_owner(table, &record->ingress.listen);
	case IPC_CLIENT:
		return record->client.name;
	case IPC_FLOW:
		return flow_owner(table, &record->flow);
	case IPC_PEER:
		return record->peer.name;
	case IPC_PUNCH:
	case IPC_TORN:
	case IPC_HEALTH:
	case IPC_AGAIN:
	case IPC_PART:
		break;
	}
	return NULL;
}

static int compare_owned(const void *a, const void *b)
{
	const struct owned *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	if (order == 0)
		order = (int)x->record->kind - (int)y->record->kind;
	/* As the kernel gave them. */
	return order ? order : (x->record > y->record) - (x->record < y->record);
}

static json_t *view_listening(const struct rules_listening *listening)
{
	return json_pack("{s:o, s:o, s:{s:I, s:I}, s:{s:I, s:I}}", "listen",
		view_endpoint(&listening->listen), "source", view_prefix(&listening->source),
		"refused", "packets", (json_int_t)listening->refused_packets, "bytes",
		(json_int_t)listening->refused_bytes, "limited", "packets",
		(json_int_t)listening->limited_packets, "bytes",
		(json_int_t)listening->limited_bytes);
}

static json_t *view_client(const struct rules_client *client, uint64_t rate)
{
	return json_pack("{s:o, s:o, s:f, s:I, s:I, s:I}", "client", view_endpoint(&client->client),
		"punch", view_endpoint(&client->punch), "consent",
		(double)client->consent_ms / 1000, "rate", (json_int_t)rate, "packets",
		(json_int_t)client->packets, "bytes", (json_int_t)client->bytes);
}

static json_t *view_peer(const struct rules_peer *peer)
{
	return json_pack("{s:o, s:o, s:o}", "client", view_endpoint(&peer->client), "punch",
		view_endpoint(&peer->punch), "peer", view_endpoint(&peer->peer));
}

static json_t *view_flow(const struct rules_flow *flow)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "sender", view_endpoint(&flow->sender), "listen",
		view_endpoint(&flow->listen), "client", view_endpoint(&flow->client), "punch",
		view_endpoint(&flow->punch));
}

/* Into the array of its kind. */
static int add_record(json_t *group, const struct ipc_record *record, uint64_t rate)
{
	switch (record->kind) {
	case IPC_LISTENING:
		return json_array_append_new(
			json_object_get(group, "listening"), view_listening(&record->listening));
	case IPC_INGRESS:
		return json_array_append_new(json_object_get(group, "ingress"),
			json_pack("{s:o, s:o}", "listen", view_endpoint(&record->ingress.listen),
				"client", view_endpoint(&record->ingress.client)));
	case IPC_CLIENT:
		return json_array_append_new(
			json_object_get(group, "clients"), view_client(&record->client, rate));
	case IPC_FLOW:
		return json_array_append_new(
			json_object_get(group, "flows"), view_flow(&record->flow));
	case IPC_PEER:
		return json_array_append_new(
			json_object_get(group, "peers"), view_peer(&record->peer));
	case IPC_PUNCH:
	case IPC_TORN:
	case IPC_HEALTH:
	case IPC_AGAIN:
	case IPC_PART:
		break;
	}
	return 0;
}

/* All records of one name. */
static json_t *view_group(const struct stream_table *table, const struct owned *owned, size_t count)
{
	const struct stream *stream = stream_find(table, owned->name);
	uint32_t number = stream ? stream->number : 0;
	json_t *group;

	if (!stream && owned->record->kind == IPC_LISTENING)
		number = owned->record->listening.number;
	if (!stream && owned->record->kind == IPC_PEER)
		number = owned->record->peer.number;
	group = json_pack("{s:s, s:I, s:I, s:[], s:[], s:[], s:[], s:[]}", "name", owned->name,
		"number", (json_int_t)number, "mark", (json_int_t)(RULES_MARK | number),
		"listening", "ingress", "clients", "flows", "peers");
	for (size_t i = 0; group && i < count; i++) {
		if (add_record(group, owned[i].record, stream ? stream->spec.rate : 0)) {
			json_decref(group);
			return NULL;
		}
	}
	return group;
}

static int write_groups(
	const struct stream_table *table, const struct owned *owned, size_t count, FILE *out)
{
	size_t end;

	fputc('[', out);
	for (size_t i = 0; i < count; i = end) {
		json_t *group;

		for (end = i + 1; end < count && strcmp(owned[i].name, owned[end].name) == 0;)
			end++;
		group = view_group(table, &owned[i], end - i);
		if (!group)
			return -ENOMEM;
		if (i > 0)
			fputc(',', out);
		json_dumpf(group, out, JSON_COMPACT);
		json_decref(group);
	}
	fputc(']', out);
	return 0;
}

int view_rules(const struct stream_table *table, const char *name,
	const struct sync_snapshot *snapshot, FILE *out)
{
	struct owned *owned = calloc(snapshot->count + 1, sizeof(*owned));
	size_t count = 0;
	int ret;

	if (!owned)
		return -ENOMEM;
	for (size_t i = 0; i < snapshot->count; i++) {
		const struct ipc_record *record = &snapshot->records[i];
		const char *owner = record_owner(table, record);

		if (owner && (*name == '\0' || strcmp(owner, name) == 0))
			owned[count++] = (struct owned){owner, record};
	}
	qsort(owned, count, sizeof(*owned), compare_owned);
	ret = write_groups(table, owned, count, out);
	free(owned);
	return ret;
}
