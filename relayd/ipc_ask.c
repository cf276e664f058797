/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/ipc_ask.h"

#include <string.h>

#include "relayd/ipc_value.h"

#define ERRNO_MAX 4095

void ipc_begin(struct buf *buf, uint8_t *out, enum ipc_kind kind, uint32_t id)
{
	buf_init(buf, out, IPC_MAX);
	buf_put_u8(buf, (uint8_t)kind);
	buf_put_u32(buf, id);
}

/* An enumeration of ours, from zero on. */
static uint8_t get_choice(struct buf *buf, uint8_t last)
{
	uint8_t value = buf_get_u8(buf);

	if (value > last)
		buf->bad = true;
	return value;
}

static void put_packet(struct buf *buf, const struct foreign_packet *packet)
{
	buf_put_u8(buf, (uint8_t)packet->way);
	put_endpoint(buf, &packet->source);
	put_endpoint(buf, &packet->dest);
	put_endpoint(buf, &packet->to);
	put_endpoint(buf, &packet->from);
	buf_put_u32(buf, packet->mark);
	buf_put_u8(buf, packet->first);
	put_text(buf, packet->in, sizeof packet->in);
	put_text(buf, packet->out, sizeof packet->out);
}

static void get_packet(struct buf *buf, struct foreign_packet *packet)
{
	packet->way = (enum foreign_way)get_choice(buf, FOREIGN_ANSWER);
	get_endpoint(buf, &packet->source);
	get_endpoint(buf, &packet->dest);
	get_endpoint(buf, &packet->to);
	get_endpoint(buf, &packet->from);
	packet->mark = buf_get_u32(buf);
	packet->first = get_bool(buf);
	get_text(buf, packet->in, sizeof packet->in);
	get_text(buf, packet->out, sizeof packet->out);
}

size_t ipc_encode_ask(uint8_t *out, uint32_t id, const struct ipc_ask *ask)
{
	struct buf buf;

	ipc_begin(&buf, out, IPC_ASK, id);
	buf_put_u8(&buf, (uint8_t)ask->kind);
	switch (ask->kind) {
	case IPC_ASK_HOST:
		break;
	case IPC_ASK_ROUTE:
	case IPC_ASK_FLOW:
	case IPC_ASK_TRACE:
		put_endpoint(&buf, &ask->source);
		put_endpoint(&buf, &ask->dest);
		if (ask->kind == IPC_ASK_ROUTE) {
			buf_put_u32(&buf, ask->mark);
			buf_put_u8(&buf, ask->resolve);
		}
		if (ask->kind == IPC_ASK_TRACE)
			buf_put_u8(&buf, ask->any);
		break;
	case IPC_ASK_WALK:
		put_packet(&buf, &ask->packet);
		break;
	}
	return buf.at;
}

void ipc_get_ask(struct buf *buf, struct ipc_ask *ask)
{
	uint8_t kind = buf_get_u8(buf);

	memset(ask, 0, sizeof *ask);
	ask->kind = (enum ipc_ask_kind)kind;
	switch (kind) {
	case IPC_ASK_HOST:
		break;
	case IPC_ASK_ROUTE:
	case IPC_ASK_FLOW:
	case IPC_ASK_TRACE:
		get_endpoint(buf, &ask->source);
		get_endpoint(buf, &ask->dest);
		if (kind == IPC_ASK_ROUTE) {
			ask->mark = buf_get_u32(buf);
			ask->resolve = get_bool(buf);
		}
		if (kind == IPC_ASK_TRACE)
			ask->any = get_bool(buf);
		if (!ask->source.addr.family || ask->source.addr.family != ask->dest.addr.family)
			buf->bad = true;
		break;
	case IPC_ASK_WALK:
		get_packet(buf, &ask->packet);
		break;
	default:
		buf->bad = true;
		break;
	}
}

static void put_host(struct buf *buf, const struct path_host *host)
{
	buf_put_u8(buf, host->persist);
	buf_put_u8(buf, host->refresh);
	buf_put_u8(buf, host->legacy);
}

static void get_host(struct buf *buf, struct path_host *host)
{
	host->persist = get_bool(buf);
	host->refresh = get_bool(buf);
	host->legacy = get_bool(buf);
}

static void put_route(struct buf *buf, const struct path_route *route)
{
	buf_put_u16(buf, (uint16_t)-route->error);
	buf_put_u8(buf, route->local);
	put_text(buf, route->in, sizeof route->in);
	put_text(buf, route->out, sizeof route->out);
	buf_put_u8(buf, route->forwards);
	buf_put_u8(buf, route->up);
	put_addr(buf, &route->gateway);
	buf_put_u32(buf, route->mtu);
	buf_put_u8(buf, route->asks);
	buf_put_u16(buf, route->neighbour);
}

static void get_route(struct buf *buf, struct path_route *route)
{
	uint16_t error = buf_get_u16(buf);

	if (error > ERRNO_MAX)
		buf->bad = true;
	route->error = -(int)error;
	route->local = get_bool(buf);
	get_text(buf, route->in, sizeof route->in);
	get_text(buf, route->out, sizeof route->out);
	route->forwards = get_bool(buf);
	route->up = get_bool(buf);
	get_addr(buf, &route->gateway);
	route->mtu = buf_get_u32(buf);
	route->asks = get_bool(buf);
	route->neighbour = buf_get_u16(buf);
}

static void put_entry(struct buf *buf, const struct path_flow *entry)
{
	put_endpoint(buf, &entry->orig_src);
	put_endpoint(buf, &entry->orig_dst);
	put_endpoint(buf, &entry->reply_src);
	put_endpoint(buf, &entry->reply_dst);
	buf_put_u32(buf, entry->mark);
	buf_put_u32(buf, entry->status);
	buf_put_u32(buf, entry->timeout);
	buf_put_u8(buf, entry->counts);
	buf_put_u64(buf, entry->orig_packets);
	buf_put_u64(buf, entry->orig_bytes);
	buf_put_u64(buf, entry->reply_packets);
	buf_put_u64(buf, entry->reply_bytes);
}

static void get_entry(struct buf *buf, struct path_flow *entry)
{
	get_endpoint(buf, &entry->orig_src);
	get_endpoint(buf, &entry->orig_dst);
	get_endpoint(buf, &entry->reply_src);
	get_endpoint(buf, &entry->reply_dst);
	entry->mark = buf_get_u32(buf);
	entry->status = buf_get_u32(buf);
	entry->timeout = buf_get_u32(buf);
	entry->counts = get_bool(buf);
	entry->orig_packets = buf_get_u64(buf);
	entry->orig_bytes = buf_get_u64(buf);
	entry->reply_packets = buf_get_u64(buf);
	entry->reply_bytes = buf_get_u64(buf);
}

static void put_chain(struct buf *buf, const struct foreign_chain *chain)
{
	buf_put_u8(buf, chain->family);
	put_text(buf, chain->table, sizeof chain->table);
	put_text(buf, chain->chain, sizeof chain->chain);
	put_text(buf, chain->type, sizeof chain->type);
	put_text(buf, chain->hook, sizeof chain->hook);
	buf_put_u32(buf, (uint32_t)chain->priority);
	buf_put_u8(buf, (uint8_t)chain->owner);
	buf_put_u8(buf, (uint8_t)chain->verdict);
	put_text(buf, chain->at_chain, sizeof chain->at_chain);
	buf_put_u64(buf, chain->handle);
	put_text(buf, chain->why, sizeof chain->why);
	buf_put_u32(buf, chain->mark);
}

static void get_chain(struct buf *buf, struct foreign_chain *chain)
{
	chain->family = buf_get_u8(buf);
	get_text(buf, chain->table, sizeof chain->table);
	get_text(buf, chain->chain, sizeof chain->chain);
	get_text(buf, chain->type, sizeof chain->type);
	get_text(buf, chain->hook, sizeof chain->hook);
	chain->priority = (int32_t)buf_get_u32(buf);
	chain->owner = (enum foreign_owner)get_choice(buf, FOREIGN_NFTABLES);
	chain->verdict = (enum foreign_verdict)get_choice(buf, FOREIGN_UNKNOWN);
	get_text(buf, chain->at_chain, sizeof chain->at_chain);
	chain->handle = buf_get_u64(buf);
	get_text(buf, chain->why, sizeof chain->why);
	chain->mark = buf_get_u32(buf);
}

static void put_trace(struct buf *buf, const struct trace_event *event)
{
	buf_put_u8(buf, (uint8_t)event->kind);
	buf_put_u8(buf, event->family);
	put_text(buf, event->table, sizeof event->table);
	put_text(buf, event->chain, sizeof event->chain);
	buf_put_u64(buf, event->handle);
	buf_put_u32(buf, (uint32_t)event->verdict);
	put_text(buf, event->target, sizeof event->target);
	buf_put_u32(buf, event->mark);
	buf_put_u32(buf, event->iif);
	buf_put_u32(buf, event->oif);
	put_endpoint(buf, &event->source);
	put_endpoint(buf, &event->dest);
	buf_put_u8(buf, event->probe);
	buf_put_u8(buf, event->ours);
}

static void get_trace(struct buf *buf, struct trace_event *event)
{
	event->kind = (enum trace_kind)get_choice(buf, TRACE_POLICY);
	event->family = buf_get_u8(buf);
	get_text(buf, event->table, sizeof event->table);
	get_text(buf, event->chain, sizeof event->chain);
	event->handle = buf_get_u64(buf);
	event->verdict = (int32_t)buf_get_u32(buf);
	get_text(buf, event->target, sizeof event->target);
	event->mark = buf_get_u32(buf);
	event->iif = buf_get_u32(buf);
	event->oif = buf_get_u32(buf);
	get_endpoint(buf, &event->source);
	get_endpoint(buf, &event->dest);
	event->probe = get_bool(buf);
	event->ours = get_bool(buf);
}

static void put_fact(struct buf *buf, const struct ipc_fact *fact)
{
	buf_put_u8(buf, (uint8_t)fact->kind);
	switch (fact->kind) {
	case IPC_HOST:
		put_host(buf, &fact->host);
		break;
	case IPC_ROUTE:
		put_route(buf, &fact->route);
		break;
	case IPC_ENTRY:
		put_entry(buf, &fact->entry);
		break;
	case IPC_CHAIN:
		put_chain(buf, &fact->chain);
		break;
	case IPC_TRACE:
		put_trace(buf, &fact->trace);
		break;
	}
}

static void get_fact(struct buf *buf, struct ipc_fact *fact)
{
	uint8_t kind = buf_get_u8(buf);

	memset(fact, 0, sizeof *fact);
	fact->kind = (enum ipc_fact_kind)kind;
	switch (kind) {
	case IPC_HOST:
		get_host(buf, &fact->host);
		break;
	case IPC_ROUTE:
		get_route(buf, &fact->route);
		break;
	case IPC_ENTRY:
		get_entry(buf, &fact->entry);
		break;
	case IPC_CHAIN:
		get_chain(buf, &fact->chain);
		break;
	case IPC_TRACE:
		get_trace(buf, &fact->trace);
		break;
	default:
		buf->bad = true;
		break;
	}
}

size_t ipc_encode_facts(uint8_t *out, uint32_t id, const struct ipc_fact *facts, size_t count)
{
	struct buf buf;

	ipc_begin(&buf, out, IPC_FACTS, id);
	buf_put_u16(&buf, (uint16_t)count);
	for (size_t i = 0; i < count; i++)
		put_fact(&buf, &facts[i]);
	return buf.bad ? 0 : buf.at;
}

void ipc_get_facts(struct buf *buf, const struct ipc_room *room, struct ipc *out)
{
	out->count = buf_get_u16(buf);
	if (!out->count || out->count > room->fact_room || !room->facts) {
		buf->bad = true;
		return;
	}
	for (size_t i = 0; i < out->count && !buf->bad; i++)
		get_fact(buf, &room->facts[i]);
}
