/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/adopt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The kernel's stream is ours if name and number agree: its flows carry the number. */
static struct slot *find(const struct net *net, const struct endpoint *listen)
{
	if (!config_is_local(net->config, &listen->addr))
		return NULL;
	return slot_by_listen(&net->table, listen);
}

/* Whom the kernel keeps the port for; it is let go in the usual way if no media comes. */
static void adopt_source(const struct net *net, struct slot *slot, const struct prefix *source)
{
	struct stream *stream = slot->stream;
	bool one = source->bits && source->bits == addr_size(source->addr.family) * 8;

	if (!one || !addr_is_routable(&source->addr))
		return;
	/* The configuration may have another source since. */
	if (stream->spec.source == SPEC_PREFIX &&
		!prefix_contains(&stream->spec.prefix, &source->addr))
		return;
	if (stream->spec.source == SPEC_FIRST) {
		stream->lock = source->addr;
		stream->lock_ms = net_now(net);
	} else {
		slot->holder = source->addr;
		slot->handed_ms = net_now(net);
	}
}

static void adopt_listening(const struct net *net, const struct rules_listening *listening)
{
	struct slot *slot = find(net, &listening->listen);

	if (!slot || strcmp(slot->stream->spec.name, listening->name) ||
		slot->stream->number != listening->number)
		return;
	slot->listening = true;
	slot->listening_source = listening->source;
	slot->listening_number = listening->number;
	adopt_source(net, slot, &listening->source);
}

/*
 * Another number is that of the name with another key, or of another stream: whoever has the hole
 * punched for that. Where the number has gone missing, the name has to do.
 */
static bool is_foreign(
	const struct compare *compare, const struct slot *slot, const struct endpoint *listen)
{
	const struct rules_listening *listening = compare_listening(compare, listen);

	return listening && listening->number != slot->stream->number;
}

static void adopt_client(
	struct net *net, const struct compare *compare, const struct rules_client *client)
{
	const struct rules_ingress *ingress = compare_destination(compare, &client->client);
	struct slot *slot = ingress ? find(net, &ingress->listen) : NULL;
	const struct hole hole = {client->client, client->punch};
	int64_t left = client->consent_ms;

	if (!slot || strcmp(slot->stream->spec.name, client->name) || !left ||
		is_foreign(compare, slot, &ingress->listen) ||
		!config_is_local(net->config, &client->punch.addr) ||
		!spec_admits(&slot->stream->spec, &client->client.addr) ||
		broker_has_hole(net->broker, &client->client))
		return;
	slot_adopt(
		&net->table, slot, &hole, net_now(net) - ((int64_t)net->table.consent_ms - left));
	slot->packets = client->packets;
	slot->bytes = client->bytes;
}

static int consent_compare(const void *a, const void *b)
{
	const struct rules_client *x = *(const struct rules_client *const *)a,
				  *y = *(const struct rules_client *const *)b;

	return (x->consent_ms > y->consent_ms) - (x->consent_ms < y->consent_ms);
}

/* Those that punched first come first, as the table has them in this order. */
static int adopt_clients(
	struct net *net, const struct compare *compare, const struct sync_snapshot *snapshot)
{
	const struct rules_client **list = calloc(snapshot->count + 1, sizeof *list);
	size_t count = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < snapshot->count; i++)
		if (snapshot->records[i].kind == IPC_CLIENT)
			list[count++] = &snapshot->records[i].client;
	qsort(list, count, sizeof *list, consent_compare);
	for (size_t i = 0; i < count; i++)
		adopt_client(net, compare, list[i]);
	free(list);
	return 0;
}

/* Taken to be open; the comparison says where they are not. */
static void adopt_raw(const struct net *net)
{
	struct stream *stream;

	LIST_FOREACH(stream, &net->table.streams, link)
		for (size_t i = 0; i < stream->slot_count; i++)
			stream->slots[i].raw_open = stream->spec.raw_punch != 0;
}

static void adopt_flow(struct net *net, const struct rules_flow *flow)
{
	struct slot *slot = find(net, &flow->listen);

	if (slot && slot->stream->number == flow->number)
		slot->sender = flow->sender;
}

/* The lanes' holes are theirs and no stream's, so they go before the clients. */
static void adopt_records(struct net *net, const struct sync_snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->count; i++) {
		const struct ipc_record *record = &snapshot->records[i];

		if (record->kind == IPC_LISTENING)
			adopt_listening(net, &record->listening);
		else if (record->kind == IPC_FLOW)
			adopt_flow(net, &record->flow);
		/* No packet comes for an address that is not ours any more. */
		else if (record->kind == IPC_PEER &&
			 config_is_local(net->config, &record->peer.punch.addr))
			broker_adopt(net->broker, &record->peer, net_now(net));
	}
}

int adopt(struct net *net, const struct sync_snapshot *snapshot, struct compare_count *count)
{
	struct compare *compare = compare_open(snapshot);
	int err;

	if (!compare)
		return -ENOMEM;
	adopt_records(net, snapshot);
	adopt_raw(net);
	err = adopt_clients(net, compare, snapshot);
	if (!err)
		err = compare_run(net, compare, count);
	compare_close(compare);
	return err;
}
