/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/adopt.h"

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
	/* The file may have another source since, or be where the kernel has this one from. */
	if (!spec_means(&stream->spec, &source->addr) || prefix_equal(&stream->spec.prefix, source))
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
	slot->have_rate = client->rate;
	slot->packets = client->packets;
	slot->bytes = client->bytes;
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

/* Taken to be open; the comparison says where they are not. */
void adopt_begin(const struct net *net)
{
	struct slot *slot;

	LIST_FOREACH(slot, &net->table.raws, raw_link)
		slot->raw_open = slot->raw_port;
}

void adopt_part(struct net *net, struct compare *compare, const struct sync_snapshot *part)
{
	if (compare_load(compare, part))
		return;
	adopt_records(net, part);
	for (size_t i = 0; i < part->count; i++)
		if (part->records[i].kind == IPC_CLIENT)
			adopt_client(net, compare, &part->records[i].client);
	compare_part(compare);
}

int adopt_finish(struct net *net, struct compare *compare, struct compare_count *count)
{
	int err = slots_order(&net->table);

	return err ? err : compare_finish(compare, count);
}
