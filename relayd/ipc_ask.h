/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ipc_ask: questions and facts in a message; for ipc_decode only. */
#ifndef RELAYD_IPC_ASK_H
#define RELAYD_IPC_ASK_H

#include "common/buf.h"
#include "relayd/ipc.h"

/* The head of every message. */
void ipc_begin(struct buf *buf, uint8_t *out, enum ipc_kind kind, uint32_t id);

/* What no encoder would have written makes the buffer bad. */
void ipc_get_ask(struct buf *buf, struct ipc_ask *ask);
void ipc_get_facts(struct buf *buf, const struct ipc_room *room, struct ipc *out);

#endif
