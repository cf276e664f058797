/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A service whose own socket is punched: of its datagrams we see the STUN, and the kernel gives it
 * all else. One socket has one mapping at each endpoint of the relay, or one for all, so each lane
 * has a punch port of the relay for itself: the usual one, and those that the relay names.
 */
#include "punchctl/tunnel_state.h"

#include <errno.h>
#include <string.h>

#include "common/log.h"

#define VOLLEYS_MAX 8

/* A datagram of the relay is its lane's; of others only the key tells whose. */
static void share_input(
	struct tunnel *tunnel, const struct endpoint *from, const uint8_t *data, size_t len)
{
	struct carrier *carrier;

	TAILQ_FOREACH(carrier, &tunnel->carriers, entry) {
		if (endpoint_equal(&carrier->relay, from)) {
			(void)carrier_input(carrier, from, data, len);
			return;
		}
	}
	TAILQ_FOREACH(carrier, &tunnel->carriers, entry) {
		if (carrier_input(carrier, from, data, len))
			return;
	}
}

static void on_outer(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;
	struct tunnel *tunnel = watch->data;
	struct volley *volley = &tunnel->volley;
	struct endpoint from;
	int got = VOLLEY_COUNT;

	(void)status;
	(void)events;
	for (unsigned int turn = 0; turn < VOLLEYS_MAX && got == VOLLEY_COUNT; turn++) {
		got = tunnel->twin.fd < 0 ? 0 : volley_receive(volley, tunnel->twin.fd);
		for (int i = 0; i < got; i++) {
			struct sockaddr *sa = (struct sockaddr *)&volley->from[i];

			if (endpoint_from_sockaddr(sa, &from) == 0 &&
				volley_is_whole(volley, (unsigned int)i))
				share_input(tunnel, &from, volley->data[i],
					volley_len(volley, (unsigned int)i));
		}
	}
}

/* The lanes stay when the program goes: it may be back before its clients have missed it. */
static void on_twin(void *arg, unsigned int lane, const struct sharing_twin *twin)
{
	struct tunnel *tunnel = arg;
	struct carrier *carrier;
	int ret;

	(void)lane;
	if (tunnel->ending)
		return;
	watch_close(&tunnel->watch);
	tunnel->twin.fd = twin->fd;
	tunnel->twin.family = (uint8_t)twin->remote.ss_family;
	if (twin->fd < 0) {
		report_unshared(&tunnel->report, tunnel->twin.port, twin->why);
		return;
	}
	ret = watch_open(&tunnel->loop, twin->fd, on_outer, tunnel, &tunnel->watch);
	if (ret < 0)
		log_error("a socket cannot be watched: %s", strerror(-ret));
	report_shared(&tunnel->report, tunnel->twin.port);
	TAILQ_FOREACH(carrier, &tunnel->carriers, entry)
		carrier_network(carrier);
	tunnel_fill(tunnel);
}

int tunnel_share_open(struct tunnel *tunnel)
{
	const struct sharing_config config = {
		.loop = &tunnel->loop,
		.ports = &tunnel->twin.port,
		.count = 1,
		.remote = tunnel->config->target->relays[tunnel->routes[0].index],
		.changed = on_twin,
		.arg = tunnel,
	};

	return sharing_open(&config, &tunnel->sharing);
}

void tunnel_share_close(struct tunnel *tunnel)
{
	watch_close(&tunnel->watch);
	sharing_close(tunnel->sharing);
	tunnel->sharing = NULL;
}

static bool port_is_free(const struct tunnel *tunnel, uint16_t port)
{
	const struct carrier *carrier;

	TAILQ_FOREACH(carrier, &tunnel->carriers, entry) {
		if (carrier->relay.port == port)
			return false;
	}
	return true;
}

/* The first lane's word tells of the other ports. */
void tunnel_share_fill(struct tunnel *tunnel, unsigned int wanted)
{
	const struct endpoint *relay = &tunnel->config->target->relays[0];
	unsigned int waiting = tunnel_serve_waiting(tunnel, 0);

	if (tunnel->twin.fd < 0 || tunnel->routes[0].failed)
		return;
	if (waiting < wanted && port_is_free(tunnel, relay->port)) {
		if (!tunnel_carrier_open(tunnel, 0, relay->port))
			return;
		waiting++;
	}
	for (unsigned int port = tunnel->share_low;
		port > 0 && port <= tunnel->share_high && waiting < wanted; port++) {
		if (!port_is_free(tunnel, (uint16_t)port))
			continue;
		if (!tunnel_carrier_open(tunnel, 0, (uint16_t)port))
			return;
		waiting++;
	}
}

void tunnel_share_settled(struct tunnel *tunnel, struct carrier *carrier)
{
	struct session *session;
	uint16_t low, high;

	if (lane_share(carrier->lane, &low, &high)) {
		tunnel->share_low = low;
		tunnel->share_high = high;
	}
	if (carrier->owner || lane_state(carrier->lane) != PEER_PAIRED)
		return;
	session = tunnel_session_open(tunnel);
	if (session)
		tunnel_session_attach(session, carrier);
}
