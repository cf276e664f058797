/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ipc_record: what the kernel holds, on the wire between the two processes. */
#ifndef RELAYD_IPC_RECORD_H
#define RELAYD_IPC_RECORD_H

#include "common/buf.h"
#include "relayd/ipc.h"

void ipc_put_record(struct buf *buf, const struct ipc_record *record);
/* What no relayd sends makes the buffer bad. */
void ipc_get_record(struct buf *buf, struct ipc_record *record);

#endif
