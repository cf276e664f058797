/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/ipc_bed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint8_t message[IPC_MAX + 8], again[IPC_MAX];
struct rules_op ops[RULES_OPS_MAX];
struct ipc_record records[IPC_RECORDS_MAX];
struct ipc_fact facts[IPC_FACTS_MAX];
static const struct ipc_room room = {.ops = ops,
	.records = records,
	.room = RULES_OPS_MAX,
	.facts = facts,
	.fact_room = IPC_FACTS_MAX};
struct ipc ipc;

int decode(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	int ret;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, data, len);
	memset(ops, 0x55, sizeof(ops));
	memset(records, 0x55, sizeof(records));
	memset(facts, 0x55, sizeof(facts));
	ret = ipc_decode(copy, len, &room, &ipc);
	free(copy);
	return ret;
}

void assert_whole(size_t len)
{
	ck_assert_uint_gt(len, 0);
	for (size_t cut = 0; cut < len; cut++)
		ck_assert_int_eq(decode(message, cut), -EPROTO);
	message[len] = 0;
	ck_assert_int_eq(decode(message, len + 1), -EPROTO);
	ck_assert_int_eq(decode(message, len), 0);
}
