/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kernel_inner: what the files of kernel share: what the kernel side knows. */
#ifndef RELAYD_KERNEL_INNER_H
#define RELAYD_KERNEL_INNER_H

#include "relayd/calm.h"
#include "relayd/ipc.h"
#include "relayd/kernel.h"
#include "relayd/kernel_ask.h"

struct kernel {
	struct rules *rules;
	struct net_setup *setup;
	int signals, peer;
	pid_t child;
	int64_t started_ms, restart_ms,
		wait_ms; /* restart_ms: when to start it again, -1: it runs */
	bool stopping;
	struct rules_change change; /* by somebody else; the net side is not told yet */
	int64_t change_ms, mend_ms; /* since when, and when it will be mended */
	struct calm calm;
	bool mend_failed;
	uint32_t read_id;
	size_t record_count;
	struct ipc_record records[IPC_RECORDS_MAX];
	struct rules_op ops[RULES_OPS_MAX];
	struct rules_spot spots[RULES_OPS_MAX];
	struct kernel_tracing tracing;
	uint8_t in[IPC_MAX], out[IPC_MAX];
};

/* kernel.c */
/* Monotonic milliseconds. */
int64_t kernel_clock(void);
/* A message in out to the net side; nothing when len is 0. */
void kernel_send(struct kernel *kernel, size_t len);
void kernel_ops_apply(struct kernel *kernel, const struct ipc *message);

/* kernel_child.c: the net side's process. */
void kernel_child_start(struct kernel *kernel);
/* Its message makes no sense. */
void kernel_child_senseless(const struct kernel *kernel);
/* Returns the status to end with, or -1. */
int kernel_child_ended(struct kernel *kernel, int status);
/* Returns the status to end with, or -1: the net side is given time to end. */
int kernel_child_stop(struct kernel *kernel);

/* kernel_mend.c: what others do to the table. */
/* The descriptor of changes is readable. */
void kernel_changes(struct kernel *kernel, int64_t now_ms);
/* The kernel is not what we took it for: the net side hears of that before it hears the verdict. */
void kernel_contradicted(struct kernel *kernel);
void kernel_mend_due(struct kernel *kernel, int64_t now_ms);

/* kernel_read.c: what the net side reads of the table. */
/* check: and what is torn. */
void kernel_read(struct kernel *kernel, uint32_t id, bool check);
/* Counters alone, which are asked for all the time. */
void kernel_sample(struct kernel *kernel, const struct ipc *message);

#endif
