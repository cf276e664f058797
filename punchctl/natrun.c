/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/natrun.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "common/stun.h"
#include "punchctl/signals.h"

#define GATEWAY_TRIAL_S 60 /* it is deleted at the end; this is for when we die before */

/* A socket in the loop; freed when libuv has let go of it. */
struct watch {
	uv_poll_t poll;
	struct natrun *run;
	int fd;
	struct watch *next;
};

struct natrun {
	const struct natrun_config *config;
	struct natrun_outcome *out;
	uv_loop_t loop;
	uv_timer_t timer;
	uv_signal_t sigint, sigterm;
	struct addr local;
	struct natprobe *probe;
	struct gateway *gateway;
	struct watch *watches;
	bool ending;
	int ret;
};

static int64_t run_now(const struct natrun *run)
{
	return (int64_t)uv_now(&run->loop);
}

static void run_step(struct natrun *run);

/* The address that packets to the relay leave from. */
static int local_find(const struct endpoint *relay, struct addr *out)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(relay, &sa);
	int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret = 0;
	struct endpoint local;

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sa, len) < 0)
		ret = -errno;
	len = sizeof(sa);
	if (ret == 0 && getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		ret = -errno;
	close(fd);
	if (ret == 0)
		ret = endpoint_from_sockaddr((struct sockaddr *)&sa, &local);
	if (ret == 0)
		*out = local.addr;
	return ret;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;
	struct natrun *run = watch->run;
	uint8_t data[STUN_MAX];
	struct sockaddr_storage sa;
	struct endpoint from;
	int fd = watch->fd;

	(void)status;
	(void)events;
	uv_update_time(&run->loop);
	for (int i = 0; i < 16 && run->probe; i++) {
		socklen_t len = sizeof(sa);
		ssize_t got = recvfrom(
			fd, data, sizeof(data), MSG_DONTWAIT, (struct sockaddr *)&sa, &len);

		if (got < 0)
			break;
		if (endpoint_from_sockaddr((struct sockaddr *)&sa, &from) == 0)
			natprobe_input(run->probe, fd, &from, data, (size_t)got, run_now(run));
	}
	run_step(run);
}

static int socket_bind(const struct addr *local, uint16_t *port)
{
	struct endpoint endpoint = {*local, 0};
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&endpoint, &sa);
	int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), ret = 0;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sa, len) < 0)
		ret = -errno;
	len = sizeof(sa);
	if (ret == 0 && getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		ret = -errno;
	if (ret == 0)
		ret = endpoint_from_sockaddr((struct sockaddr *)&sa, &endpoint);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	*port = endpoint.port;
	return fd;
}

static int on_open(void *arg, uint16_t *port)
{
	struct natrun *run = arg;
	struct watch *watch = calloc(1, sizeof(*watch));
	int ret;

	if (!watch)
		return -ENOMEM;
	watch->run = run;
	watch->fd = socket_bind(&run->local, port);
	if (watch->fd < 0) {
		ret = watch->fd;
		free(watch);
		return ret;
	}
	ret = uv_poll_init(&run->loop, &watch->poll, watch->fd);
	if (ret < 0) {
		close(watch->fd);
		free(watch);
		return ret;
	}
	watch->poll.data = watch;
	uv_poll_start(&watch->poll, UV_READABLE, on_readable);
	watch->next = run->watches;
	run->watches = watch;
	return watch->fd;
}

static void on_watch_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void on_close(void *arg, int socket)
{
	struct natrun *run = arg;

	for (struct watch **at = &run->watches; *at; at = &(*at)->next) {
		struct watch *watch = *at;

		if (watch->fd != socket)
			continue;
		*at = watch->next;
		uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
		close(socket);
		return;
	}
}

/* The TTL goes with the one datagram (ip(7), ipv6(7)), so that nothing has to be put back. */
static int on_send(
	void *arg, int socket, const struct endpoint *to, uint8_t ttl, const void *data, size_t len)
{
	struct sockaddr_storage sa;
	struct iovec iov = {(void *)data, len};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr msg = {.msg_name = &sa, .msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *cmsg;
	int value = ttl;

	(void)arg;
	msg.msg_namelen = endpoint_to_sockaddr(to, &sa);
	if (ttl) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = to->addr.family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
		cmsg->cmsg_type = to->addr.family == AF_INET ? IP_TTL : IPV6_HOPLIMIT;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &value, sizeof(value));
	}
	return sendmsg(socket, &msg, 0) < 0 ? -errno : 0;
}

static void on_gateway_closed(void *arg)
{
	struct natrun *run = arg;

	run->gateway = NULL;
}

static void run_end(struct natrun *run, int ret)
{
	if (run->ending)
		return;
	run->ending = true;
	run->ret = ret;
	if (run->probe) {
		run->out->probe = *natprobe_result(run->probe);
		natprobe_close(run->probe);
		run->probe = NULL;
	}
	if (run->gateway) {
		run->out->gateway = *gateway_status(run->gateway);
		gateway_close(run->gateway, on_gateway_closed, run);
	}
	uv_close((uv_handle_t *)&run->timer, NULL);
	uv_close((uv_handle_t *)&run->sigint, NULL);
	uv_close((uv_handle_t *)&run->sigterm, NULL);
}

static void on_timer(uv_timer_t *timer)
{
	struct natrun *run = timer->data;

	natprobe_tick(run->probe, run_now(run));
	run_step(run);
}

static void on_gateway(void *arg, const struct gateway_status *status)
{
	(void)status;
	run_step(arg);
}

static void on_signal(uv_signal_t *handle, int signum)
{
	(void)signum;
	run_end(handle->data, -EINTR);
}

static void run_step(struct natrun *run)
{
	int64_t deadline, now = run_now(run);

	if (run->ending)
		return;
	if (natprobe_is_done(run->probe)) {
		uv_timer_stop(&run->timer);
		if (!run->gateway || gateway_status(run->gateway)->settled)
			run_end(run, 0);
		return;
	}
	deadline = natprobe_deadline(run->probe);
	if (deadline == INT64_MAX)
		uv_timer_stop(&run->timer);
	else
		uv_timer_start(
			&run->timer, on_timer, deadline > now ? (uint64_t)(deadline - now) : 0, 0);
}

static int run_start(struct natrun *run)
{
	struct natprobe_config probe = {
		.relay = run->config->relay,
		.local = run->local,
		.thorough = true,
		.lifetime = run->config->lifetime,
		.lifetime_max_ms = run->config->lifetime_max_ms,
		.open = on_open,
		.close = on_close,
		.send = on_send,
		.arg = run,
	};
	struct gateway_config gateway = {
		.loop = &run->loop,
		.local = run->local,
		.lifetime_s = GATEWAY_TRIAL_S,
		.changed = on_gateway,
		.arg = run,
	};
	int ret = natprobe_open(&probe, run_now(run), &run->probe);

	if (ret < 0)
		return ret;
	gateway.port = natprobe_result(run->probe)->local.port;
	if (run->config->gateway && gateway_open(&gateway, &run->gateway) == 0)
		run->out->has_gateway = true;
	run_step(run);
	return 0;
}

int natrun(const struct natrun_config *config, struct natrun_outcome *out)
{
	struct natrun run = {.config = config, .out = out};
	int ret = local_find(&config->relay, &run.local);

	memset(out, 0, sizeof(*out));
	if (ret == 0)
		ret = uv_loop_init(&run.loop);
	if (ret < 0)
		return ret;
	uv_timer_init(&run.loop, &run.timer);
	run.timer.data = &run;
	signals_watch(&run.loop, &run.sigint, on_signal, SIGINT, &run);
	signals_watch(&run.loop, &run.sigterm, on_signal, SIGTERM, &run);
	ret = run_start(&run);
	if (ret < 0)
		run_end(&run, ret);
	uv_run(&run.loop, UV_RUN_DEFAULT);
	uv_loop_close(&run.loop);
	return run.ret;
}
