/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/control_client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

#define QUEUE_MAX  (1024 * 1024)      /* bytes that a client may leave unread and be served */
#define READER_MAX (2 * CTL_LINE_MAX) /* bytes that wait for their turn */
#define IDLE_MS	   60000

/* A line on its way out. */
struct reply {
	uv_write_t write;
	char *line; /* owned */
};

static void client_serve(struct client *client);

static bool client_closing(const struct client *client)
{
	return uv_is_closing((const uv_handle_t *)&client->pipe);
}

static void client_closed(uv_handle_t *handle)
{
	struct client *client = handle->data;
	struct clients *clients = client->clients;

	ctl_reader_fini(&client->reader);
	free(client);
	clients->alive--;
	clients->freed(clients);
}

void client_close(struct client *client)
{
	struct clients *clients = client->clients;

	if (client_closing(client))
		return;
	job_cancel(&client->job);
	TAILQ_REMOVE(&clients->list, client, link);
	clients->counts.clients--;
	uv_close((uv_handle_t *)&client->pipe, client_closed);
}

static size_t client_queue(const struct client *client)
{
	return uv_stream_get_write_queue_size((const uv_stream_t *)&client->pipe);
}

static void reply_done(uv_write_t *write, int status)
{
	struct reply *reply = (struct reply *)write;
	struct client *client = write->data;

	free(reply->line);
	free(reply);
	if (status < 0)
		client_close(client);
	else if (client->job.list && !client_closing(client))
		job_more(&client->job);
	else
		client_serve(client);
}

/* Takes the line over; NULL: there was no memory for it, and without answers a client is lost. */
static void client_send(struct client *client, char *line, size_t len)
{
	struct reply *reply = line ? calloc(1, sizeof(*reply)) : NULL;
	uv_buf_t buf = uv_buf_init(line, (unsigned int)len);

	if (!reply)
		goto fail;
	reply->line = line;
	reply->write.data = client;
	if (uv_write(&reply->write, (uv_stream_t *)&client->pipe, &buf, 1, reply_done) == 0)
		return;
fail:
	free(reply);
	free(line);
	log_error("memory is short: a client of the control socket gets no answer");
	client_close(client);
}

static void client_send_object(struct client *client, json_t *object)
{
	size_t len = 0;
	char *line = object ? ctl_format(object, &len) : NULL;

	json_decref(object);
	client_send(client, line, len);
}

static void client_answer(struct job *job, char *line, size_t len, bool more)
{
	struct client *client = (struct client *)((char *)job - offsetof(struct client, job));

	(void)more;
	client->active_ms = net_now(client->clients->net);
	client_send(client, line, len);
}

static void client_do(struct client *client, const json_t *object)
{
	char why[SPEC_WHY];

	if (client->monitors) {
		client_send_object(client,
			ctl_error("this connection monitors; use another one for requests"));
	} else if (request_parse(object, &client->job.request, why) < 0) {
		client_send_object(client, ctl_error("%s", why));
	} else if (client->job.request.what == REQUEST_MONITOR) {
		client->monitors = true;
		client_send_object(client, json_pack("{s:b}", "ok", 1));
	} else {
		job_begin(&client->job);
	}
}

static bool client_ready(const struct client *client)
{
	return !client_closing(client) && !client->broken && !client->job.waiting &&
	       !client->job.list && client_queue(client) <= QUEUE_MAX;
}

/* One request; false when there is none. */
static bool client_next(struct client *client)
{
	char text[JSON_ERROR_TEXT_LENGTH + 32];
	json_t *object;

	switch (ctl_reader_next(&client->reader, &object, text, sizeof(text))) {
	case 0:
		client->active_ms = net_now(client->clients->net);
		client_do(client, object);
		json_decref(object);
		return true;
	case -EINVAL:
		client->active_ms = net_now(client->clients->net);
		client_send_object(client, ctl_error("not a request: %s", text));
		return true;
	}
	return false;
}

static void client_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	struct client *client = handle->data;

	(void)size;
	*buf = uv_buf_init(client->clients->room, sizeof(client->clients->room));
}

/* Gone, or only done with sending (`nc -N`)? Those get their answers. */
static bool client_gone(const struct client *client)
{
	struct pollfd poll_fd = {.events = 0};

	if (uv_fileno((const uv_handle_t *)&client->pipe, &poll_fd.fd) < 0)
		return true;
	return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLHUP | POLLERR));
}

static void client_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
	struct client *client = stream->data;
	int ret;

	if (len == UV_EOF && !client_gone(client)) {
		client->ending = true;
	} else if (len < 0) {
		client_close(client);
		return;
	} else {
		ret = ctl_reader_feed(&client->reader, buf->base, (size_t)len);
		if (ret < 0) {
			client->broken = client->ending = true;
			job_cancel(&client->job);
			client_send_object(client,
				ret == -EMSGSIZE
					? ctl_error("a line is longer than %d bytes", CTL_LINE_MAX)
					: ctl_error("memory is short"));
		}
	}
	client_serve(client);
}

/* Reads no more than it can keep: the rest waits in the socket. */
static void client_watch(struct client *client)
{
	size_t held = client->reader.len - client->reader.at;
	bool reading = !client->ending && held <= READER_MAX;

	if (reading && !client->reading)
		uv_read_start((uv_stream_t *)&client->pipe, client_alloc, client_read);
	else if (!reading && client->reading)
		uv_read_stop((uv_stream_t *)&client->pipe);
	client->reading = reading;
}

/* Whatever happened to a client, this goes on with it. */
static void client_serve(struct client *client)
{
	bool more = true;

	while (more && client_ready(client))
		more = client_next(client);
	if (client_closing(client))
		return;
	client_watch(client);
	if (client->ending && !client->monitors && !client->job.waiting && !client->job.list &&
		(client->broken || !more) && client_queue(client) == 0)
		client_close(client);
}

int client_open(struct clients *clients, int fd)
{
	struct client *client = calloc(1, sizeof(*client));
	int ret = client ? uv_pipe_init(&clients->net->loop, &client->pipe, 0) : -ENOMEM;

	if (ret < 0) {
		free(client);
		close(fd);
		return ret;
	}
	clients->alive++;
	clients->counts.clients++;
	clients->counts.accepted++;
	client->clients = clients;
	client->pipe.data = client;
	client->active_ms = net_now(clients->net);
	client->job.net = clients->net;
	client->job.counts = &clients->counts;
	client->job.answer = client_answer;
	ctl_reader_init(&client->reader, CTL_LINE_MAX);
	TAILQ_INSERT_TAIL(&clients->list, client, link);
	ret = uv_pipe_open(&client->pipe, fd);
	if (ret < 0) {
		close(fd);
		client_close(client);
		return ret;
	}
	client_serve(client);
	return 0;
}

void client_tell(struct client *client, const char *line, size_t len)
{
	char *copy;

	if (client_queue(client) + len > QUEUE_MAX) {
		log_notice("a client that monitors does not read, and is dropped");
		client->clients->counts.unread++;
		client_close(client);
		return;
	}
	copy = malloc(len);
	if (copy)
		memcpy(copy, line, len);
	client_send(client, copy, len);
}

void client_sweep(struct client *client, int64_t now_ms)
{
	struct metrics_control *counts = &client->clients->counts;
	size_t unread = client_queue(client);

	if (client->monitors) {
		if (client->ending && client_gone(client))
			client_close(client);
		return;
	}
	if (client->job.waiting || unread != client->unread)
		client->active_ms = now_ms;
	client->unread = unread;
	if (now_ms - client->active_ms < IDLE_MS)
		return;
	if (unread > 0)
		counts->unread++;
	else
		counts->idle++;
	client_close(client);
}
