/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/tunnel_state.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

#define VOLLEYS_MAX 8
#define EAGER_MS    10000 /* since the last datagram: a session is worth a new lane at once */
#define EVICT_MS    2000  /* and so long: it may make room for another */
#define ANSWERED_MS 250	  /* so long after its answer a question has no second part */
#define QUESTION    2	  /* datagrams: it may have been repeated */

static bool session_wants(const struct session *session, int64_t now_ms)
{
	return !session->carrier && now_ms - session->used_ms < EAGER_MS;
}

/* By this relay it would go on, and by its own it does not. */
static bool session_is_stuck(const struct session *session, const struct carrier *spare)
{
	const struct carrier *carrier = session->carrier;

	return carrier && carrier->silent && !lane_is_direct(carrier->lane) &&
	       !endpoint_equal(&carrier->relay, &spare->relay);
}

/* The oldest spare one through which data can go. */
static struct carrier *connect_spare(const struct tunnel *tunnel)
{
	struct carrier *carrier;

	TAILQ_FOREACH(carrier, &tunnel->carriers, entry) {
		if (!carrier->owner && carrier->paired)
			return carrier;
	}
	return NULL;
}

static void session_flush(struct session *session)
{
	struct tunnel *tunnel = session->tunnel;
	unsigned int count = 0;
	uint8_t *data;
	size_t len;

	while (session->queue) {
		data = queue_take(session->queue, tunnel_now(tunnel), &len, &tunnel->counters.late);
		if (data)
			tunnel_stage_data(session, count++, data, len);
		if ((!data || count == VOLLEY_COUNT) && count > 0) {
			if (!carrier_outward(session->carrier, count))
				tunnel->counters.late += count;
			count = 0;
		}
		if (!data)
			break;
	}
	free(session->queue);
	session->queue = NULL;
}

static bool session_assign(struct session *session)
{
	struct tunnel *tunnel = session->tunnel;
	struct carrier *carrier = connect_spare(tunnel);

	if (!carrier)
		return false;
	carrier->sink = (struct carrier_sink){
		.fd = tunnel->listener, .to = session->sa, .to_len = session->sa_len};
	tunnel_session_attach(session, carrier);
	session_flush(session);
	return true;
}

/* Who has waited longest comes first. */
static void connect_assign(struct tunnel *tunnel)
{
	struct session *session;

	TAILQ_FOREACH(session, &tunnel->sessions, entry) {
		if (session_wants(session, tunnel_now(tunnel)) && !session_assign(session))
			return;
	}
}

static unsigned int connect_spares(const struct tunnel *tunnel, unsigned int route)
{
	const struct carrier *carrier;
	unsigned int count = 0;

	TAILQ_FOREACH(carrier, &tunnel->carriers, entry)
		count += carrier->route == route && !carrier->owner;
	return count;
}

/* One is always ready, so that a new session's first datagram leaves at once. */
void tunnel_connect_fill(struct tunnel *tunnel)
{
	const struct session *session;
	unsigned int wanted = 1;

	connect_assign(tunnel);
	TAILQ_FOREACH(session, &tunnel->sessions, entry)
		wanted += session_wants(session, tunnel_now(tunnel));
	for (unsigned int i = 0; i < tunnel->route_count; i++) {
		if (tunnel->routes[i].failed || (tunnel->best >= 0 && tunnel->best != (int)i))
			continue;
		for (unsigned int n = connect_spares(tunnel, i); n < wanted; n++) {
			if (!tunnel_carrier_open(tunnel, i, tunnel->config->target->relays[0].port))
				return;
		}
	}
}

/* The first that was paired shows which way to go; the others are not needed. */
static void connect_choose(struct tunnel *tunnel, const struct carrier *chosen)
{
	struct carrier *carrier, *next;

	tunnel->best = (int)chosen->route;
	for (unsigned int i = 0; i < tunnel->route_count; i++)
		tunnel->routes[i].waiting_ms = 0;
	for (carrier = TAILQ_FIRST(&tunnel->carriers); carrier; carrier = next) {
		next = TAILQ_NEXT(carrier, entry);
		if (!carrier->owner && carrier->route != chosen->route)
			tunnel_carrier_close(tunnel, carrier);
	}
}

/* Those whose relay is lost give up their carriers, and get others one by one. */
static void connect_move(struct tunnel *tunnel, const struct carrier *spare)
{
	struct session *session;

	TAILQ_FOREACH(session, &tunnel->sessions, entry) {
		if (session_is_stuck(session, spare))
			tunnel_session_detach(session);
	}
}

void tunnel_connect_settled(struct tunnel *tunnel, struct carrier *carrier, unsigned int news)
{
	if (news & (1u << LANE_CLOSED)) {
		tunnel_carrier_failed(tunnel, carrier);
		if (carrier->owner)
			tunnel_session_detach(carrier->owner);
		else
			tunnel_carrier_close(tunnel, carrier);
		return;
	}
	if (news & (1u << LANE_SILENT))
		tunnel->best = -1;
	if (!(news & (1u << LANE_PAIRED)))
		return;
	connect_choose(tunnel, carrier);
	tunnel_ready(tunnel, carrier);
	if (carrier->owner)
		session_flush(carrier->owner);
	else
		connect_move(tunnel, carrier);
}

/* No more than a question that has its answer. */
static bool session_is_answered(const struct session *session, int64_t now_ms)
{
	const struct carrier *carrier = session->carrier;

	return carrier && carrier->inward > 0 && session->outward + carrier->outward <= QUESTION &&
	       now_ms - tunnel_session_used_ms(session) >= ANSWERED_MS;
}

/* The one idle longest of those that may go; NULL: none. */
static struct session *connect_oldest(const struct tunnel *tunnel, bool full)
{
	int64_t used_ms, now_ms = tunnel_now(tunnel), oldest_ms = INT64_MAX;
	struct session *session, *oldest = NULL;

	TAILQ_FOREACH(session, &tunnel->sessions, entry) {
		used_ms = tunnel_session_used_ms(session);
		if (used_ms >= oldest_ms || !(session_is_answered(session, now_ms) ||
						    (full && now_ms - used_ms >= EVICT_MS)))
			continue;
		oldest = session;
		oldest_ms = used_ms;
	}
	return oldest;
}

/*
 * Programs that take a new port for each question must not use up the sessions; and they go before
 * there are too many, as the other side needs a moment to have room again.
 */
static bool connect_make_room(struct tunnel *tunnel)
{
	unsigned int limit = tunnel->config->sessions;
	bool full = tunnel->session_count >= limit;
	struct session *oldest;

	if (tunnel->session_count < limit - limit / 4)
		return true;
	oldest = connect_oldest(tunnel, full);
	if (oldest)
		tunnel_session_close(oldest, "room");
	return oldest || !full;
}

static struct session *session_begin(struct tunnel *tunnel, const struct endpoint *from)
{
	struct session *session;
	struct tell tell = tunnel_tell(tunnel, NULL);

	session = connect_make_room(tunnel) ? tunnel_session_open(tunnel) : NULL;
	if (!session)
		return NULL;
	session->source.from = *from;
	session->sa_len = endpoint_to_sockaddr(from, &session->sa);
	source_add(&tunnel->sources, &session->source);
	tell.session = session->number;
	tell_open(&tell, from);
	return session;
}

static struct session *session_from(struct source *source)
{
	return (struct session *)((char *)source - offsetof(struct session, source));
}

static struct session *session_of(struct tunnel *tunnel, unsigned int i)
{
	struct endpoint from;
	struct source *source;
	struct session *session;

	if (endpoint_from_sockaddr((struct sockaddr *)&tunnel->volley.from[i], &from) < 0)
		return NULL;
	source = source_find(&tunnel->sources, &from);
	session = source ? session_from(source) : session_begin(tunnel, &from);
	if (session)
		session->used_ms = tunnel_now(tunnel); /* and does not make room for others */
	else
		tunnel->counters.crowded++;
	return session;
}

/* There is no path yet. */
static void session_hold(struct session *session, unsigned int i)
{
	struct tunnel *tunnel = session->tunnel;
	const struct volley *volley = &tunnel->volley;

	if (!volley_is_whole(volley, i)) {
		tunnel->counters.loss.oversized++;
		return;
	}
	if (!session->queue)
		session->queue = calloc(1, sizeof(*session->queue));
	if (!session->queue) {
		tunnel->counters.late++;
		return;
	}
	tunnel->counters.late += queue_put(
		session->queue, volley->data[i], volley_len(volley, i), tunnel_now(tunnel));
}

/* All of the batch that are of the first one's session, which go together. */
static void session_send(
	struct session *session, struct session **owners, unsigned int first, unsigned int got)
{
	struct tunnel *tunnel = session->tunnel;
	unsigned int count = 0, i;

	if (!session->carrier)
		session_assign(session);
	if (session->carrier && lane_state(session->carrier->lane) == PEER_PAIRED) {
		for (i = first; i < got; i++) {
			if (owners[i] == session)
				count += tunnel_stage(session, i, count);
		}
		if (count > 0 && !carrier_outward(session->carrier, count))
			tunnel->counters.late += count;
	} else {
		for (i = first; i < got; i++) {
			if (owners[i] == session)
				session_hold(session, i);
		}
	}
	for (i = first; i < got; i++)
		owners[i] = owners[i] == session ? NULL : owners[i];
}

static void connect_volley(struct tunnel *tunnel, unsigned int got)
{
	struct session *owners[VOLLEY_COUNT];

	for (unsigned int i = 0; i < got; i++)
		owners[i] = session_of(tunnel, i);
	for (unsigned int i = 0; i < got; i++) {
		if (owners[i])
			session_send(owners[i], owners, i, got);
	}
}

static void on_listener(uv_poll_t *poll, int status, int events)
{
	struct tunnel *tunnel = poll->data;
	int got = VOLLEY_COUNT;

	(void)status;
	(void)events;
	for (unsigned int turn = 0; turn < VOLLEYS_MAX && got == VOLLEY_COUNT; turn++) {
		got = volley_receive(&tunnel->volley, tunnel->listener);
		if (got > 0)
			connect_volley(tunnel, (unsigned int)got);
	}
	tunnel_fill(tunnel);
}

static int listener_open(struct tunnel *tunnel)
{
	int ret, fd = volley_socket(&tunnel->config->local);

	if (fd < 0)
		return fd;
	volley_grow(fd);
	tunnel->poll.data = tunnel;
	ret = uv_poll_init(&tunnel->loop, &tunnel->poll, fd);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	tunnel->listener = fd;
	return uv_poll_start(&tunnel->poll, UV_READABLE, on_listener);
}

int tunnel_connect_open(struct tunnel *tunnel)
{
	char text[ENDPOINT_TEXT];
	int ret = listener_open(tunnel);

	if (ret < 0)
		log_error("%s: %s", endpoint_format(&tunnel->config->local, text), strerror(-ret));
	return ret;
}

void tunnel_connect_close(struct tunnel *tunnel)
{
	if (tunnel->listener < 0)
		return;
	uv_close((uv_handle_t *)&tunnel->poll, NULL);
	close(tunnel->listener);
	tunnel->listener = -1;
}
