/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/ipc.h"

#include <errno.h>
#include <string.h>

#include "common/buf.h"

static void put_addr(struct buf *buf, const struct addr *addr)
{
	uint8_t version = addr->family == AF_INET ? 4 : addr->family == AF_INET6 ? 6 : 0;

	buf_put_u8(buf, version);
	buf_put(buf, addr->bytes, sizeof addr->bytes);
}

static void get_addr(struct buf *buf, struct addr *addr)
{
	static const uint8_t zero[16];
	uint8_t version = buf_get_u8(buf);
	size_t used;

	addr->family = version == 4 ? AF_INET : version == 6 ? AF_INET6 : 0;
	if (version && !addr->family)
		buf->bad = true;
	buf_get(buf, addr->bytes, sizeof addr->bytes);
	used = addr_size(addr->family);
	if (memcmp(addr->bytes + used, zero, sizeof addr->bytes - used))
		buf->bad = true;
}

static void put_endpoint(struct buf *buf, const struct endpoint *endpoint)
{
	put_addr(buf, &endpoint->addr);
	buf_put_u16(buf, endpoint->port);
}

static void get_endpoint(struct buf *buf, struct endpoint *endpoint)
{
	get_addr(buf, &endpoint->addr);
	endpoint->port = buf_get_u16(buf);
}

static void put_prefix(struct buf *buf, const struct prefix *prefix)
{
	put_addr(buf, &prefix->addr);
	buf_put_u8(buf, prefix->bits);
}

static void get_prefix(struct buf *buf, struct prefix *prefix)
{
	get_addr(buf, &prefix->addr);
	prefix->bits = buf_get_u8(buf);
	if (prefix->bits > addr_size(prefix->addr.family) * 8)
		buf->bad = true;
}

static bool get_bool(struct buf *buf)
{
	uint8_t value = buf_get_u8(buf);

	if (value > 1)
		buf->bad = true;
	return value == 1;
}

/* Texts have a fixed size on the wire too: terminated, and zero to the end. */
static void get_text(struct buf *buf, char *out, size_t size)
{
	size_t len;

	buf_get(buf, out, size);
	len = strnlen(out, size);
	for (size_t i = len; i < size; i++)
		if (out[i])
			buf->bad = true;
	if (len == size) {
		buf->bad = true;
		out[size - 1] = '\0';
	}
}

static void put_text(struct buf *buf, const char *text, size_t size)
{
	size_t len = strnlen(text, size - 1);

	buf_put(buf, text, len);
	buf_put_zero(buf, size - len);
}

static void put_op(struct buf *buf, const struct rules_op *op)
{
	buf_put_u8(buf, (uint8_t)op->kind);
	put_text(buf, op->name, sizeof op->name);
	put_endpoint(buf, &op->listen);
	buf_put_u32(buf, op->number);
	put_prefix(buf, &op->source);
	put_endpoint(buf, &op->client);
	put_endpoint(buf, &op->punch);
	put_endpoint(buf, &op->peer);
	put_endpoint(buf, &op->from);
	buf_put_u8(buf, op->raw);
	buf_put_u32(buf, op->consent_ms);
	buf_put_u64(buf, op->rate);
}

static void get_op(struct buf *buf, struct rules_op *op)
{
	uint8_t kind = buf_get_u8(buf);

	if (kind > RULES_UNPEER)
		buf->bad = true;
	op->kind = (enum rules_op_kind)kind;
	get_text(buf, op->name, sizeof op->name);
	get_endpoint(buf, &op->listen);
	op->number = buf_get_u32(buf);
	get_prefix(buf, &op->source);
	get_endpoint(buf, &op->client);
	get_endpoint(buf, &op->punch);
	get_endpoint(buf, &op->peer);
	get_endpoint(buf, &op->from);
	op->raw = get_bool(buf);
	op->consent_ms = buf_get_u32(buf);
	op->rate = buf_get_u64(buf);
}

static void put_record(struct buf *buf, const struct ipc_record *record)
{
	buf_put_u8(buf, (uint8_t)record->kind);
	switch (record->kind) {
	case IPC_LISTENING:
		put_endpoint(buf, &record->listening.listen);
		buf_put_u32(buf, record->listening.number);
		put_prefix(buf, &record->listening.source);
		put_text(buf, record->listening.name, sizeof record->listening.name);
		buf_put_u64(buf, record->listening.refused_packets);
		buf_put_u64(buf, record->listening.refused_bytes);
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
		put_endpoint(buf, &record->client.client);
		put_endpoint(buf, &record->client.punch);
		buf_put_u32(buf, record->client.consent_ms);
		buf_put_u64(buf, record->client.packets);
		buf_put_u64(buf, record->client.bytes);
		put_text(buf, record->client.name, sizeof record->client.name);
		break;
	case IPC_FLOW:
		buf_put_u32(buf, record->flow.number);
		put_endpoint(buf, &record->flow.sender);
		put_endpoint(buf, &record->flow.listen);
		put_endpoint(buf, &record->flow.client);
		put_endpoint(buf, &record->flow.punch);
		break;
	case IPC_PEER:
		put_endpoint(buf, &record->peer.client);
		put_endpoint(buf, &record->peer.punch);
		put_endpoint(buf, &record->peer.peer);
		put_endpoint(buf, &record->peer.from);
		buf_put_u32(buf, record->peer.number);
		put_text(buf, record->peer.name, sizeof record->peer.name);
		break;
	case IPC_TORN:
		buf_put_u8(buf, (uint8_t)record->torn.kind);
		put_endpoint(buf, &record->torn.at);
		put_endpoint(buf, &record->torn.to);
		break;
	}
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

static void get_record(struct buf *buf, struct ipc_record *record)
{
	uint8_t kind = buf_get_u8(buf);

	record->kind = (enum ipc_record_kind)kind;
	switch (kind) {
	case IPC_LISTENING:
		get_endpoint(buf, &record->listening.listen);
		record->listening.number = buf_get_u32(buf);
		get_prefix(buf, &record->listening.source);
		get_text(buf, record->listening.name, sizeof record->listening.name);
		record->listening.refused_packets = buf_get_u64(buf);
		record->listening.refused_bytes = buf_get_u64(buf);
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
		get_endpoint(buf, &record->client.client);
		get_endpoint(buf, &record->client.punch);
		record->client.consent_ms = buf_get_u32(buf);
		record->client.packets = buf_get_u64(buf);
		record->client.bytes = buf_get_u64(buf);
		get_text(buf, record->client.name, sizeof record->client.name);
		break;
	case IPC_FLOW:
		record->flow.number = buf_get_u32(buf);
		get_endpoint(buf, &record->flow.sender);
		get_endpoint(buf, &record->flow.listen);
		get_endpoint(buf, &record->flow.client);
		get_endpoint(buf, &record->flow.punch);
		break;
	case IPC_PEER:
		get_endpoint(buf, &record->peer.client);
		get_endpoint(buf, &record->peer.punch);
		get_endpoint(buf, &record->peer.peer);
		get_endpoint(buf, &record->peer.from);
		record->peer.number = buf_get_u32(buf);
		get_text(buf, record->peer.name, sizeof record->peer.name);
		break;
	case IPC_TORN:
		get_torn(buf, &record->torn);
		break;
	default:
		buf->bad = true;
		break;
	}
}

static void begin(struct buf *buf, uint8_t *out, enum ipc_kind kind, uint32_t id)
{
	buf_init(buf, out, IPC_MAX);
	buf_put_u8(buf, (uint8_t)kind);
	buf_put_u32(buf, id);
}

size_t ipc_encode_apply(uint8_t *out, uint32_t id, const struct rules_op *ops, size_t count)
{
	struct buf buf;

	begin(&buf, out, IPC_APPLY, id);
	buf_put_u16(&buf, (uint16_t)count);
	for (size_t i = 0; i < count; i++)
		put_op(&buf, &ops[i]);
	return buf.bad ? 0 : buf.at;
}

size_t ipc_encode_read(uint8_t *out, uint32_t id)
{
	struct buf buf;

	begin(&buf, out, IPC_READ, id);
	return buf.at;
}

size_t ipc_encode_check(uint8_t *out, uint32_t id)
{
	struct buf buf;

	begin(&buf, out, IPC_CHECK, id);
	return buf.at;
}

size_t ipc_encode_result(
	uint8_t *out, enum ipc_kind kind, uint32_t id, const struct rules_error *error)
{
	struct buf buf;

	begin(&buf, out, kind, id);
	buf_put_u32(&buf, (uint32_t)-error->code);
	buf_put_u32(&buf, (uint32_t)(error->op + 1));
	put_text(&buf, error->text, sizeof error->text);
	return buf.at;
}

size_t ipc_encode_records(uint8_t *out, uint32_t id, const struct ipc_record *records, size_t count)
{
	struct buf buf;

	begin(&buf, out, IPC_RECORDS, id);
	buf_put_u16(&buf, (uint16_t)count);
	for (size_t i = 0; i < count; i++)
		put_record(&buf, &records[i]);
	return buf.bad ? 0 : buf.at;
}

size_t ipc_encode_event(uint8_t *out, const struct rules_event *event)
{
	struct buf buf;

	begin(&buf, out, IPC_EVENT, 0);
	buf_put_u8(&buf, event->refused);
	buf_put_u32(&buf, event->number);
	put_endpoint(&buf, &event->sender);
	put_endpoint(&buf, &event->listen);
	return buf.at;
}

size_t ipc_encode_changed(uint8_t *out, const struct rules_change *change, int64_t since_ms)
{
	struct buf buf;

	begin(&buf, out, IPC_CHANGED, 0);
	buf_put_u8(&buf, (uint8_t)change->cause);
	buf_put_u32(&buf, change->pid);
	put_text(&buf, change->process, sizeof change->process);
	buf_put_u64(&buf, (uint64_t)since_ms);
	return buf.at;
}

static void get_changed(struct buf *buf, struct ipc *out)
{
	uint8_t cause = buf_get_u8(buf);

	if (out->id || cause == RULES_CAUSE_NONE || cause >= RULES_CAUSES)
		buf->bad = true;
	out->change.cause = (enum rules_cause)cause;
	out->change.pid = buf_get_u32(buf);
	get_text(buf, out->change.process, sizeof out->change.process);
	out->since_ms = (int64_t)buf_get_u64(buf);
	if (out->since_ms < 0)
		buf->bad = true;
}

static void get_result(struct buf *buf, struct rules_error *error)
{
	uint32_t code = buf_get_u32(buf), op = buf_get_u32(buf);

	if (code > 4095 || op > RULES_OPS_MAX)
		buf->bad = true;
	error->code = -(int)(code & 4095);
	error->op = (int)(op & 0xffff) - 1;
	get_text(buf, error->text, sizeof error->text);
}

static void get_list(struct buf *buf, const struct ipc_room *room, struct ipc *out)
{
	bool apply = out->kind == IPC_APPLY;

	out->count = buf_get_u16(buf);
	if (!out->count || out->count > room->room || (apply ? !room->ops : !room->records)) {
		buf->bad = true;
		return;
	}
	for (size_t i = 0; i < out->count && !buf->bad; i++) {
		if (apply)
			get_op(buf, &room->ops[i]);
		else
			get_record(buf, &room->records[i]);
	}
}

int ipc_decode(const uint8_t *data, size_t len, const struct ipc_room *room, struct ipc *out)
{
	struct buf buf;

	buf_init_read(&buf, data, len);
	memset(out, 0, sizeof *out);
	out->kind = (enum ipc_kind)buf_get_u8(&buf);
	out->id = buf_get_u32(&buf);
	switch (out->kind) {
	case IPC_APPLY:
	case IPC_RECORDS:
		get_list(&buf, room, out);
		break;
	case IPC_READ:
	case IPC_CHECK:
		break;
	case IPC_DONE:
	case IPC_END:
		get_result(&buf, &out->error);
		break;
	case IPC_EVENT:
		if (out->id)
			buf.bad = true;
		out->event.refused = get_bool(&buf);
		out->event.number = buf_get_u32(&buf);
		get_endpoint(&buf, &out->event.sender);
		get_endpoint(&buf, &out->event.listen);
		break;
	case IPC_CHANGED:
		get_changed(&buf, out);
		break;
	}
	if (out->kind < IPC_APPLY || out->kind > IPC_CHECK || buf.bad || buf_left(&buf))
		return -EPROTO;
	return 0;
}
