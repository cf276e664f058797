/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/tunnel_state.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

#define SPARES	    2  /* lanes of each route that wait for a client */
#define SPARES_MAX  18 /* while clients come in crowds */
#define VOLLEYS_MAX 8

static unsigned int serve_paired(const struct tunnel *tunnel)
{
	const struct carrier *carrier;
	unsigned int count = 0;

	TAILQ_FOREACH(carrier, &tunnel->carriers, entry)
		count += carrier->paired;
	return count;
}

unsigned int tunnel_serve_waiting(const struct tunnel *tunnel, unsigned int route)
{
	const struct carrier *carrier;
	unsigned int count = 0;

	TAILQ_FOREACH(carrier, &tunnel->carriers, entry)
		count += carrier->route == route && !carrier->paired;
	return count;
}

/* As many as were taken lately: twice as many in each round trip, while a crowd comes. */
static unsigned int serve_wanted(const struct tunnel *tunnel)
{
	unsigned int paired = serve_paired(tunnel), wanted = SPARES + tunnel->taken, room;

	room = paired < tunnel->config->sessions ? tunnel->config->sessions - paired : 0;
	if (tunnel->config->share)
		wanted = SPARES; /* the relay's ports for them are few */
	else if (wanted > SPARES_MAX)
		wanted = SPARES_MAX;
	return wanted < room ? wanted : room;
}

void tunnel_serve_fill(struct tunnel *tunnel)
{
	unsigned int wanted = serve_wanted(tunnel);

	if (tunnel->config->share) {
		tunnel_share_fill(tunnel, wanted);
		return;
	}
	for (unsigned int i = 0; i < tunnel->route_count; i++) {
		if (tunnel->routes[i].failed)
			continue;
		for (unsigned int n = tunnel_serve_waiting(tunnel, i); n < wanted; n++) {
			if (!tunnel_carrier_open(tunnel, i, tunnel->config->target->relays[0].port))
				return;
		}
	}
}

static struct carrier *serve_oldest(const struct tunnel *tunnel, unsigned int route)
{
	struct carrier *carrier;

	TAILQ_FOREACH(carrier, &tunnel->carriers, entry) {
		if (carrier->route == route && !carrier->paired && !carrier->owner)
			return carrier;
	}
	return NULL;
}

void tunnel_serve_calm(struct tunnel *tunnel)
{
	struct carrier *carrier;

	tunnel->taken /= 2;
	if (tunnel->config->share)
		return;
	for (unsigned int i = 0; i < tunnel->route_count; i++) {
		if (tunnel_serve_waiting(tunnel, i) <= serve_wanted(tunnel) || tunnel->taken > 0)
			continue;
		carrier = serve_oldest(tunnel, i);
		if (carrier)
			tunnel_carrier_close(tunnel, carrier);
	}
}

void tunnel_serve_settled(struct tunnel *tunnel, struct carrier *carrier, unsigned int news)
{
	if (news & (1u << LANE_PAIRED) && tunnel->taken < SPARES_MAX)
		tunnel->taken++;
	/* A relay that has begun anew may give the lane to another client. */
	if (carrier->owner && carrier->parted) {
		struct session *session = carrier->owner;

		tunnel_session_release(session);
		tunnel_session_close(session, "peer");
	}
	carrier->parted = false;
	if (tunnel->config->share)
		tunnel_share_settled(tunnel, carrier);
	if (!(news & (1u << LANE_CLOSED)))
		return;
	tunnel_carrier_failed(tunnel, carrier);
	if (carrier->owner)
		tunnel_session_close(carrier->owner, "peer");
	else
		tunnel_carrier_close(tunnel, carrier);
}

/* From the service to its client. */
static void on_inner(uv_poll_t *poll, int status, int events)
{
	struct session *session = poll->data;
	struct tunnel *tunnel = session->tunnel;
	unsigned int count;
	int got = VOLLEY_COUNT;

	(void)events;
	/* libuv stops at an error of the socket, such as that the service was not there. */
	if (status < 0)
		uv_poll_start(poll, UV_READABLE, on_inner);
	for (unsigned int turn = 0; turn < VOLLEYS_MAX && got == VOLLEY_COUNT; turn++) {
		got = volley_receive(&tunnel->volley, session->inner);
		if (got == -ECONNREFUSED) { /* the service is not there: it may start again */
			tunnel->counters.loss.refused++;
			got = VOLLEY_COUNT;
			continue;
		}
		count = 0;
		for (int i = 0; i < got; i++)
			count += tunnel_stage(session, (unsigned int)i, count);
		if (count > 0 && !carrier_outward(session->carrier, count))
			tunnel->counters.late += count;
	}
}

static bool is_loopback(const struct addr *addr)
{
	static const struct addr loopback6 = {AF_INET6, {[15] = 1}};

	return addr->family == AF_INET ? addr->bytes[0] == 127 : addr_equal(addr, &loopback6);
}

/* A socket of its own, so that the service sees each client as an address of its own. */
static int inner_open(const struct endpoint *service)
{
	struct endpoint local = {.addr = {.family = service->addr.family}};
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(service, &sa);
	int fd, ret;

	if (is_loopback(&service->addr))
		local.addr = service->addr;
	fd = volley_socket(&local);
	if (fd < 0)
		return fd;
	volley_grow(fd);
	if (connect(fd, (struct sockaddr *)&sa, len) == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

static int session_serve(struct session *session, struct carrier *carrier)
{
	struct tunnel *tunnel = session->tunnel;
	struct endpoint local;
	struct tell tell;
	int fd, ret;

	fd = inner_open(&tunnel->config->local);
	if (fd < 0)
		return fd;
	ret = uv_poll_init(&tunnel->loop, &session->poll, fd);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	session->poll.data = session;
	session->inner = fd;
	uv_poll_start(&session->poll, UV_READABLE, on_inner);
	carrier->sink = (struct carrier_sink){.fd = fd};
	volley_local(fd, &local);
	tell = tunnel_tell(tunnel, carrier);
	tell.session = session->number;
	tell_open(&tell, &local);
	return 0;
}

void tunnel_serve_wanted(struct tunnel *tunnel, struct carrier *carrier)
{
	struct session *session;
	int ret;

	if (carrier->owner || !carrier->paired)
		return;
	session = tunnel_session_open(tunnel);
	ret = session ? session_serve(session, carrier) : -ENOMEM;
	if (ret == 0) {
		tunnel_session_attach(session, carrier);
		return;
	}
	log_warning("no socket towards the service: %s", strerror(-ret));
	if (session)
		tunnel_session_close(session, "error");
}
