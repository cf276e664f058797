/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/adopt.h"

#include <string.h>

#include "common/log.h"

/* The kernel's stream is ours if name and number agree: its flows carry the number. */
static struct slot *find(const struct net *net, const struct endpoint *listen, const char *name)
{
	struct slot *slot = slot_by_listen(&net->table, listen);

	if (!slot || !config_is_local(net->config, &listen->addr))
		return NULL;
	return name && strcmp(slot->stream->spec.name, name) ? NULL : slot;
}

static int orphan(struct net *net, enum rules_op_kind kind, const struct rules_op *like)
{
	struct rules_op op = *like;

	op.kind = kind;
	if (!*op.name)
		strcpy(op.name, "orphan");
	return sync_batch(&net->sync, &op, 1, NULL, NULL);
}

/* Whom the kernel keeps the port for; it is let go in the usual way if no media comes. */
static void adopt_source(const struct net *net, struct slot *slot, const struct prefix *source)
{
	struct stream *stream = slot->stream;
	bool one = source->bits && source->bits == addr_size(source->addr.family) * 8;

	if (!one || !addr_is_routable(&source->addr))
		return;
	if (stream->spec.source == SPEC_FIRST) {
		stream->lock = source->addr;
		stream->lock_ms = net_now(net);
	} else {
		slot->holder = source->addr;
		slot->handed_ms = net_now(net);
	}
}

/* An address may be new in the configuration: then what the others have is sent again for it. */
static bool addresses_known(const struct net *net, const struct sync_snapshot *snapshot)
{
	for (size_t a = 0; a < net->config->address_count; a++) {
		size_t i = 0;

		while (i < snapshot->count &&
			!(snapshot->records[i].kind == IPC_LISTENING &&
				addr_equal(&snapshot->records[i].listening.listen.addr,
					&net->config->addresses[a])))
			i++;
		if (i == snapshot->count)
			return false;
	}
	return true;
}

static int adopt_listening(struct net *net, const struct rules_listening *listening, bool known)
{
	struct slot *slot = find(net, &listening->listen, listening->name);
	struct rules_op op = {.listen = listening->listen};

	strcpy(op.name, listening->name);
	if (!slot)
		return orphan(net, RULES_UNLISTEN, &op);
	/* Adding it again replaces it, so only what is equal is taken for granted. */
	if (slot->stream->number == listening->number) {
		slot->listening = known;
		slot->listening_source = listening->source;
		adopt_source(net, slot, &listening->source);
	}
	return 0;
}

/* The slot whose ingress element leads to this client. */
static struct slot *destination(
	const struct net *net, const struct sync_snapshot *snapshot, const struct endpoint *client)
{
	for (size_t i = 0; i < snapshot->count; i++) {
		const struct ipc_record *record = &snapshot->records[i];

		if (record->kind == IPC_INGRESS && endpoint_equal(&record->ingress.client, client))
			return find(net, &record->ingress.listen, NULL);
	}
	return NULL;
}

static int adopt_client(
	struct net *net, const struct sync_snapshot *snapshot, const struct rules_client *client)
{
	struct slot *slot = destination(net, snapshot, &client->client);
	const struct hole hole = {client->client, client->punch};
	struct rules_op op = {.client = client->client, .punch = client->punch};
	int64_t left = client->consent_ms;

	strcpy(op.name, client->name);
	/* Of an address that is not ours any more: the kernel side flushes no flows there; it runs
	 * out. */
	if (!config_is_local(net->config, &client->punch.addr) ||
		broker_has_hole(net->broker, &client->client))
		return 0;
	if (!slot || strcmp(slot->stream->spec.name, client->name) || !left)
		return orphan(net, RULES_UNCLIENT, &op);
	slot_adopt(
		&net->table, slot, &hole, net_now(net) - ((int64_t)net->table.consent_ms - left));
	slot->packets = client->packets;
	slot->bytes = client->bytes;
	return 0;
}

static int adopt_ingress(struct net *net, const struct rules_ingress *ingress)
{
	struct slot *slot = find(net, &ingress->listen, NULL);
	struct rules_op op = {.listen = ingress->listen};

	if (slot && endpoint_equal(&slot->have.client, &ingress->client))
		return 0;
	return orphan(net, RULES_UNINGRESS, &op);
}

static void adopt_flow(struct net *net, const struct rules_flow *flow)
{
	struct slot *slot = find(net, &flow->listen, NULL);

	if (slot && slot->stream->number == flow->number)
		slot->sender = flow->sender;
}

static int adopt_punch(struct net *net, const struct endpoint *at, bool raw)
{
	const char *option = config_port_option(net->config, at->port);
	struct rules_op op = {.punch = *at, .raw = raw};
	struct stream *stream;

	if (option && raw == !strcmp(option, "rfc3489") && config_is_local(net->config, &at->addr))
		return 0;
	LIST_FOREACH(stream, &net->table.streams, link)
		for (size_t i = 0; i < stream->slot_count; i++)
			if (raw && stream->spec.raw_punch &&
				slot_is_at(&stream->slots[i], &at->addr) &&
				stream->spec.raw_punch + stream->slots[i].index == at->port) {
				stream->slots[i].raw_open = true;
				return 0;
			}
	return orphan(net, RULES_UNPUNCH, &op);
}

/* Their holes are theirs and no stream's. */
static void adopt_peers(struct net *net, const struct sync_snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->count; i++) {
		const struct ipc_record *record = &snapshot->records[i];

		/* No packet comes for an address that is not ours any more. */
		if (record->kind == IPC_PEER &&
			config_is_local(net->config, &record->peer.punch.addr))
			broker_adopt(net->broker, &record->peer, net_now(net));
	}
}

int adopt(struct net *net, const struct sync_snapshot *snapshot)
{
	bool known = addresses_known(net, snapshot);
	struct slot *slot;
	int err = 0;

	for (size_t i = 0; i < snapshot->count && !err; i++)
		if (snapshot->records[i].kind == IPC_LISTENING)
			err = adopt_listening(net, &snapshot->records[i].listening, known);
	adopt_peers(net, snapshot);
	for (size_t i = 0; i < snapshot->count && !err; i++)
		if (snapshot->records[i].kind == IPC_CLIENT)
			err = adopt_client(net, snapshot, &snapshot->records[i].client);
	for (size_t i = 0; i < snapshot->count && !err; i++) {
		const struct ipc_record *record = &snapshot->records[i];

		if (record->kind == IPC_INGRESS)
			err = adopt_ingress(net, &record->ingress);
		else if (record->kind == IPC_FLOW)
			adopt_flow(net, &record->flow);
		else if (record->kind == IPC_PUNCH)
			err = adopt_punch(net, &record->punch.at, record->punch.raw);
	}
	if (known)
		return err;
	TAILQ_FOREACH(slot, &net->table.consents, consent_link) {
		memset(&slot->have, 0, sizeof slot->have);
		slot_mark(&net->table, slot);
	}
	return err;
}
