/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/sync_plan.h"

#include <string.h>

static struct rules_op *add_op(struct sync *sync, const struct slot *slot, enum rules_op_kind kind)
{
	struct rules_op *op = &sync->ops[sync->op_count];

	memset(op, 0, sizeof *op);
	op->kind = kind;
	strcpy(op->name, slot->stream->spec.name);
	sync->op_slot[sync->op_count++] = (uint16_t)(sync->slot_count - 1);
	return op;
}

/* Consent begins with the punch, however late the kernel hears of it. */
static uint32_t consent_left(const struct sync *sync, const struct slot *slot)
{
	int64_t consent_ms = sync->table->consent_ms;
	int64_t left = consent_ms - (sync->now_ms - slot->punched_ms);

	return (uint32_t)(left < 1 ? 1 : left > consent_ms ? consent_ms : left);
}

/* One operation for each of the relay's addresses at which the slot listens. */
static void add_for_addresses(struct sync *sync, const struct slot *slot, enum rules_op_kind kind)
{
	for (size_t i = 0; i < sync->config->address_count; i++) {
		const struct addr *addr = &sync->config->addresses[i];
		struct rules_op *op;

		if (!slot_is_at(slot, addr))
			continue;
		op = add_op(sync, slot, kind);
		op->listen = (struct endpoint){*addr, slot->port};
		op->number = slot->stream->number;
		op->source = slot_source(slot);
		op->client = slot->want.client;
		op->consent_ms = consent_left(sync, slot);
		op->rate = slot->stream->spec.rate;
	}
}

/* A port that another slot has next stays open. */
static void add_raw(
	struct sync *sync, const struct slot *slot, enum rules_op_kind kind, uint16_t port)
{
	for (size_t i = 0; i < sync->config->address_count; i++) {
		const struct endpoint at = {sync->config->addresses[i], port};
		struct rules_op *op;

		if (!slot_is_at(slot, &at.addr) ||
			(kind == RULES_UNPUNCH && slot_by_raw(sync->table, &at)))
			continue;
		op = add_op(sync, slot, kind);
		op->punch = at;
		op->raw = true;
	}
}

static void plan_raw(struct sync *sync, struct slot *slot)
{
	slot->doing_raw = slot->gone ? 0 : slot->raw_port;
	if (slot->doing_raw == slot->raw_open)
		return;
	if (slot->raw_open)
		add_raw(sync, slot, RULES_UNPUNCH, slot->raw_open);
	if (slot->doing_raw)
		add_raw(sync, slot, RULES_PUNCH, slot->doing_raw);
}

static void plan_listen(struct sync *sync, struct slot *slot)
{
	struct prefix source = slot_source(slot);
	bool wanted = !slot->gone;
	bool changed = !prefix_equal(&source, &slot->listening_source);
	bool renumbered = slot->listening_number != slot->stream->number;

	if (wanted && (!slot->listening || changed || renumbered))
		add_for_addresses(sync, slot, RULES_LISTEN);
	if (!wanted && slot->listening)
		add_for_addresses(sync, slot, RULES_UNLISTEN);
	/* Who had the flow may be one who may not send any more. */
	if (wanted && slot->listening && changed && slot->have.client.addr.family &&
		!slot_admits(slot, &slot->sender.addr))
		slot->flush = true;
}

static void add_client(struct sync *sync, const struct slot *slot, enum rules_op_kind kind,
	const struct hole *hole)
{
	struct rules_op *op = add_op(sync, slot, kind);

	op->client = hole->client;
	op->punch = hole->punch;
}

static void plan_hole(struct sync *sync, struct slot *slot)
{
	bool had = slot->have.client.addr.family != 0, wants = slot->want.client.addr.family != 0;

	if (hole_equal(&slot->have, &slot->want)) {
		if (wants && slot->flush)
			add_client(sync, slot, RULES_FLUSH, &slot->want);
		/* Another rate is another element; its consent is what is left of this one. */
		if (wants && slot->have_rate != slot->doing_rate)
			add_for_addresses(sync, slot, RULES_INGRESS);
		else if (wants && slot->refresh)
			add_for_addresses(sync, slot, RULES_CONSENT);
		return;
	}
	/*
	 * When the client has moved, its old hole stays until the flow is flushed: a packet between
	 * commit and flush then goes the old way, and is not dropped.
	 */
	if (had && wants && !slot_by_client(sync->table, &slot->have.client))
		add_client(sync, slot, RULES_FLUSH, &slot->have);
	else if (had)
		add_client(sync, slot, RULES_UNCLIENT, &slot->have);
	if (wants)
		add_client(sync, slot, RULES_CLIENT, &slot->want);
	add_for_addresses(sync, slot, wants ? RULES_INGRESS : RULES_UNINGRESS);
}

void sync_plan(struct sync *sync, struct slot *slot)
{
	TAILQ_REMOVE(&sync->table->dirty, slot, dirty_link);
	slot->dirty = false;
	sync->table->plans++;
	slot->busy = true;
	slot->doing = slot->want;
	slot->doing_gone = slot->gone;
	slot->doing_rate = slot->stream->spec.rate;
	sync->slots[sync->slot_count++] = slot;
	plan_listen(sync, slot);
	plan_raw(sync, slot);
	plan_hole(sync, slot);
	slot->doing_source = slot_source(slot);
	slot->doing_number = slot->stream->number;
	slot->doing_flush = slot->flush;
	slot->refresh = slot->flush = false;
}

void sync_plan_close_old(struct sync *sync, const struct slot *slot)
{
	struct rules_op op = {
		.kind = RULES_UNCLIENT, .client = slot->have.client, .punch = slot->have.punch};

	if (!slot->have.client.addr.family || !slot->doing.client.addr.family ||
		slot_by_client(sync->table, &slot->have.client))
		return;
	strcpy(op.name, slot->stream->spec.name);
	/* Short of memory: a comparison finds it later. */
	if (sync_batch(sync, &op, 1, NULL, NULL) && sync->doubt)
		sync->doubt(sync->send_data);
}
