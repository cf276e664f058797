/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/ipc.h"

#include <errno.h>
#include <string.h>

#include "common/buf.h"
#include "relayd/ipc_ask.h"
#include "relayd/ipc_record.h"
#include "relayd/ipc_value.h"

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

	if (kind > RULES_MAX_RATE)
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

size_t ipc_encode_apply(uint8_t *out, uint32_t id, const struct rules_op *ops, size_t count)
{
	struct buf buf;

	ipc_begin(&buf, out, IPC_APPLY, id);
	buf_put_u16(&buf, (uint16_t)count);
	for (size_t i = 0; i < count; i++)
		put_op(&buf, &ops[i]);
	return buf.bad ? 0 : buf.at;
}

size_t ipc_encode_read(uint8_t *out, uint32_t id)
{
	struct buf buf;

	ipc_begin(&buf, out, IPC_READ, id);
	return buf.at;
}

size_t ipc_encode_check(uint8_t *out, uint32_t id)
{
	struct buf buf;

	ipc_begin(&buf, out, IPC_CHECK, id);
	return buf.at;
}

size_t ipc_encode_result(
	uint8_t *out, enum ipc_kind kind, uint32_t id, const struct rules_error *error)
{
	struct buf buf;

	ipc_begin(&buf, out, kind, id);
	buf_put_u32(&buf, (uint32_t)-error->code);
	buf_put_u32(&buf, (uint32_t)(error->op + 1));
	put_text(&buf, error->text, sizeof error->text);
	return buf.at;
}

size_t ipc_encode_records(uint8_t *out, uint32_t id, const struct ipc_record *records, size_t count)
{
	struct buf buf;

	ipc_begin(&buf, out, IPC_RECORDS, id);
	buf_put_u16(&buf, (uint16_t)count);
	for (size_t i = 0; i < count; i++)
		ipc_put_record(&buf, &records[i]);
	return buf.bad ? 0 : buf.at;
}

size_t ipc_encode_spots(
	uint8_t *out, enum ipc_kind kind, uint32_t id, const struct rules_spot *spots, size_t count)
{
	struct buf buf;

	ipc_begin(&buf, out, kind, id);
	buf_put_u16(&buf, (uint16_t)count);
	for (size_t i = 0; i < count; i++) {
		put_endpoint(&buf, &spots[i].listen);
		put_endpoint(&buf, &spots[i].client);
		buf_put_u8(&buf, spots[i].rated);
	}
	return buf.bad ? 0 : buf.at;
}

size_t ipc_encode_event(uint8_t *out, const struct rules_event *event)
{
	struct buf buf;

	ipc_begin(&buf, out, IPC_EVENT, 0);
	buf_put_u8(&buf, event->refused);
	buf_put_u32(&buf, event->number);
	put_endpoint(&buf, &event->sender);
	put_endpoint(&buf, &event->listen);
	buf_put(&buf, event->first, sizeof event->first);
	return buf.at;
}

size_t ipc_encode_changed(uint8_t *out, const struct rules_change *change, int64_t since_ms)
{
	struct buf buf;

	ipc_begin(&buf, out, IPC_CHANGED, 0);
	buf_put_u8(&buf, (uint8_t)change->cause);
	buf_put_u32(&buf, change->pid);
	put_text(&buf, change->process, sizeof change->process);
	buf_put_u32(&buf, change->removed);
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
	out->change.removed = buf_get_u32(buf);
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

static void get_spots(struct buf *buf, const struct ipc_room *room, struct ipc *out)
{
	out->count = buf_get_u16(buf);
	if (out->count > room->room || !room->spots)
		buf->bad = true;
	for (size_t i = 0; i < out->count && !buf->bad; i++) {
		get_endpoint(buf, &room->spots[i].listen);
		get_endpoint(buf, &room->spots[i].client);
		room->spots[i].rated = get_bool(buf);
	}
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
			ipc_get_record(buf, &room->records[i]);
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
	case IPC_HINT:
	case IPC_SAMPLE:
		get_spots(&buf, room, out);
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
		buf_get(&buf, out->event.first, sizeof out->event.first);
		break;
	case IPC_CHANGED:
		get_changed(&buf, out);
		break;
	case IPC_ASK:
		ipc_get_ask(&buf, &out->ask);
		break;
	case IPC_FACTS:
		ipc_get_facts(&buf, room, out);
		break;
	}
	if (out->kind < IPC_APPLY || out->kind > IPC_FACTS || buf.bad || buf_left(&buf))
		return -EPROTO;
	return 0;
}
