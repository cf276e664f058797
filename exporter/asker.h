/* SPDX-License-Identifier: GPL-2.0-or-later */
/* asker: questions to relayd, each on a connection of its own, so that none waits for another. */
#ifndef EXPORTER_ASKER_H
#define EXPORTER_ASKER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <jansson.h>
#include <uv.h>

#define ASKER_MAX 16	/* questions at once */
#define ASKER_MS  10000 /* that an answer may take, where nobody else waits for less */

struct question;
LIST_HEAD(question_list, question);

struct asker {
	uv_loop_t *loop;
	const char *path; /* of the control socket, the caller's */
	struct question_list questions;
	size_t count;
};

void asker_init(struct asker *asker, uv_loop_t *loop, const char *path);
/* Every question ends with -ECANCELED; the loop has to turn on to free them. */
void asker_close(struct asker *asker);
/*
 * Takes the request over. 0: `done` is called later, once, with 0 and the reply, which is gone
 * after it, or with -errno and NULL: -ETIMEDOUT after limit_ms. -EBUSY: too many wait; -ENOMEM; and
 * `done` is not called.
 */
int asker_ask(struct asker *asker, json_t *request, uint64_t limit_ms,
	void (*done)(void *data, int error, json_t *reply), void *data);
/* Whoever asked with this data is gone: `done` is not called. */
void asker_forget(struct asker *asker, const void *data);

#endif
