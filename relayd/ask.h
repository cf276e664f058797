/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ask: questions of the net side to the kernel side, answered in order.
 *
 * Lists of questions are asked one question at a time, so that transactions go in between.
 */
#ifndef RELAYD_ASK_H
#define RELAYD_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "relayd/ipc.h"

/* Ids of questions have this bit, to tell them from those of sync. */
#define ASK_ID	  0x80000000u
#define ASK_QUEUE 64  /* questions that may wait */
#define ASK_FACTS 512 /* facts of one answer; more are left out */

/* error: of the kernel side; the facts are valid during the call. */
typedef void ask_done_fn(void *data, int error, const struct ipc_fact *facts, size_t count);

struct question;
TAILQ_HEAD(questions, question);

struct asker {
	/* As sync's. */
	int (*send)(void *data, const uint8_t *message, size_t len);
	void *send_data;

	uint32_t id; /* of the last question */
	size_t waiting;
	struct questions questions; /* the first has been sent */
	size_t count;
	struct ipc_fact facts[ASK_FACTS];
	uint8_t message[IPC_MAX];
};

void ask_init(struct asker *asker);
void ask_fini(struct asker *asker);

/* done is called later, never from here. -EBUSY: too many wait; -ENOMEM. */
int ask_kernel(struct asker *asker, const struct ipc_ask *question, ask_done_fn *done, void *data);
/* Whoever asked with this data is gone; done will not be called. */
void ask_forget(struct asker *asker, void *data);
/* Any message of the kernel side; true when it was part of an answer. */
bool ask_message(struct asker *asker, const struct ipc *message, const struct ipc_fact *facts);

#endif
