/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kernel_ask: the kernel side's answers to questions about what is not ours; nothing changes. */
#ifndef RELAYD_KERNEL_ASK_H
#define RELAYD_KERNEL_ASK_H

#include <stddef.h>
#include <stdint.h>

#include "relayd/ipc.h"

struct kernel_answer {
	const struct rules_features *features;
	uint8_t *out;			      /* IPC_MAX bytes for one message, */
	void (*send)(void *data, size_t len); /* which this sends */
	void *data;
};

/* Answers an IPC_ASK: its facts, and the end. */
void kernel_ask(const struct kernel_answer *answer, const struct ipc *message);

#endif
