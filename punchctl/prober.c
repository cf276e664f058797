/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/prober.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Freed when libuv has let go of it. */
struct prober_socket {
	uv_poll_t poll;
	struct prober *prober;
	int fd; /* -1: closed */
	int number;
};

struct prober {
	struct prober_config config;
	struct natprobe *probe;
	uv_timer_t timer;
	bool closed;
	unsigned int handles; /* of libuv, not yet closed */
	struct prober_socket *sockets[NATPROBE_SOCKETS];
};

static int64_t prober_now(const struct prober *prober)
{
	return (int64_t)uv_now(prober->config.loop);
}

static void prober_released(struct prober *prober)
{
	if (--prober->handles == 0)
		free(prober);
}

static void socket_freed(uv_handle_t *handle)
{
	struct prober_socket *socket = handle->data;

	prober_released(socket->prober);
	free(socket);
}

static void on_close(void *arg, int number)
{
	struct prober *prober = arg;
	struct prober_socket *socket = prober->sockets[number];

	if (!socket)
		return;
	prober->sockets[number] = NULL;
	uv_close((uv_handle_t *)&socket->poll, socket_freed);
	close(socket->fd);
	socket->fd = -1;
}

static void on_timer(uv_timer_t *timer);

/* The last thing that is done with it: the caller may close it. */
static void prober_settle(struct prober *prober)
{
	int64_t due, now = prober_now(prober);

	if (prober->closed)
		return;
	if (natprobe_is_done(prober->probe)) {
		uv_timer_stop(&prober->timer);
		prober->config.done(prober->config.arg, natprobe_result(prober->probe));
		return;
	}
	due = natprobe_deadline(prober->probe);
	if (due == INT64_MAX)
		uv_timer_stop(&prober->timer);
	else
		uv_timer_start(&prober->timer, on_timer, due > now ? (uint64_t)(due - now) : 0, 0);
}

static void on_timer(uv_timer_t *timer)
{
	struct prober *prober = timer->data;

	natprobe_tick(prober->probe, prober_now(prober));
	prober_settle(prober);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct prober_socket *socket = poll->data;
	struct prober *prober = socket->prober;
	struct volley *volley = prober->config.volley;
	struct endpoint from;
	int got;

	(void)status;
	(void)events;
	got = volley_receive(volley, socket->fd);
	for (int i = 0; i < got && socket->fd >= 0; i++) {
		if (endpoint_from_sockaddr((struct sockaddr *)&volley->from[i], &from) == 0)
			natprobe_input(prober->probe, socket->number, &from, volley->data[i],
				volley_len(volley, (unsigned int)i), prober_now(prober));
	}
	prober_settle(prober);
}

static int on_open(void *arg, uint16_t *port)
{
	struct prober *prober = arg;
	struct endpoint any = {.addr = {.family = prober->config.relay.addr.family}};
	struct prober_socket *socket;
	int number = 0, fd, ret;

	while (number < NATPROBE_SOCKETS && prober->sockets[number])
		number++;
	if (number == NATPROBE_SOCKETS)
		return -EMFILE;
	fd = volley_socket(&any);
	if (fd < 0)
		return fd;
	socket = calloc(1, sizeof(*socket));
	ret = socket ? uv_poll_init(prober->config.loop, &socket->poll, fd) : -ENOMEM;
	if (ret < 0) {
		free(socket);
		close(fd);
		return ret;
	}
	socket->poll.data = socket;
	socket->prober = prober;
	socket->fd = fd;
	socket->number = number;
	prober->handles++;
	prober->sockets[number] = socket;
	uv_poll_start(&socket->poll, UV_READABLE, on_readable);
	*port = volley_port(fd);
	return number;
}

static int on_send(
	void *arg, int number, const struct endpoint *to, uint8_t ttl, const void *data, size_t len)
{
	struct prober *prober = arg;

	if (!prober->sockets[number])
		return -EBADF;
	return volley_send_one(prober->sockets[number]->fd, to, ttl, data, len);
}

int prober_open(const struct prober_config *config, struct prober **out)
{
	struct prober *prober = calloc(1, sizeof(*prober));
	struct natprobe_config probe = {
		.relay = config->relay,
		.local = config->local,
		.open = on_open,
		.close = on_close,
		.send = on_send,
		.arg = prober,
	};
	int ret;

	if (!prober)
		return -ENOMEM;
	prober->config = *config;
	uv_timer_init(config->loop, &prober->timer);
	prober->timer.data = prober;
	prober->handles = 1;
	ret = natprobe_open(&probe, prober_now(prober), &prober->probe);
	if (ret < 0) {
		prober_close(prober);
		return ret;
	}
	*out = prober;
	/* Not prober_settle(): the caller has nothing to close yet. */
	uv_timer_start(&prober->timer, on_timer, 0, 0);
	return 0;
}

static void timer_freed(uv_handle_t *handle)
{
	prober_released(handle->data);
}

void prober_close(struct prober *prober)
{
	if (!prober || prober->closed)
		return;
	prober->closed = true;
	if (prober->probe)
		natprobe_close(prober->probe);
	prober->probe = NULL;
	for (int i = 0; i < NATPROBE_SOCKETS; i++)
		on_close(prober, i);
	uv_close((uv_handle_t *)&prober->timer, timer_freed);
}
