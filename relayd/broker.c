/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/broker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/mac.h"
#include "relayd/broker_inner.h"

int broker_open(const struct broker_config *config, struct broker **out)
{
	struct broker *broker = calloc(1, sizeof(*broker));

	if (!broker)
		return -ENOMEM;
	broker->config = *config;
	broker->started_ms = -1;
	mac_random(&broker->seed, sizeof(broker->seed));
	mac_random(&broker->life, sizeof(broker->life));
	broker->life = BROKER_LIFE_MIN + broker->life % BROKER_LIFE_MIN;
	mac_random(&broker->memory.seed, sizeof(broker->memory.seed));
	TAILQ_INIT(&broker->closed);
	TAILQ_INIT(&broker->queue);
	broker->lanes = calloc(BROKER_LANES, sizeof(*broker->lanes));
	broker->pairs = calloc(BROKER_PAIRS, sizeof(*broker->pairs));
	if (!broker->lanes || !broker->pairs ||
		heap_init(&broker->heap, BROKER_LANES + BROKER_PAIRS) < 0) {
		broker_close(broker);
		return -ENOMEM;
	}
	for (size_t i = BROKER_LANES; i-- > 0;)
		LIST_INSERT_HEAD(&broker->free_lanes, &broker->lanes[i], free_link);
	for (size_t i = BROKER_PAIRS; i-- > 0;)
		LIST_INSERT_HEAD(&broker->free_pairs, &broker->pairs[i], link);
	*out = broker;
	return 0;
}

void broker_close(struct broker *broker)
{
	struct adopted *adopted;
	struct crowd *crowd;

	while ((adopted = LIST_FIRST(&broker->adopted))) {
		LIST_REMOVE(adopted, link);
		free(adopted);
	}
	for (size_t i = 0; i < BROKER_BUCKETS; i++) {
		while ((crowd = LIST_FIRST(&broker->crowds[i]))) {
			LIST_REMOVE(crowd, link);
			free(crowd);
		}
	}
	if (broker->lanes)
		mac_wipe(broker->lanes, BROKER_LANES * sizeof(*broker->lanes));
	heap_fini(&broker->heap);
	free(broker->lanes);
	free(broker->pairs);
	free(broker);
}

void broker_set_time(struct broker *broker, int64_t now_ms)
{
	broker->now_ms = now_ms;
	if (broker->started_ms < 0)
		broker->started_ms = now_ms;
}

void broker_tell(
	const struct broker *broker, const char *what, const struct pair *pair, const char *text)
{
	const struct broker_config *config = &broker->config;

	if (config->event)
		config->event(config->arg, what, pair->crowd->stream,
			&pair->lane[PEER_CLIENT]->hole.client, text);
}

/* What waits is let go on, as long as that lets something go on. */
static void broker_settle(struct broker *broker)
{
	while (broker->rescan) {
		broker->rescan = false;
		search_queue(broker);
	}
}

void broker_tick(struct broker *broker, int64_t now_ms)
{
	struct broker_timer *timer;

	broker_set_time(broker, now_ms);
	while ((timer = heap_first(&broker->heap)) && timer->due_ms <= now_ms) {
		if (timer->is_pair)
			pair_tick(broker, (struct pair *)timer);
		else
			lane_due(broker, (struct lane *)timer);
	}
	broker_settle(broker);
	if (now_ms >= broker->started_ms + broker->config.consent_ms)
		adopted_expire(broker);
}

int64_t broker_deadline(const struct broker *broker)
{
	const struct broker_timer *first = heap_first(&broker->heap);
	int64_t due_ms = first ? first->due_ms : INT64_MAX;
	int64_t adopted_ms = broker->started_ms + broker->config.consent_ms;

	if (broker->rescan)
		return broker->now_ms;
	if (!LIST_EMPTY(&broker->adopted) && adopted_ms < due_ms)
		due_ms = adopted_ms;
	return due_ms;
}

static void crowd_close(struct broker *broker, struct crowd *crowd, const char *why)
{
	for (size_t i = 0; i < BROKER_LANES && crowd->lanes > 0; i++) {
		struct lane *lane = &broker->lanes[i];

		if (lane->crowd == crowd && !lane->closed)
			lane_end(broker, lane, why);
	}
}

/* Who was closed is still told so, with the key that it knows. */
void broker_forget(struct broker *broker, const struct stream *stream)
{
	struct crowd *crowd = crowd_find(broker, stream);

	if (!crowd)
		return;
	crowd_close(broker, crowd, "the stream has changed");
	for (size_t i = 0; i < BROKER_LANES; i++)
		if (broker->lanes[i].crowd == crowd)
			broker->lanes[i].crowd = NULL;
	LIST_REMOVE(crowd, link);
	free(crowd);
}

bool broker_has_hole(const struct broker *broker, const struct endpoint *client)
{
	return lane_by_client(broker, client) || adopted_has_hole(broker, client);
}

void broker_each(const struct broker *broker, const struct stream *stream,
	void (*call)(void *data, const struct broker_pair *pair), void *data)
{
	const struct crowd *crowd = crowd_find(broker, stream);
	const struct pair *pair;

	if (!crowd)
		return;
	LIST_FOREACH(pair, &crowd->paired, link) {
		const struct lane *client = pair->lane[PEER_CLIENT];
		const struct lane *service = pair->lane[PEER_SERVICE];
		const struct broker_pair out = {
			.stream = stream,
			.client = client->hole.client,
			.service = service->hole.client,
			.since_ms = pair->since_ms,
			.direct = pair->search == SEARCH_DIRECT,
			.spare = client->hello.spare,
			.plan = pair->plan,
			.client_nat = client->hello.nat,
			.service_nat = service->hello.nat,
		};

		if (pair->committed)
			call(data, &out);
	}
}

size_t broker_pairs(const struct broker *broker)
{
	size_t pairs = (broker->adopted_count + 1) / 2; /* two directions each */
	const struct crowd *crowd;

	for (size_t i = 0; i < BROKER_BUCKETS; i++)
		LIST_FOREACH(crowd, &broker->crowds[i], link)
			pairs += crowd->pairs;
	return pairs;
}

uint64_t broker_counter(const struct broker *broker, enum broker_count count)
{
	return broker->counts[count];
}

const char *broker_count_text(enum broker_count count)
{
	static const char *const text[BROKER_COUNTS] = {
		[BROKER_PAIRED] = "paired",
		[BROKER_DIRECT] = "direct",
		[BROKER_FAILED] = "failed",
		[BROKER_HOPELESS] = "hopeless",
		[BROKER_CROWDED] = "crowded",
		[BROKER_DRAINING] = "draining",
		[BROKER_HASTY] = "hasty",
		[BROKER_FULL] = "full",
		[BROKER_FOREIGN] = "foreign",
		[BROKER_UNSERVED] = "unserved",
		[BROKER_UNHEARD] = "unheard",
	};

	return text[count];
}

unsigned int broker_offers(const struct broker *broker, const struct stream *stream)
{
	const struct crowd *crowd = crowd_find(broker, stream);

	return crowd ? crowd->offers : 0;
}

uint64_t broker_refused(const struct broker *broker, const struct stream *stream)
{
	const struct crowd *crowd = crowd_find(broker, stream);

	return crowd ? crowd->refused : 0;
}

uint64_t broker_sequence(const struct broker *broker, const struct broker_hello *hello)
{
	const struct lane *found = lane_find(broker, hello->hello->lane);
	bool may = found &&
		   (hole_equal(&found->hole, &hello->hole) || found->sequence == hello->sequence);

	return may ? found->sequence : 0;
}
