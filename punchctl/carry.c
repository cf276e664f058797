/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/carry.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/stun.h"

#define BATCHES_MAX 4 /* of one lane, before it is the others' turn */

static const struct endpoint loopback = {.addr = {AF_INET, {127, 0, 0, 1}}};

/*
 * Not connected: the kernel then chooses the source address of each datagram, so that the socket
 * survives a change of networks.
 */
static int socket_open(const struct endpoint *local)
{
	int fd = volley_socket(local);

	if (fd >= 0)
		volley_grow(fd);
	return fd;
}

static int outer_open(const struct carry *carry)
{
	struct endpoint any = {.addr = {.family = carry->relay.addr.family}};

	return socket_open(&any);
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
		local.port = (uint16_t)(volley_port(lane[-1].inner) + 1);
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

static bool datagram_is_whole(struct carry *carry, unsigned int i)
{
	if (volley_is_whole(&carry->volley, i))
		return true;
	carry->counters.loss.oversized++;
	return false;
}

/* The source is the relay's punch port for answers and, by its SNAT, for media. */
static bool datagram_is_media(struct carry *carry, unsigned int lane, unsigned int i)
{
	const struct volley *volley = &carry->volley;
	size_t len = volley_len(volley, i);
	struct endpoint from;

	if (endpoint_from_sockaddr((struct sockaddr *)&volley->from[i], &from) < 0 ||
		!endpoint_equal(&from, &carry->relay)) {
		carry->counters.foreign++;
		return false;
	}
	if (!datagram_is_whole(carry, i))
		return false;
	if (stun_is(volley->data[i], len) && carry->take(carry->arg, lane, volley->data[i], len))
		return false;
	carry->counters.foreign += carry->shared;
	return !carry->shared;
}

static unsigned int batch_send(
	struct carry *carry, int fd, unsigned int count, struct sockaddr_storage *to, socklen_t len)
{
	volley_aim(&carry->volley, count, to, len);
	return volley_send(&carry->volley, fd, count, &carry->counters.loss);
}

int carry_inward(struct carry *carry, unsigned int index)
{
	struct carry_lane *lane = &carry->lanes[index];
	struct volley *volley = &carry->volley;
	unsigned int total = 0, media;
	int got = VOLLEY_COUNT;

	for (unsigned int turn = 0; turn < BATCHES_MAX && got == VOLLEY_COUNT; turn++) {
		/* take() may have renewed the outer socket. */
		got = volley_receive(volley, lane->outer);
		if (got < 0)
			return got;
		media = 0;
		for (unsigned int i = 0; i < (unsigned int)got; i++) {
			if (datagram_is_media(carry, index, i))
				volley_put(volley, media++, volley->data[i], volley_len(volley, i));
		}
		batch_send(carry, lane->inner, media, &lane->player, lane->player_len);
		carry->counters.inward_bytes += volley->sent_bytes;
		total += media;
	}
	carry->counters.inward += total;
	return (int)total;
}

int carry_outward(struct carry *carry, unsigned int index)
{
	struct carry_lane *lane = &carry->lanes[index];
	struct volley *volley = &carry->volley;
	unsigned int total = 0, count;
	int got = VOLLEY_COUNT;

	for (unsigned int turn = 0; turn < BATCHES_MAX && got == VOLLEY_COUNT; turn++) {
		got = volley_receive(volley, lane->inner);
		if (got < 0)
			return got;
		count = 0;
		for (unsigned int i = 0; i < (unsigned int)got; i++) {
			if (datagram_is_whole(carry, i))
				volley_put(volley, count++, volley->data[i], volley_len(volley, i));
		}
		total += batch_send(carry, lane->outer, count, &lane->relay, lane->relay_len);
	}
	carry->counters.outward += total;
	return (int)total;
}
