/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/carry.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/stun.h"

#define BATCHES_MAX 8 /* of one lane, before it is the others' turn */

static const struct endpoint loopback = {.addr = {AF_INET, {127, 0, 0, 1}}};

/* Beyond net.core.rmem_max only a privileged process gets what it asks for. */
static void socket_grow(int fd)
{
	int size = CARRY_RCVBUF;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

/*
 * Not connected: the kernel then chooses the source address of each datagram, so that the socket
 * survives a change of networks.
 */
static int socket_open(const struct endpoint *local)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(local, &sa);
	int fd, ret, one = 1;

	fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	socket_grow(fd);
	if (sa.ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, len) == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

static int outer_open(const struct carry *carry)
{
	struct endpoint any = {.addr = {.family = carry->relay.addr.family}};

	return socket_open(&any);
}

static uint16_t socket_port(int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct endpoint local;

	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0 ||
		endpoint_from_sockaddr((struct sockaddr *)&sa, &local) < 0)
		return 0;
	return local.port;
}

/*
 * Behind the lane before if that port is free: a player that has seen RTP but no RTCP yet sends
 * its reports to the port above the one that RTP came from.
 */
static int inner_open(const struct carry *carry, const struct carry_lane *lane)
{
	struct endpoint local = loopback;
	int fd;

	if (lane > carry->lanes)
		local.port = (uint16_t)(socket_port(lane[-1].inner) + 1);
	fd = socket_open(&local);
	return fd < 0 ? socket_open(&loopback) : fd;
}

static int lane_open(struct carry *carry, struct carry_lane *lane, uint16_t port)
{
	struct endpoint player = loopback;

	if (carry->shared)
		return 0;
	player.port = port;
	lane->relay_len = endpoint_to_sockaddr(&carry->relay, &lane->relay);
	lane->player_len = endpoint_to_sockaddr(&player, &lane->player);
	lane->outer = outer_open(carry);
	if (lane->outer < 0)
		return lane->outer;
	lane->inner = inner_open(carry, lane);
	return lane->inner < 0 ? lane->inner : 0;
}

int carry_open(const struct carry_config *config, struct carry **out)
{
	struct carry *carry = calloc(1, sizeof(*carry));
	int ret;

	if (!carry)
		return -ENOMEM;
	carry->relay = config->relay;
	carry->shared = config->shared;
	carry->take = config->take;
	carry->arg = config->arg;
	for (unsigned int i = 0; i < config->count; i++) {
		struct carry_lane *lane = &carry->lanes[carry->count++];

		lane->inner = lane->outer = -1;
		ret = lane_open(carry, lane, config->players[i]);
		if (ret < 0) {
			carry_close(carry);
			return ret;
		}
	}
	*out = carry;
	return 0;
}

void carry_close(struct carry *carry)
{
	if (!carry)
		return;
	for (unsigned int i = 0; i < carry->count; i++) {
		if (carry->lanes[i].outer >= 0 && !carry->shared)
			close(carry->lanes[i].outer);
		if (carry->lanes[i].inner >= 0)
			close(carry->lanes[i].inner);
	}
	free(carry);
}

int carry_renew(struct carry *carry, unsigned int lane)
{
	int fd = outer_open(carry);

	if (fd < 0)
		return fd;
	close(carry->lanes[lane].outer);
	carry->lanes[lane].outer = fd;
	return 0;
}

void carry_share(struct carry *carry, unsigned int lane, int fd,
	const struct sockaddr_storage *relay, socklen_t relay_len)
{
	carry->lanes[lane].outer = fd;
	carry->lanes[lane].relay = *relay;
	carry->lanes[lane].relay_len = relay_len;
}

int carry_send(struct carry *carry, unsigned int lane, const void *data, size_t len)
{
	const struct carry_lane *out = &carry->lanes[lane];
	ssize_t sent = sendto(out->outer, data, len, MSG_NOSIGNAL,
		(const struct sockaddr *)&out->relay, out->relay_len);

	return sent < 0 ? -errno : 0;
}

/* The number of datagrams, 0 when there are none. */
static int batch_receive(struct carry *carry, int fd)
{
	int got;

	for (unsigned int i = 0; i < CARRY_BATCH; i++) {
		carry->in_iov[i] = (struct iovec){carry->data[i], CARRY_DATAGRAM};
		carry->in[i].msg_hdr = (struct msghdr){
			.msg_name = &carry->from[i],
			.msg_namelen = sizeof(carry->from[i]),
			.msg_iov = &carry->in_iov[i],
			.msg_iovlen = 1,
		};
	}
	got = recvmmsg(fd, carry->in, CARRY_BATCH, 0, NULL);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return got;
}

/* A datagram that the kernel does not take is dropped, as any router would. */
static unsigned int batch_send(struct carry *carry, int fd, unsigned int count)
{
	unsigned int done = 0, sent = 0;
	int ret;

	while (done < count) {
		ret = sendmmsg(fd, carry->out + done, count - done, MSG_NOSIGNAL);
		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0) {
			carry->counters.unsent++;
			done++;
			continue;
		}
		done += (unsigned int)ret;
		sent += (unsigned int)ret;
	}
	return sent;
}

static void batch_add(struct carry *carry, unsigned int at, unsigned int i,
	struct sockaddr_storage *to, socklen_t len)
{
	carry->out_iov[at] = (struct iovec){carry->data[i], carry->in[i].msg_len};
	carry->out[at].msg_hdr = (struct msghdr){
		.msg_name = to,
		.msg_namelen = len,
		.msg_iov = &carry->out_iov[at],
		.msg_iovlen = 1,
	};
}

static bool datagram_is_whole(struct carry *carry, unsigned int i)
{
	if (!(carry->in[i].msg_hdr.msg_flags & MSG_TRUNC))
		return true;
	carry->counters.oversized++;
	return false;
}

/* The source is the relay's punch port for answers and, by its SNAT, for media. */
static bool datagram_is_media(struct carry *carry, unsigned int lane, unsigned int i)
{
	struct endpoint from;

	if (endpoint_from_sockaddr((struct sockaddr *)&carry->from[i], &from) < 0 ||
		!endpoint_equal(&from, &carry->relay)) {
		carry->counters.foreign++;
		return false;
	}
	if (!datagram_is_whole(carry, i))
		return false;
	if (stun_is(carry->data[i], carry->in[i].msg_len) &&
		carry->take(carry->arg, lane, carry->data[i], carry->in[i].msg_len))
		return false;
	carry->counters.foreign += carry->shared;
	return !carry->shared;
}

int carry_inward(struct carry *carry, unsigned int index)
{
	struct carry_lane *lane = &carry->lanes[index];
	unsigned int total = 0, media;
	int got = CARRY_BATCH;

	for (unsigned int turn = 0; turn < BATCHES_MAX && got == CARRY_BATCH; turn++) {
		/* take() may have renewed the outer socket. */
		got = batch_receive(carry, lane->outer);
		if (got < 0)
			return got;
		media = 0;
		for (unsigned int i = 0; i < (unsigned int)got; i++) {
			if (datagram_is_media(carry, index, i))
				batch_add(carry, media++, i, &lane->player, lane->player_len);
		}
		batch_send(carry, lane->inner, media);
		total += media;
	}
	carry->counters.inward += total;
	return (int)total;
}

int carry_outward(struct carry *carry, unsigned int index)
{
	struct carry_lane *lane = &carry->lanes[index];
	unsigned int total = 0, count;
	int got = CARRY_BATCH;

	for (unsigned int turn = 0; turn < BATCHES_MAX && got == CARRY_BATCH; turn++) {
		got = batch_receive(carry, lane->inner);
		if (got < 0)
			return got;
		count = 0;
		for (unsigned int i = 0; i < (unsigned int)got; i++) {
			if (datagram_is_whole(carry, i))
				batch_add(carry, count++, i, &lane->relay, lane->relay_len);
		}
		total += batch_send(carry, lane->outer, count);
	}
	carry->counters.outward += total;
	return (int)total;
}
