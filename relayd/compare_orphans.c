/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel holds and should not. */
#include "relayd/compare_inner.h"

/* A flow between peers goes where the hole of who opened it leads. */
static bool peers_flow_is(const struct compare *compare, const struct rules_flow *flow)
{
	const struct hole hole = {flow->sender, flow->listen};
	const struct ipc_record *record = compare_peer(compare, &hole);

	/* In parts the pairs came long before, and may be others by now. */
	if (!compare->part.first)
		return broker_has_hole(compare->net->broker, &flow->sender);
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

/* Somebody has it, or will have it by a transaction that is under way. */
static bool is_claimed(const struct compare *compare, const struct endpoint *client)
{
	return slot_by_client(&compare->net->table, client) ||
	       broker_has_hole(compare->net->broker, client);
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
		return config_is_local(config, &op->punch.addr) &&
		       !is_claimed(compare, &op->client);
	case IPC_PEER:
		op->kind = RULES_UNPEER;
		op->client = record->peer.client;
		op->punch = record->peer.punch;
		return config_is_local(config, &op->punch.addr);
	case IPC_TORN:
	case IPC_HEALTH:
	case IPC_AGAIN:
	case IPC_PART:
		return false;
	case IPC_FLOW:
		return flow_compare(compare, &record->flow, op);
	}
	return false;
}

void compare_orphans(struct compare *compare)
{
	const struct sync_snapshot *part = &compare->part;
	struct rules_op op;

	for (size_t i = 0; i < part->count; i++) {
		if (compare->wanted[i] || !orphan_op(compare, &part->records[i], &op))
			continue;
		compare->count.orphans++;
		compare_queue(compare, &op);
	}
}
