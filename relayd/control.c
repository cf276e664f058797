/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/control.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/ctl.h"
#include "common/log.h"
#include "relayd/control_do.h"
#include "relayd/control_peer.h"
#include "relayd/view.h"

#define CLIENTS_MAX 64
#define QUEUE_MAX   (1024 * 1024)      /* bytes that a client may leave unread and be served */
#define READER_MAX  (2 * CTL_LINE_MAX) /* bytes that wait for their turn */
#define IDLE_MS	    60000
#define SWEEP_MS    1000
#define READ_SIZE   4096
#define ACCEPT_MAX  16 /* in one turn of the loop */

/* A reference for each handle, so that it goes with the last one. */
struct control {
	struct net *net;
	int fd; /* listening */
	uv_poll_t listener;
	uv_timer_t sweep;
	unsigned int handles;
	struct metrics_control counts;
	TAILQ_HEAD(, client) clients;
	char room[READ_SIZE]; /* of the client that is being read */
};

struct client {
	uv_pipe_t pipe;
	struct control *control;
	struct ctl_reader reader;
	struct job job;
	bool monitors;
	bool reading;
	bool ending; /* closed when all is written: it has sent its last request */
	bool broken; /* what it sends is not looked at any more */
	int64_t active_ms;
	size_t unread; /* bytes at the last sweep */
	TAILQ_ENTRY(client) link;
};

/* A line on its way out. */
struct reply {
	uv_write_t write;
	char *line; /* owned */
};

static void client_serve(struct client *client);

static void control_unref(struct control *control)
{
	if (--control->handles == 0)
		free(control);
}

static void control_closed(uv_handle_t *handle)
{
	control_unref(handle->data);
}

static void client_closed(uv_handle_t *handle)
{
	struct client *client = handle->data;
	struct control *control = client->control;

	ctl_reader_fini(&client->reader);
	free(client);
	control_unref(control);
}

static bool client_closing(const struct client *client)
{
	return uv_is_closing((const uv_handle_t *)&client->pipe);
}

static void client_close(struct client *client)
{
	struct control *control = client->control;

	if (client_closing(client))
		return;
	job_cancel(&client->job);
	TAILQ_REMOVE(&control->clients, client, link);
	control->counts.clients--;
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

static void client_answer(struct job *job, char *line, size_t len)
{
	struct client *client = (struct client *)((char *)job - offsetof(struct client, job));

	client->active_ms = net_now(client->control->net);
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
	       client_queue(client) <= QUEUE_MAX;
}

/* One request; false when there is none. */
static bool client_next(struct client *client)
{
	char text[JSON_ERROR_TEXT_LENGTH + 32];
	json_t *object;

	switch (ctl_reader_next(&client->reader, &object, text, sizeof(text))) {
	case 0:
		client->active_ms = net_now(client->control->net);
		client_do(client, object);
		json_decref(object);
		return true;
	case -EINVAL:
		client->active_ms = net_now(client->control->net);
		client_send_object(client, ctl_error("not a request: %s", text));
		return true;
	}
	return false;
}

static void client_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	struct client *client = handle->data;

	(void)size;
	*buf = uv_buf_init(client->control->room, sizeof(client->control->room));
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
	if (client->ending && !client->monitors && !client->job.waiting &&
		(client->broken || !more) && client_queue(client) == 0)
		client_close(client);
}

static int client_open(struct control *control, int fd)
{
	struct client *client = calloc(1, sizeof(*client));
	int ret = client ? uv_pipe_init(&control->net->loop, &client->pipe, 0) : -ENOMEM;

	if (ret < 0) {
		free(client);
		close(fd);
		return ret;
	}
	control->handles++;
	control->counts.clients++;
	control->counts.accepted++;
	client->control = control;
	client->pipe.data = client;
	client->active_ms = net_now(control->net);
	client->job.net = control->net;
	client->job.counts = &control->counts;
	client->job.answer = client_answer;
	ctl_reader_init(&client->reader, CTL_LINE_MAX);
	TAILQ_INSERT_TAIL(&control->clients, client, link);
	ret = uv_pipe_open(&client->pipe, fd);
	if (ret < 0) {
		close(fd);
		client_close(client);
		return ret;
	}
	client_serve(client);
	return 0;
}

/* A new socket has room for one line; who does not get it learns by the end of the connection. */
static void refuse(int fd, const char *why)
{
	size_t len = 0;
	json_t *object = ctl_error("%s", why);
	char *line = object ? ctl_format(object, &len) : NULL;

	if (line && send(fd, line, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("a client of the control socket was refused and left before it heard so");
	json_decref(object);
	free(line);
	close(fd);
}

static void control_welcome(struct control *control, int fd)
{
	if (!peer_allowed(fd)) {
		control->counts.denied++;
		refuse(fd, "permission denied; this is for root and for members of relayd's group");
	} else if (control->counts.clients >= CLIENTS_MAX) {
		control->counts.crowded++;
		refuse(fd, "too many clients; close one of the others");
	} else if (client_open(control, fd) < 0) {
		log_error("memory is short: a client of the control socket is not served");
	}
}

static void control_accept(uv_poll_t *poll, int status, int events)
{
	struct control *control = poll->data;

	(void)status, (void)events;
	for (int i = 0; i < ACCEPT_MAX; i++) {
		int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			control_welcome(control, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno == EAGAIN)
			return;
		/* Out of descriptors: the next sweep tries again, not every turn of the loop. */
		log_warning("the control socket: %s", strerror(errno));
		uv_poll_stop(&control->listener);
		return;
	}
}

static void control_listen(struct control *control)
{
	if (!uv_is_active((uv_handle_t *)&control->listener))
		uv_poll_start(&control->listener, UV_READABLE, control_accept);
}

static void client_sweep(struct client *client, int64_t now_ms)
{
	struct metrics_control *counts = &client->control->counts;
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

static void control_sweep(uv_timer_t *timer)
{
	struct control *control = timer->data;
	struct client *client, *next;

	for (client = TAILQ_FIRST(&control->clients); client; client = next) {
		next = TAILQ_NEXT(client, link);
		client_sweep(client, net_now(control->net));
	}
	control_listen(control);
}

int control_open(struct net *net, int fd, struct control **out)
{
	struct control *control = calloc(1, sizeof(*control));
	int ret = control ? uv_poll_init(&net->loop, &control->listener, fd) : -ENOMEM;

	if (ret < 0) {
		free(control);
		return ret;
	}
	uv_timer_init(&net->loop, &control->sweep);
	control->handles = 2;
	control->net = net;
	control->fd = fd;
	control->listener.data = control->sweep.data = control;
	TAILQ_INIT(&control->clients);
	uv_timer_start(&control->sweep, control_sweep, SWEEP_MS, SWEEP_MS);
	control_listen(control);
	*out = control;
	return 0;
}

void control_close(struct control *control)
{
	struct client *client, *next;

	for (client = TAILQ_FIRST(&control->clients); client; client = next) {
		next = TAILQ_NEXT(client, link);
		client_close(client);
	}
	uv_close((uv_handle_t *)&control->sweep, control_closed);
	uv_close((uv_handle_t *)&control->listener, control_closed);
	close(control->fd);
}

/* A copy of the line to one who monitors, if it reads. */
static void client_tell(struct client *client, const char *line, size_t len)
{
	char *copy;

	if (client_queue(client) + len > QUEUE_MAX) {
		log_notice("a client that monitors does not read, and is dropped");
		client->control->counts.unread++;
		client_close(client);
		return;
	}
	copy = malloc(len);
	if (copy)
		memcpy(copy, line, len);
	client_send(client, copy, len);
}

static char *event_format(const struct control_event *event, size_t *len)
{
	struct timespec now;
	json_t *object;
	char *line;

	clock_gettime(CLOCK_REALTIME, &now);
	object = view_event(event, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
	line = object ? ctl_format(object, len) : NULL;
	json_decref(object);
	return line;
}

void control_event(struct control *control, const struct control_event *event)
{
	struct client *client, *next;
	char *line = NULL;
	size_t len = 0;

	for (client = TAILQ_FIRST(&control->clients); client; client = next) {
		next = TAILQ_NEXT(client, link);
		job_event(&client->job, event);
		if (!client->monitors)
			continue;
		if (!line)
			line = event_format(event, &len);
		if (line)
			client_tell(client, line, len);
	}
	free(line);
}
