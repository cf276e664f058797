/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for a second of punches of 10,000 clients, so that a busy moment loses none. */
#define RECEIVE_BUFFER (4 * 1024 * 1024)

/*
 * A socket that is read twice in a millisecond is read every REST_MS from then on, as long as so
 * many datagrams have come meanwhile: turns of the loop and transactions cost more than what is in
 * them.
 */
#define REST_MS	    2
#define REST_COUNT  4
#define BATCHES_MAX 4 /* without a turn of the loop */

/* An answer that waits for the kernel. */
struct udp_pending {
	struct udp *udp;
	int fd;
	struct endpoint to;
	struct punch_answer answer;
	LIST_ENTRY(udp_pending) link;
};

/* Datagrams of one reading, and their answers of one writing. */
struct batch {
	uint8_t in[UDP_BATCH][STUN_MAX + 1];
	uint8_t out[UDP_BATCH][PUNCH_ANSWER_MAX];
	struct sockaddr_storage from[UDP_BATCH];
	struct iovec in_iov[UDP_BATCH], out_iov[UDP_BATCH];
	struct mmsghdr in_msg[UDP_BATCH], out_msg[UDP_BATCH];
};

int udp_bind(const struct endpoint *local, int *fd)
{
	int one = 1, size = RECEIVE_BUFFER, err;
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(local, &sa);

	*fd = socket(local->addr.family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return -errno;
	if (local->addr.family == AF_INET6)
		setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
	if (setsockopt(*fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size))
		setsockopt(*fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	if (!bind(*fd, (struct sockaddr *)&sa, len))
		return 0;
	err = -errno;
	close(*fd);
	return err;
}

static void send_one(
	struct udp *udp, int fd, const struct endpoint *to, const void *data, size_t len)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = endpoint_to_sockaddr(to, &sa);

	if (sendto(fd, data, len, MSG_DONTWAIT, (struct sockaddr *)&sa, sa_len) == (ssize_t)len)
		udp->sent++;
	else
		udp->unsent++;
}

void udp_send(struct udp *udp, const struct endpoint *from, const struct endpoint *to,
	const void *data, size_t len)
{
	const struct udp_socket *sock;

	LIST_FOREACH(sock, &udp->sockets, link) {
		if (endpoint_equal(&sock->local, from)) {
			send_one(udp, sock->fd, to, data, len);
			return;
		}
	}
	udp->unsent++;
}

static bool goes_back(const struct udp_socket *sock, const struct punch_packet *packet,
	const struct punch_answer *answer)
{
	return !answer->from.addr.family || (endpoint_equal(&answer->from, &sock->local) &&
						    endpoint_equal(&answer->to, &packet->source));
}

static void settled(void *data, int error)
{
	struct udp_pending *pending = data;
	struct udp *udp = pending->udp;
	const struct punch_answer *answer = &pending->answer;

	if (!error && answer->len)
		send_one(udp, pending->fd, &pending->to, answer->data, answer->len);
	else if (error && answer->failure_len)
		send_one(udp, pending->fd, &pending->to, answer->failure, answer->failure_len);
	if (error)
		udp->punch->counts[PUNCH_FAILED]++;
	LIST_INSERT_HEAD(&udp->free_pending, pending, link);
}

/* Parks the answer until the kernel has committed its slot; without room the client asks again. */
static void park(
	struct udp_socket *sock, const struct endpoint *to, const struct punch_answer *answer)
{
	struct udp *udp = sock->udp;
	struct udp_pending *pending = LIST_FIRST(&udp->free_pending);

	if (!pending)
		return;
	LIST_REMOVE(pending, link);
	pending->fd = sock->fd;
	pending->to = *to;
	pending->answer = *answer;
	if (sync_wait(udp->sync, answer->slot, settled, pending))
		LIST_INSERT_HEAD(&udp->free_pending, pending, link);
}

static void prepare(struct batch *batch)
{
	for (size_t i = 0; i < UDP_BATCH; i++) {
		batch->in_iov[i] = (struct iovec){batch->in[i], sizeof batch->in[i]};
		batch->in_msg[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &batch->from[i],
							    .msg_namelen = sizeof batch->from[i],
							    .msg_iov = &batch->in_iov[i],
							    .msg_iovlen = 1}};
	}
}

static void handle(struct udp_socket *sock, struct batch *batch, size_t i, size_t *out)
{
	struct udp *udp = sock->udp;
	struct punch_packet packet = {.data = batch->in[i],
		.len = batch->in_msg[i].msg_len,
		.local = sock->local,
		.raw = sock->raw};
	int64_t now = (int64_t)uv_now(udp->loop);
	struct punch_answer answer;

	if (endpoint_from_sockaddr((struct sockaddr *)&batch->from[i], &packet.source) ||
		!packet.source.port)
		return;
	punch_handle(udp->punch, &packet, now, &answer);
	if (answer.slot) {
		park(sock, &packet.source, &answer);
	} else if (answer.len && !goes_back(sock, &packet, &answer)) {
		udp_send(udp, &answer.from, &answer.to, answer.data, answer.len);
	} else if (answer.len) {
		memcpy(batch->out[*out], answer.data, answer.len);
		batch->out_iov[*out] = (struct iovec){batch->out[*out], answer.len};
		batch->out_msg[*out] = (struct mmsghdr){
			.msg_hdr = {.msg_name = &batch->from[i],
				.msg_namelen = batch->in_msg[i].msg_hdr.msg_namelen,
				.msg_iov = &batch->out_iov[*out],
				.msg_iovlen = 1}};
		++*out;
	}
}

static void send_batch(struct udp_socket *sock, struct batch *batch, size_t count)
{
	struct udp *udp = sock->udp;

	for (size_t at = 0; at < count;) {
		int n = sendmmsg(
			sock->fd, batch->out_msg + at, (unsigned int)(count - at), MSG_DONTWAIT);

		/* What cannot be sent now is not worth waiting for: the client asks again. */
		if (n <= 0) {
			udp->unsent++;
			n = 1;
		} else {
			udp->sent += (uint64_t)n;
		}
		at += (size_t)n;
	}
}

/* Returns how many datagrams there were, up to UDP_BATCH. */
static size_t read_batch(struct udp_socket *sock)
{
	static struct batch batch;
	size_t out = 0;
	int n;

	prepare(&batch);
	n = recvmmsg(sock->fd, batch.in_msg, UDP_BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++)
		handle(sock, &batch, (size_t)i, &out);
	if (n > 0)
		sock->udp->received += (uint64_t)n;
	send_batch(sock, &batch, out);
	return n > 0 ? (size_t)n : 0;
}

static void readable(uv_poll_t *poll, int status, int events);

static void rested(uv_timer_t *rest)
{
	struct udp_socket *sock = rest->data;
	size_t count = 0, batches = 0;

	while (batches < BATCHES_MAX && count == batches * UDP_BATCH) {
		count += read_batch(sock);
		batches++;
	}
	if (count >= REST_COUNT)
		return;
	uv_timer_stop(rest);
	uv_poll_start(&sock->poll, UV_READABLE, readable);
}

static void readable(uv_poll_t *poll, int status, int events)
{
	struct udp_socket *sock = poll->data;
	uint64_t now = uv_now(sock->udp->loop);

	(void)events;
	if (status < 0)
		return;
	read_batch(sock);
	if (sock->read_ms == now) {
		uv_poll_stop(poll);
		uv_timer_start(&sock->rest, rested, REST_MS, REST_MS);
	}
	sock->read_ms = now;
}

static int socket_add(struct udp *udp, int fd, const struct endpoint *local, bool idle)
{
	struct udp_socket *sock = calloc(1, sizeof *sock);
	int err;

	if (!sock)
		return -ENOMEM;
	sock->udp = udp;
	sock->fd = fd;
	sock->local = *local;
	sock->idle = idle;
	sock->poll.data = sock->rest.data = sock;
	err = uv_poll_init(udp->loop, &sock->poll, fd);
	if (err) {
		free(sock);
		return err;
	}
	uv_timer_init(udp->loop, &sock->rest);
	sock->handles = 2;
	LIST_INSERT_HEAD(&udp->sockets, sock, link);
	return uv_poll_start(&sock->poll, UV_READABLE, readable);
}

int udp_add(struct udp *udp, int fd, const struct endpoint *local)
{
	return socket_add(udp, fd, local, false);
}

static void closed(uv_handle_t *handle)
{
	struct udp_socket *sock = handle->data;

	if (!--sock->handles)
		free(sock);
}

/* Its port is free at once. */
static void close_socket(struct udp_socket *sock)
{
	LIST_REMOVE(sock, link);
	uv_close((uv_handle_t *)&sock->poll, closed);
	uv_close((uv_handle_t *)&sock->rest, closed);
	close(sock->fd);
}

static bool is_open(const struct udp *udp, const struct endpoint *local)
{
	const struct udp_socket *sock;

	LIST_FOREACH(sock, &udp->sockets, link)
		if (endpoint_equal(&sock->local, local))
			return true;
	return false;
}

static int open_idle(struct udp *udp, const struct endpoint *local, char why[static SPEC_WHY])
{
	char text[ENDPOINT_TEXT];
	int fd, err = udp_bind(local, &fd);

	if (!err && (err = socket_add(udp, fd, local, true)))
		close(fd);
	if (err)
		snprintf(why, SPEC_WHY, "raw punch port %s: %s%s", endpoint_format(local, text),
			strerror(-err), err == -EADDRINUSE ? "; choose another" : "");
	return err;
}

int udp_open_raws(struct udp *udp, const struct spec *spec, char why[static SPEC_WHY])
{
	int err = 0;

	for (size_t i = 0; i < udp->config->address_count && spec->raw_punch && !err; i++) {
		struct endpoint local = {udp->config->addresses[i], spec->raw_punch};

		if (spec->at.family && !addr_equal(&spec->at, &local.addr))
			continue;
		for (size_t port = 0; port < spec->listen.count && !err; port++, local.port++)
			if (!is_open(udp, &local))
				err = open_idle(udp, &local, why);
	}
	if (err)
		udp_close_idle(udp);
	return err;
}

void udp_take_raws(struct udp *udp, struct slot *slot)
{
	struct udp_socket *sock;

	LIST_FOREACH(sock, &udp->sockets, link)
		if (sock->idle && sock->local.port == slot->raw_port &&
			slot_is_at(slot, &sock->local.addr)) {
			sock->raw = slot;
			sock->idle = false;
		}
}

void udp_leave_raws(struct udp *udp, const struct slot *slot)
{
	struct udp_socket *sock;

	LIST_FOREACH(sock, &udp->sockets, link)
		if (sock->raw == slot) {
			sock->raw = NULL;
			sock->idle = true;
		}
}

void udp_close_idle(struct udp *udp)
{
	struct udp_socket *sock, *next;

	for (sock = LIST_FIRST(&udp->sockets); sock; sock = next) {
		next = LIST_NEXT(sock, link);
		if (sock->idle)
			close_socket(sock);
	}
}

int udp_open(struct udp *udp, uv_loop_t *loop, struct punch *punch, struct sync *sync,
	const struct config *config)
{
	memset(udp, 0, sizeof *udp);
	udp->loop = loop;
	udp->punch = punch;
	udp->sync = sync;
	udp->config = config;
	udp->pending = calloc(SYNC_WAITERS, sizeof *udp->pending);
	if (!udp->pending)
		return -ENOMEM;
	for (size_t i = 0; i < SYNC_WAITERS; i++) {
		udp->pending[i].udp = udp;
		LIST_INSERT_HEAD(&udp->free_pending, &udp->pending[i], link);
	}
	return 0;
}

void udp_close(struct udp *udp)
{
	struct udp_socket *sock;

	while ((sock = LIST_FIRST(&udp->sockets)))
		close_socket(sock);
	free(udp->pending);
	udp->pending = NULL;
}
