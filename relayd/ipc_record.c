/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/ipc_record.h"

#include "relayd/ipc_value.h"

static void put_listening(struct buf *buf, const struct rules_listening *listening)
{
	put_endpoint(buf, &listening->listen);
	buf_put_u32(buf, listening->number);
	put_prefix(buf, &listening->source);
	put_text(buf, listening->name, sizeof listening->name);
	buf_put_u64(buf, listening->refused_packets);
	buf_put_u64(buf, listening->refused_bytes);
	buf_put_u64(buf, listening->limited_packets);
	buf_put_u64(buf, listening->limited_bytes);
}

static void put_client(struct buf *buf, const struct rules_client *client)
{
	put_endpoint(buf, &client->client);
	put_endpoint(buf, &client->punch);
	buf_put_u32(buf, client->consent_ms);
	buf_put_u64(buf, client->rate);
	buf_put_u64(buf, client->packets);
	buf_put_u64(buf, client->bytes);
	put_text(buf, client->name, sizeof client->name);
}

static void put_flow(struct buf *buf, const struct rules_flow *flow)
{
	buf_put_u32(buf, flow->number);
	put_endpoint(buf, &flow->sender);
	put_endpoint(buf, &flow->listen);
	put_endpoint(buf, &flow->client);
	put_endpoint(buf, &flow->punch);
}

static void put_peer(struct buf *buf, const struct rules_peer *peer)
{
	put_endpoint(buf, &peer->client);
	put_endpoint(buf, &peer->punch);
	put_endpoint(buf, &peer->peer);
	put_endpoint(buf, &peer->from);
	buf_put_u32(buf, peer->number);
	put_text(buf, peer->name, sizeof peer->name);
}

static void put_health(struct buf *buf, const struct rules_health *health)
{
	buf_put_u32(buf, health->flows);
	buf_put_u32(buf, health->flows_max);
	buf_put_u64(buf, health->lost);
	buf_put_u8(buf, health->unheard);
	buf_put_u64(buf, health->max_rate);
	buf_put_u64(buf, health->cut);
}

void ipc_put_record(struct buf *buf, const struct ipc_record *record)
{
	buf_put_u8(buf, (uint8_t)record->kind);
	switch (record->kind) {
	case IPC_LISTENING:
		put_listening(buf, &record->listening);
		break;
	case IPC_PUNCH:
		put_endpoint(buf, &record->punch.at);
		buf_put_u8(buf, record->punch.raw);
		break;
	case IPC_INGRESS:
		put_endpoint(buf, &record->ingress.listen);
		put_endpoint(buf, &record->ingress.client);
		break;
	case IPC_CLIENT:
		put_client(buf, &record->client);
		break;
	case IPC_FLOW:
		put_flow(buf, &record->flow);
		break;
	case IPC_PEER:
		put_peer(buf, &record->peer);
		break;
	case IPC_TORN:
		buf_put_u8(buf, (uint8_t)record->torn.kind);
		put_endpoint(buf, &record->torn.at);
		put_endpoint(buf, &record->torn.to);
		break;
	case IPC_HEALTH:
		put_health(buf, &record->health);
		break;
	case IPC_AGAIN:
	case IPC_PART:
		break;
	}
}

static void get_listening(struct buf *buf, struct rules_listening *listening)
{
	get_endpoint(buf, &listening->listen);
	listening->number = buf_get_u32(buf);
	get_prefix(buf, &listening->source);
	get_text(buf, listening->name, sizeof listening->name);
	listening->refused_packets = buf_get_u64(buf);
	listening->refused_bytes = buf_get_u64(buf);
	listening->limited_packets = buf_get_u64(buf);
	listening->limited_bytes = buf_get_u64(buf);
}

static void get_client(struct buf *buf, struct rules_client *client)
{
	get_endpoint(buf, &client->client);
	get_endpoint(buf, &client->punch);
	client->consent_ms = buf_get_u32(buf);
	client->rate = buf_get_u64(buf);
	client->packets = buf_get_u64(buf);
	client->bytes = buf_get_u64(buf);
	get_text(buf, client->name, sizeof client->name);
}

static void get_flow(struct buf *buf, struct rules_flow *flow)
{
	flow->number = buf_get_u32(buf);
	get_endpoint(buf, &flow->sender);
	get_endpoint(buf, &flow->listen);
	get_endpoint(buf, &flow->client);
	get_endpoint(buf, &flow->punch);
}

static void get_peer(struct buf *buf, struct rules_peer *peer)
{
	get_endpoint(buf, &peer->client);
	get_endpoint(buf, &peer->punch);
	get_endpoint(buf, &peer->peer);
	get_endpoint(buf, &peer->from);
	peer->number = buf_get_u32(buf);
	get_text(buf, peer->name, sizeof peer->name);
}

static void get_health(struct buf *buf, struct rules_health *health)
{
	health->flows = buf_get_u32(buf);
	health->flows_max = buf_get_u32(buf);
	health->lost = buf_get_u64(buf);
	health->unheard = get_bool(buf);
	health->max_rate = buf_get_u64(buf);
	health->cut = buf_get_u64(buf);
}

static void get_torn(struct buf *buf, struct rules_torn *torn)
{
	uint8_t kind = buf_get_u8(buf);

	if (kind < RULES_TORN_LISTEN || kind > RULES_TORN_PEER)
		buf->bad = true;
	torn->kind = (enum rules_torn_kind)kind;
	get_endpoint(buf, &torn->at);
	get_endpoint(buf, &torn->to);
}

void ipc_get_record(struct buf *buf, struct ipc_record *record)
{
	uint8_t kind = buf_get_u8(buf);

	record->kind = (enum ipc_record_kind)kind;
	switch (kind) {
	case IPC_LISTENING:
		get_listening(buf, &record->listening);
		break;
	case IPC_PUNCH:
		get_endpoint(buf, &record->punch.at);
		record->punch.raw = get_bool(buf);
		break;
	case IPC_INGRESS:
		get_endpoint(buf, &record->ingress.listen);
		get_endpoint(buf, &record->ingress.client);
		break;
	case IPC_CLIENT:
		get_client(buf, &record->client);
		break;
	case IPC_FLOW:
		get_flow(buf, &record->flow);
		break;
	case IPC_PEER:
		get_peer(buf, &record->peer);
		break;
	case IPC_TORN:
		get_torn(buf, &record->torn);
		break;
	case IPC_HEALTH:
		get_health(buf, &record->health);
		break;
	case IPC_AGAIN:
	case IPC_PART:
		break;
	default:
		buf->bad = true;
		break;
	}
}
