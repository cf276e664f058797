/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a message between the two processes: what is decoded is encoded as the same bytes.
 */
#undef NDEBUG /* the assertions are what is tested */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "relayd/ipc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rules_op ops[RULES_OPS_MAX];
static struct ipc_record records[IPC_RECORDS_MAX];
static uint8_t again[IPC_MAX];

static void endpoint_check(const struct endpoint *endpoint)
{
	uint8_t family = endpoint->addr.family;

	assert(family == 0 || family == AF_INET || family == AF_INET6);
}

static void op_check(const struct rules_op *op)
{
	assert(op->kind <= RULES_UNPEER);
	assert(strnlen(op->name, sizeof(op->name)) < sizeof(op->name));
	assert(op->source.bits <= 8 * addr_size(op->source.addr.family));
	endpoint_check(&op->listen);
	endpoint_check(&op->client);
	endpoint_check(&op->punch);
	endpoint_check(&op->peer);
}

static size_t encode(const struct ipc *ipc)
{
	switch (ipc->kind) {
	case IPC_APPLY:
		return ipc_encode_apply(again, ipc->id, ops, ipc->count);
	case IPC_READ:
		return ipc_encode_read(again, ipc->id);
	case IPC_CHECK:
		return ipc_encode_check(again, ipc->id);
	case IPC_DONE:
	case IPC_END:
		return ipc_encode_result(again, ipc->kind, ipc->id, &ipc->error);
	case IPC_RECORDS:
		return ipc_encode_records(again, ipc->id, records, ipc->count);
	case IPC_EVENT:
		return ipc_encode_event(again, &ipc->event);
	case IPC_CHANGED:
		return ipc_encode_changed(again, &ipc->change, ipc->since_ms);
	}
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ipc_room room = {ops, records, RULES_OPS_MAX};
	struct ipc ipc;

	if (ipc_decode(data, size, &room, &ipc) < 0)
		return 0;
	assert(ipc.count <= RULES_OPS_MAX);
	for (size_t i = 0; ipc.kind == IPC_APPLY && i < ipc.count; i++)
		op_check(&ops[i]);
	assert(encode(&ipc) == size);
	assert(memcmp(again, data, size) == 0);
	return 0;
}
