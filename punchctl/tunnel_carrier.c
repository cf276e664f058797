/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/tunnel_state.h"

#include <errno.h>
#include <string.h>

#include "common/log.h"
#include "common/mac.h"

#define LIVED_MS     5000 /* a carrier that was paired so long was of use */
#define RETRY_MIN_MS 250
#define RETRY_MAX_MS 30000
#define CALM_MS	     60000 /* without a failure: the next one is the first */
#define WAIT_MS	     1000  /* so long nobody serves: that is worth a word */
#define LOOK_MIN_MS  500   /* however many carriers are silent */

#define FULL 486 /* as many peers as there may be: there will be room again */

#define NEWS(type) (1u << (type))

static struct tunnel_route *route_of(const struct carrier *carrier)
{
	struct tunnel *tunnel = carrier->shared->arg;

	return &tunnel->routes[carrier->route];
}

/* What all carriers of a route see at about the same time is told once. */
static bool is_told(
	struct tunnel *tunnel, const struct carrier *carrier, const struct lane_event *event)
{
	struct tunnel_route *route = route_of(carrier);
	bool told = false;

	switch (event->type) {
	case LANE_WAITING:
		tunnel->proven = true;
		route->silent = false;
		if (route->waiting_ms == 0)
			route->waiting_ms = tunnel_now(tunnel);
		/* A service that is there has been called twice at once; is it that? */
		told = route->waiting || tunnel->ready;
		route->waiting |= !told;
		break;
	case LANE_PAIRED:
		tunnel->proven = true;
		told = !carrier->owner; /* and is told when it is given to somebody */
		route->silent = false;
		route->refused = 0;
		route->waiting_ms = 0;
		if (tunnel->config->role == PEER_CLIENT)
			route->waiting = false;
		break;
	case LANE_SILENT:
		told = route->silent;
		route->silent = true;
		break;
	case LANE_BACK:
		told = !route->silent;
		route->silent = false;
		break;
	case LANE_REFUSED:
		/* That there is no place for one more matters when it is needed. */
		if (event->code == FULL && carrier->spare)
			return true;
		told = route->refused == event->code;
		route->refused = event->code;
		break;
	case LANE_DIRECT:
	case LANE_LOST:
	case LANE_NO_PATH:
	case LANE_CLOSED:
	case LANE_FAILED:
		break;
	}
	return told;
}

void tunnel_tell_waiting(struct tunnel *tunnel)
{
	const struct lane_event event = {.type = LANE_WAITING};

	for (unsigned int i = 0; i < tunnel->route_count; i++) {
		struct tunnel_route *route = &tunnel->routes[i];
		struct tell tell = tunnel_tell(tunnel, NULL);

		if (route->waiting || route->waiting_ms == 0 ||
			tunnel_now(tunnel) - route->waiting_ms < WAIT_MS)
			continue;
		route->waiting = true;
		tell.relay = tunnel->config->target->relays[route->index];
		tell_lane(&tell, &event);
	}
}

static void on_event(struct carrier *carrier, const struct lane_event *event)
{
	struct tunnel *tunnel = carrier->shared->arg;
	struct tell tell = tunnel_tell(tunnel, carrier);

	if (carrier->owner && (event->type == LANE_WAITING || event->type == LANE_PAIRED))
		carrier->parted = true;
	/* We say nothing ourselves while the program is not there whose socket it is. */
	if (event->type == LANE_SILENT && carrier->shared->twin && carrier->shared->twin->fd < 0)
		return;
	/* Of a refusal is told when the file has been looked at. */
	if (event->type == LANE_FAILED)
		carrier->refusal = *event;
	else if (!is_told(tunnel, carrier, event) && !tunnel->ending)
		tell_lane(&tell, event);
}

static void tunnel_replace_key(struct tunnel *tunnel, const char *key)
{
	struct session *session;
	struct carrier *carrier;

	report_key(&tunnel->report);
	memcpy(tunnel->key, key, sizeof(tunnel->key));
	while ((session = TAILQ_FIRST(&tunnel->sessions)) && tunnel->config->role == PEER_SERVICE)
		tunnel_session_close(session, "key");
	TAILQ_FOREACH(session, &tunnel->sessions, entry)
		tunnel_session_detach(session);
	while ((carrier = TAILQ_FIRST(&tunnel->carriers)))
		tunnel_carrier_close(tunnel, carrier);
	for (unsigned int i = 0; i < tunnel->route_count; i++)
		tunnel->routes[i].failed = false;
	tunnel->failures = 0;
	tunnel->retry_ms = 0;
	tunnel_fill(tunnel);
}

bool tunnel_reread_key(struct tunnel *tunnel)
{
	char key[TARGET_KEY] = {0}, why[TARGET_WHY];
	bool changed;

	if (target_read_key(tunnel->config->key_file, key, why) < 0) {
		log_warning("%s", why);
		return false;
	}
	changed = strcmp(key, tunnel->key) != 0;
	if (changed)
		tunnel_replace_key(tunnel, key);
	mac_wipe(key, sizeof(key));
	return changed;
}

/* The relay refuses for good: what never worked ends, what has worked is tried again. */
static void tunnel_refused(struct tunnel *tunnel, struct carrier *carrier)
{
	struct tell tell = tunnel_tell(tunnel, carrier);

	if (carrier->refusal.code == FULL) {
		carrier->refusal.type = LANE_REFUSED;
		if (!is_told(tunnel, carrier, &carrier->refusal))
			tell_lane(&tell, &carrier->refusal);
		return;
	}
	if (tunnel->proven) {
		tell_lane(&tell, &carrier->refusal);
		return;
	}
	if (!route_of(carrier)->failed)
		tell_lane(&tell, &carrier->refusal);
	route_of(carrier)->failed = true;
	for (unsigned int i = 0; i < tunnel->route_count; i++) {
		if (!tunnel->routes[i].failed)
			return;
	}
	tunnel_end(tunnel, -ECANCELED);
}

/* The relay may have another address of this family, for carriers to come. */
static void route_turn(struct tunnel *tunnel, const struct carrier *silent)
{
	const struct target *target = tunnel->config->target;
	struct tunnel_route *route = route_of(silent);
	unsigned int index = route->index;

	if (!addr_equal(&target->relays[index].addr, &silent->relay.addr))
		return; /* has been turned already */
	do {
		index = (index + 1) % target->count;
	} while (target->relays[index].addr.family != route->family);
	route->index = index;
}

/* A silent one that is nobody's makes room for one that goes elsewhere. */
static bool carrier_is_stuck(const struct tunnel *tunnel, const struct carrier *carrier)
{
	const struct endpoint *relays = tunnel->config->target->relays;

	return !carrier->owner &&
	       !addr_equal(&relays[route_of(carrier)->index].addr, &carrier->relay.addr);
}

void tunnel_carrier_move(struct tunnel *tunnel)
{
	struct carrier *carrier, *next;

	tunnel->best = -1;
	for (carrier = TAILQ_FIRST(&tunnel->carriers); carrier; carrier = next) {
		next = TAILQ_NEXT(carrier, entry);
		if (carrier_is_stuck(tunnel, carrier))
			tunnel_carrier_close(tunnel, carrier);
	}
	tunnel_fill(tunnel);
}

static void on_settled(struct carrier *carrier)
{
	struct tunnel *tunnel = carrier->shared->arg;
	unsigned int news = carrier->news;

	carrier->news = 0;
	if (news & NEWS(LANE_FAILED)) {
		if (carrier->refusal.code == 401 && tunnel_reread_key(tunnel))
			return; /* the carrier has gone */
		tunnel_refused(tunnel, carrier);
		news |= NEWS(LANE_CLOSED);
	}
	if (news & NEWS(LANE_SILENT)) {
		route_turn(tunnel, carrier);
		if (tunnel_now(tunnel) - tunnel->looked_ms >= LOOK_MIN_MS)
			tunnel_net_look(tunnel);
		if (carrier_is_stuck(tunnel, carrier))
			news |= NEWS(LANE_CLOSED);
	}
	if (tunnel->config->role == PEER_SERVICE)
		tunnel_serve_settled(tunnel, carrier, news);
	else
		tunnel_connect_settled(tunnel, carrier, news);
	tunnel_fill(tunnel);
	tunnel_show(tunnel);
}

static void on_wanted(struct carrier *carrier)
{
	struct tunnel *tunnel = carrier->shared->arg;

	if (tunnel->config->role == PEER_SERVICE)
		tunnel_serve_wanted(tunnel, carrier);
}

void tunnel_carrier_init(struct tunnel *tunnel)
{
	tunnel->shared = (struct carrier_shared){
		.loop = &tunnel->loop,
		.volley = &tunnel->volley,
		.counters = &tunnel->counters,
		.twin = tunnel->config->share ? &tunnel->twin : NULL,
		.arg = tunnel,
		.event = on_event,
		.settled = on_settled,
		.wanted = on_wanted,
	};
}

static void on_retry(uv_timer_t *timer)
{
	tunnel_fill(timer->data);
}

static void tunnel_back_off(struct tunnel *tunnel)
{
	int64_t pause, now = tunnel_now(tunnel);
	uint32_t random;

	if (tunnel->retry_ms > now)
		return; /* many of them fail at once */
	if (now - tunnel->failed_ms >= CALM_MS)
		tunnel->failures = 0;
	tunnel->failed_ms = now;
	pause = (int64_t)RETRY_MIN_MS << (tunnel->failures < 7 ? tunnel->failures : 7);
	mac_random(&random, sizeof(random));
	if (pause > RETRY_MAX_MS)
		pause = RETRY_MAX_MS;
	pause = pause * (800 + random % 401) / 1000;
	tunnel->failures++;
	tunnel->retry_ms = now + pause;
	uv_timer_start(&tunnel->retry, on_retry, (uint64_t)pause, 0);
}

void tunnel_carrier_failed(struct tunnel *tunnel, const struct carrier *carrier)
{
	bool lived = tunnel_now(tunnel) - carrier->opened_ms >= LIVED_MS;

	if (!carrier->paired || (tunnel->config->role == PEER_CLIENT && !lived))
		tunnel_back_off(tunnel);
}

struct carrier *tunnel_carrier_open(struct tunnel *tunnel, unsigned int route, uint16_t port)
{
	struct carrier_config config = {
		.shared = &tunnel->shared,
		.role = tunnel->config->role,
		.name = tunnel->config->target->name,
		.key = tunnel->key,
		.relay = tunnel->config->target->relays[tunnel->routes[route].index],
	};
	struct carrier *carrier;
	int ret;

	config.relay.port = port;
	ret = carrier_open(&config, &carrier);
	if (ret < 0) {
		log_warning("a socket: %s", strerror(-ret));
		tunnel_back_off(tunnel);
		return NULL;
	}
	carrier->route = route;
	TAILQ_INSERT_TAIL(&tunnel->carriers, carrier, entry);
	tunnel_net_tell(tunnel, carrier);
	carrier_set_relayed(carrier, tunnel->relayed);
	tunnel_gateway_fill(tunnel);
	return carrier;
}

void tunnel_carrier_close(struct tunnel *tunnel, struct carrier *carrier)
{
	TAILQ_REMOVE(&tunnel->carriers, carrier, entry);
	tunnel_gateway_drop(tunnel, carrier);
	carrier_close(carrier);
}
