/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct question {
	struct ipc_ask ask;
	ask_done_fn *done; /* NULL: nobody waits for it any more */
	void *data;
	TAILQ_ENTRY(question) link;
};

void ask_init(struct asker *asker)
{
	memset(asker, 0, sizeof *asker);
	TAILQ_INIT(&asker->questions);
}

void ask_fini(struct asker *asker)
{
	struct question *question;

	while ((question = TAILQ_FIRST(&asker->questions))) {
		TAILQ_REMOVE(&asker->questions, question, link);
		free(question);
	}
}

static void ask_next(struct asker *asker)
{
	const struct question *question = TAILQ_FIRST(&asker->questions);
	size_t len;

	if (!question)
		return;
	asker->count = 0;
	asker->id = (asker->id + 1) | ASK_ID;
	len = ipc_encode_ask(asker->message, asker->id, &question->ask);
	/* If that fails the process is at its end. */
	asker->send(asker->send_data, asker->message, len);
}

int ask_kernel(struct asker *asker, const struct ipc_ask *ask, ask_done_fn *done, void *data)
{
	struct question *question;

	if (asker->waiting >= ASK_QUEUE)
		return -EBUSY;
	question = calloc(1, sizeof *question);
	if (!question)
		return -ENOMEM;
	question->ask = *ask;
	question->done = done;
	question->data = data;
	TAILQ_INSERT_TAIL(&asker->questions, question, link);
	if (asker->waiting++ == 0)
		ask_next(asker);
	return 0;
}

void ask_forget(struct asker *asker, void *data)
{
	struct question *question;

	TAILQ_FOREACH(question, &asker->questions, link)
		if (question->data == data)
			question->done = NULL;
}

static void answered(struct asker *asker, int error)
{
	struct question *question = TAILQ_FIRST(&asker->questions);

	TAILQ_REMOVE(&asker->questions, question, link);
	/* Still counted: what done() asks waits its turn in the queue. */
	if (question->done)
		question->done(question->data, error, asker->facts, asker->count);
	free(question);
	asker->waiting--;
	ask_next(asker);
}

bool ask_message(struct asker *asker, const struct ipc *message, const struct ipc_fact *facts)
{
	size_t count = message->count;

	if (TAILQ_EMPTY(&asker->questions) || message->id != asker->id)
		return false;
	if (message->kind == IPC_END) {
		answered(asker, message->error.code);
	} else if (message->kind == IPC_FACTS) {
		if (count > ASK_FACTS - asker->count)
			count = ASK_FACTS - asker->count;
		memcpy(asker->facts + asker->count, facts, count * sizeof *facts);
		asker->count += count;
	} else {
		return false;
	}
	return true;
}
