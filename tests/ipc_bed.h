/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ipc_bed: a message between the two sides, and room for what is decoded of it. */
#ifndef TESTS_IPC_BED_H
#define TESTS_IPC_BED_H

#include <check.h>

#include "relayd/ipc.h"
#include "tests/endpoint.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LIST_HEAD    7 /* kind, id, count */

extern uint8_t message[IPC_MAX + 8], again[IPC_MAX];
extern struct rules_op ops[RULES_OPS_MAX];
extern struct ipc_record records[IPC_RECORDS_MAX];
extern struct ipc_fact facts[IPC_FACTS_MAX];
extern struct ipc ipc;

/* In memory that has not a byte more, so that ASan sees each read behind it. */
int decode(const uint8_t *data, size_t len);
/* No other length of it is a message. */
void assert_whole(size_t len);

#endif
