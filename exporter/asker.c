/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exporter/asker.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/ctl.h"

#define READ_SIZE 65536

struct question {
	struct asker *asker;
	LIST_ENTRY(question) link;
	uv_pipe_t pipe;
	uv_timer_t deadline;
	uv_connect_t connect;
	uv_write_t write;
	char *line; /* owned */
	size_t len;
	struct ctl_reader reader;
	void (*done)(void *data, int error, json_t *reply); /* NULL: nobody waits any more */
	void *data;
	unsigned int open; /* handles */
	char bytes[READ_SIZE];
};

void asker_init(struct asker *asker, uv_loop_t *loop, const char *path)
{
	*asker = (struct asker){.loop = loop, .path = path};
	LIST_INIT(&asker->questions);
}

static void question_closed(uv_handle_t *handle)
{
	struct question *question = handle->data;

	if (--question->open > 0)
		return;
	ctl_reader_fini(&question->reader);
	free(question->line);
	free(question);
}

static void question_end(struct question *question, int error, json_t *reply)
{
	if (uv_is_closing((uv_handle_t *)&question->pipe))
		return;
	LIST_REMOVE(question, link);
	question->asker->count--;
	uv_close((uv_handle_t *)&question->pipe, question_closed);
	uv_close((uv_handle_t *)&question->deadline, question_closed);
	if (question->done)
		question->done(question->data, error, reply);
}

static void question_late(uv_timer_t *timer)
{
	question_end(timer->data, -ETIMEDOUT, NULL);
}

static void question_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct question *question = handle->data;

	(void)suggested;
	*buf = uv_buf_init(question->bytes, sizeof(question->bytes));
}

static void question_readable(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
	struct question *question = stream->data;
	char why[JSON_ERROR_TEXT_LENGTH + 32];
	json_t *reply = NULL;
	int err = 0;

	if (len == 0)
		return;
	if (len < 0)
		err = len == UV_EOF ? -ECONNRESET : (int)len;
	if (!err)
		err = ctl_reader_feed(&question->reader, buf->base, (size_t)len);
	if (!err)
		err = ctl_reader_next(&question->reader, &reply, why, sizeof(why));
	if (err == -EAGAIN)
		return;
	question_end(question, err, reply);
	json_decref(reply);
}

static void question_written(uv_write_t *write, int status)
{
	/* What relayd refused without reading it has an answer all the same. */
	if (status < 0 && status != UV_EPIPE)
		question_end(write->data, status, NULL);
}

static void question_connected(uv_connect_t *connect, int status)
{
	struct question *question = connect->data;
	uv_buf_t buf = uv_buf_init(question->line, (unsigned int)question->len);
	uv_stream_t *stream = (uv_stream_t *)&question->pipe;

	if (status == UV_ECANCELED)
		return;
	if (status == 0)
		status = uv_write(&question->write, stream, &buf, 1, question_written);
	if (status == 0)
		status = uv_read_start(stream, question_room, question_readable);
	if (status < 0)
		question_end(question, status, NULL);
}

int asker_ask(struct asker *asker, json_t *request, uint64_t limit_ms,
	void (*done)(void *data, int error, json_t *reply), void *data)
{
	bool room = asker->count < ASKER_MAX;
	struct question *question = room ? calloc(1, sizeof(*question)) : NULL;

	if (question)
		question->line = ctl_format(request, &question->len);
	json_decref(request);
	if (!question || !question->line) {
		free(question);
		return room ? -ENOMEM : -EBUSY;
	}
	question->asker = asker;
	question->done = done;
	question->data = data;
	question->open = 2;
	question->pipe.data = question->deadline.data = question;
	question->connect.data = question->write.data = question;
	ctl_reader_init(&question->reader, CTL_REPLY_MAX);
	LIST_INSERT_HEAD(&asker->questions, question, link);
	asker->count++;
	uv_pipe_init(asker->loop, &question->pipe, 0);
	uv_timer_init(asker->loop, &question->deadline);
	uv_timer_start(&question->deadline, question_late, limit_ms, 0);
	uv_pipe_connect(&question->connect, &question->pipe, asker->path, question_connected);
	return 0;
}

void asker_forget(struct asker *asker, const void *data)
{
	struct question *question;

	LIST_FOREACH(question, &asker->questions, link)
		if (question->data == data)
			question->done = NULL;
}

void asker_close(struct asker *asker)
{
	while (!LIST_EMPTY(&asker->questions))
		question_end(LIST_FIRST(&asker->questions), -ECANCELED, NULL);
}
