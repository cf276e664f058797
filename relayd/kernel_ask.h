/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kernel_ask: the kernel side's answers to questions about what is not ours; nothing changes. */
#ifndef RELAYD_KERNEL_ASK_H
#define RELAYD_KERNEL_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relayd/ipc.h"

struct kernel_answer {
	const struct rules_features *features;
	uint8_t *out;			      /* IPC_MAX bytes for one message, */
	void (*send)(void *data, size_t len); /* which this sends */
	void *data;
};

/* A packet that is being traced; zeros: none. */
struct kernel_tracing {
	struct trace *trace;
	uint32_t id;
	struct ipc_ask ask;
	int64_t probe_ms, until_ms; /* monotonic; probe_ms -1: the probe has been sent */
	size_t count;
	struct ipc_fact facts[IPC_FACTS_MAX];
};

/* Answers an IPC_ASK with its facts and the end, a trace later. */
void kernel_ask(const struct kernel_answer *answer, struct kernel_tracing *tracing,
	const struct ipc *message, int64_t now_ms);

/* For poll; -1: nothing is traced. */
int kernel_trace_fd(const struct kernel_tracing *tracing);
/* Monotonic milliseconds, or -1. */
int64_t kernel_trace_due(const struct kernel_tracing *tracing);
/* When the descriptor is readable, or the time is due. */
void kernel_trace_step(
	const struct kernel_answer *answer, struct kernel_tracing *tracing, int64_t now_ms);
/* Who asked is gone. */
void kernel_trace_stop(struct kernel_tracing *tracing);

#endif
