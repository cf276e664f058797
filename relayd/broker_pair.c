/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pairs: who is relayed to whom, as long as both are there. */
#include <string.h>

#include "relayd/broker_inner.h"

#define SERVICE_MS 1500	 /* until a service must have heard that it is called; */
#define CLIENT_MS  10000 /* and a client that it is served */
#define RTT_MAX_MS 2000

#define LONELY_MS      3000 /* since when a client has been alone that says so */
#define DOUBT_MS       2000 /* for the service to hear that it is asked for */
#define DOUBT_AGAIN_MS 4000 /* however often the client asks */
#define PATIENCE_MS    1000
#define DOUBT_LOOK_MS  250 /* between looks for another service */

static struct pair *pair_make(struct broker *broker, struct lane *client, struct lane *service)
{
	struct pair *pair = LIST_FIRST(&broker->free_pairs);
	struct lane *const lanes[] = {[PEER_CLIENT] = client, [PEER_SERVICE] = service};

	if (!pair)
		return NULL;
	LIST_REMOVE(pair, link);
	memset(pair, 0, sizeof(*pair));
	pair->timer.is_pair = true;
	pair->broker = broker;
	pair->crowd = client->crowd;
	pair->number = client->crowd->stream->number;
	strcpy(pair->name, client->crowd->stream->spec.name);
	for (unsigned int i = 0; i < 2; i++) {
		pair->lane[i] = lanes[i];
		pair->told[i] = lanes[i]->hole;
		lane_unwait(lanes[i]);
		lanes[i]->pair = pair;
		lanes[i]->refreshed_ms = broker->now_ms;
		if (lanes[i]->hello.round > pair->round)
			pair->round = lanes[i]->hello.round;
	}
	pair->crowd->pairs++;
	LIST_INSERT_HEAD(&pair->crowd->paired, pair, link);
	return pair;
}

static void pair_free(struct broker *broker, struct pair *pair)
{
	LIST_INSERT_HEAD(&broker->free_pairs, pair, link);
}

static void pair_two(struct broker *broker, struct lane *client, struct lane *service)
{
	struct pair *pair = pair_make(broker, client, service);

	if (pair && kernel_pair(broker, pair) < 0)
		pair_fail(broker, pair);
}

/* The one that was heard last: that a service was there a moment ago says most. */
static struct lane *offer_find(const struct crowd *crowd, const struct lane *client)
{
	struct lane *service, *found = NULL;

	TAILQ_FOREACH(service, &crowd->waiting[PEER_SERVICE], wait_link)
		if (service->hole.client.addr.family == client->hole.client.addr.family &&
			(!found || service->hello_ms > found->hello_ms))
			found = service;
	return found;
}

bool pair_make_room(struct broker *broker, struct crowd *crowd, uint8_t family)
{
	struct lane *client, *service;
	struct pair *pair;

	LIST_FOREACH(pair, &crowd->paired, link) {
		client = pair->lane[PEER_CLIENT];
		if (!client->hello.spare || (family && client->hole.client.addr.family != family))
			continue;
		service = pair->lane[PEER_SERVICE];
		pair_dissolve(broker, pair, "gives its place to another");
		lane_end(broker, client, "gives its place to another");
		lane_wait(service);
		word_changed(broker, service);
		return true;
	}
	return false;
}

/*
 * For a client that has data to carry also that of one that has none. Not at once: more services
 * are on their way after a crowd has come, and a spare one may have been put to use just now.
 */
static struct lane *service_find(struct broker *broker, struct crowd *crowd, struct lane *client)
{
	struct lane *service = offer_find(crowd, client);

	if (service || client->hello.spare)
		return service;
	if (!client->patience_ms)
		client->patience_ms = broker->now_ms + PATIENCE_MS;
	if (broker->now_ms < client->patience_ms) {
		lane_schedule(broker, client);
		return NULL;
	}
	if (!pair_make_room(broker, crowd, client->hole.client.addr.family))
		return NULL;
	return offer_find(crowd, client);
}

void pair_all(struct broker *broker, struct crowd *crowd)
{
	struct lane *client, *next, *service;

	for (client = TAILQ_LAST(&crowd->waiting[PEER_CLIENT], lane_list); client; client = next) {
		next = TAILQ_PREV(client, lane_list, wait_link);
		if (crowd->pairs >= crowd->stream->spec.peers || LIST_EMPTY(&broker->free_pairs))
			return;
		service = service_find(broker, crowd, client);
		if (service)
			pair_two(broker, client, service);
	}
}

/* Both may be on their direct path all the while. */
void pair_again(struct broker *broker, struct lane *a, struct lane *b)
{
	struct lane *client = a->role == PEER_CLIENT ? a : b;
	struct pair *pair = pair_make(broker, client, client == a ? b : a);

	if (!pair)
		return;
	for (unsigned int i = 0; i < 2; i++) {
		const struct peer_hello *hello = &pair->lane[i]->hello;

		pair->heard[i] = true;
		pair->said[i] = hello->progress == PEER_DIRECT && hello->round == pair->round;
		if (pair->said[i])
			pair->search = SEARCH_DIRECT;
	}
	if (kernel_pair(broker, pair) < 0)
		pair_fail(broker, pair);
}

/* The kernel has them all, or refuses. */
void pair_settled(struct broker *broker, struct pair *pair, int error)
{
	if (pair->dissolved) {
		if (pair->pending == 0)
			pair_free(broker, pair);
		return;
	}
	if (error) {
		pair_fail(broker, pair);
		return;
	}
	if (pair->committed)
		return;
	pair->committed = true;
	pair->since_ms = broker->now_ms;
	for (unsigned int i = 0; i < 2; i++) {
		struct lane *lane = pair->lane[i];

		if (!lane->claims)
			word_changed(broker, lane);
		lane->claims = false;
		pair->serial[i] = lane->serial;
	}
	broker->counts[BROKER_PAIRED]++;
	broker_tell(broker, "paired", pair, NULL);
	pair_schedule(pair);
}

void pair_fail(struct broker *broker, struct pair *pair)
{
	struct hole before = pair->before;
	struct pair gone = *pair;

	lane_end(broker, pair->lane[PEER_CLIENT], "the kernel refused the path");
	/* Of a move that was refused the kernel has the hole of before. */
	kernel_forget(broker, &gone, &before);
}

void pair_dissolve(struct broker *broker, struct pair *pair, const char *why)
{
	if (pair->committed)
		broker_tell(broker, "unpaired", pair, why);
	search_stop(broker, pair);
	kernel_unpair(broker, pair);
	if (pair->pending) /* maybe of a move, which may be refused yet */
		kernel_forget(broker, pair, &pair->before);
	for (unsigned int i = 0; i < 2; i++) {
		memset(&pair->lane[i]->round, 0, sizeof(pair->lane[i]->round));
		pair->lane[i]->pair = NULL;
		pair->lane[i] = NULL;
	}
	pair->crowd->pairs--;
	pair->crowd = NULL;
	LIST_REMOVE(pair, link);
	heap_set(&broker->heap, &pair->timer, INT64_MAX);
	pair->dissolved = true;
	if (pair->pending == 0)
		pair_free(broker, pair);
}

void pair_move(struct broker *broker, struct lane *lane, const struct hole *hole)
{
	struct pair *pair = lane->pair;
	bool moved = !addr_equal(&lane->hole.client.addr, &hole->client.addr);

	lane_set_hole(broker, lane, hole);
	lane->refreshed_ms = broker->now_ms;
	if (!pair)
		return;
	if (kernel_move(broker, pair, lane->role, hole) < 0)
		pair_fail(broker, pair);
	else if (moved)
		search_reset(broker, pair, true);
}

/* The kernel's consent begins anew; not with every hello, which may come ten times a second. */
void pair_refresh(struct broker *broker, struct lane *lane)
{
	if (!lane->pair && !(lane->claims && adopted_has_hole(broker, &lane->hole.client)))
		return;
	if (broker->now_ms - lane->refreshed_ms < broker->config.consent_ms / 4)
		return;
	lane->refreshed_ms = broker->now_ms;
	kernel_consent(broker, lane);
}

void pair_heard(struct broker *broker, struct lane *lane)
{
	struct pair *pair = lane->pair;
	const struct peer_hello *hello = &lane->hello;

	(void)broker;
	if (lane->role == PEER_SERVICE)
		pair->doubted = false;
	if (!pair->committed || pair->heard[lane->role])
		return;
	if ((int32_t)(hello->heard - pair->serial[lane->role]) >= 0 ||
		memcmp(hello->peer, pair->lane[!lane->role]->id, PEER_LANE) == 0)
		pair->heard[lane->role] = true;
}

/* A word that is new has to be heard by who is there. */
void pair_doubt(struct broker *broker, struct pair *pair)
{
	struct lane *service = pair->lane[PEER_SERVICE];
	uint32_t rtt_ms = service->hello.rtt_ms;

	if (!pair->committed || !pair->heard[PEER_SERVICE] || pair->doubted ||
		(pair->asked_ms && broker->now_ms - pair->asked_ms < DOUBT_AGAIN_MS))
		return;
	word_changed(broker, service);
	pair->doubted = true;
	pair->asked_ms = broker->now_ms;
	pair->doubt_ms = broker->now_ms + DOUBT_MS + (rtt_ms < RTT_MAX_MS ? rtt_ms : RTT_MAX_MS);
	pair_schedule(pair);
}

/*
 * Without another one that lives it would not help to part them: the service's network may be down
 * for a moment, or its NAT have forgotten it, and the pair would go on when it comes back.
 */
static bool doubt_is_proven(const struct pair *pair)
{
	const struct lane *offer = offer_find(pair->crowd, pair->lane[PEER_CLIENT]);

	return offer && offer->hello_ms >= pair->asked_ms - LONELY_MS;
}

static int64_t heard_due_ms(const struct pair *pair, enum peer_role role)
{
	uint32_t rtt_ms = pair->lane[role]->hello.rtt_ms;

	if (!pair->committed || pair->heard[role])
		return INT64_MAX;
	if (role == PEER_CLIENT)
		return pair->since_ms + CLIENT_MS;
	return pair->since_ms + SERVICE_MS + (rtt_ms < RTT_MAX_MS ? rtt_ms : RTT_MAX_MS);
}

void pair_schedule(struct pair *pair)
{
	int64_t due_ms = search_due_ms(pair);

	if (pair->doubted && pair->doubt_ms < due_ms)
		due_ms = pair->doubt_ms;
	for (unsigned int i = 0; i < 2; i++) {
		int64_t heard_ms = heard_due_ms(pair, i);

		due_ms = heard_ms < due_ms ? heard_ms : due_ms;
	}
	heap_set(&pair->broker->heap, &pair->timer, due_ms);
}

/* The offer was stale: the client gets another one, or waits again. */
static void service_is_gone(struct broker *broker, struct pair *pair)
{
	struct lane *client = pair->lane[PEER_CLIENT], *service = pair->lane[PEER_SERVICE];
	struct crowd *crowd = pair->crowd;

	broker->counts[BROKER_UNHEARD]++;
	pair_dissolve(broker, pair, "the service does not answer");
	lane_end(broker, service, "the service does not answer");
	lane_wait(client);
	word_changed(broker, client);
	pair_all(broker, crowd);
}

/*
 * One that has just begun where the service of before was: it may have been started in its place.
 * Who was there before us has heard of an earlier relayd.
 */
static bool is_replaced(const struct broker *broker, const struct lane *client)
{
	const struct lane *offer;
	struct endpoint service;

	if (!adopted_peer(broker, &client->hole, &service))
		return false;
	TAILQ_FOREACH(offer, &client->crowd->waiting[PEER_SERVICE], wait_link)
		if (offer->fresh && addr_equal(&offer->hole.client.addr, &service.addr))
			return true;
	return false;
}

void claim_heard(struct broker *broker, struct lane *lane)
{
	if (lane->role != PEER_CLIENT || !lane->hello.lonely || !is_replaced(broker, lane))
		return;
	broker->counts[BROKER_UNHEARD]++;
	lane->claims = false;
	lane_wait(lane);
	word_changed(broker, lane);
	pair_all(broker, lane->crowd);
}

void pair_tick(struct broker *broker, struct pair *pair)
{
	if (broker->now_ms >= heard_due_ms(pair, PEER_SERVICE)) {
		service_is_gone(broker, pair);
		return;
	}
	if (broker->now_ms >= heard_due_ms(pair, PEER_CLIENT)) {
		broker->counts[BROKER_UNHEARD]++;
		lane_end(broker, pair->lane[PEER_CLIENT], "the client does not answer");
		return;
	}
	if (pair->doubted && broker->now_ms >= pair->doubt_ms) {
		if (doubt_is_proven(pair)) {
			service_is_gone(broker, pair);
			return;
		}
		pair->doubt_ms = broker->now_ms + DOUBT_LOOK_MS;
	}
	search_tick(broker, pair);
	pair_schedule(pair);
}
