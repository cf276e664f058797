/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/sampler.h"

#include "relayd/net_trouble.h"
#include "relayd/quota.h"
#include "relayd/sender.h"

#define SPOTS 256 /* at a time: a millisecond or two */
/* A round each second, or for a tenth of the time when it takes long. */
#define SHARE 10
#define MANY  4096

static bool is_first(const struct net *net, const struct slot *slot, const struct addr *addr)
{
	size_t i = 0;

	while (i < net->config->address_count && !slot_is_at(slot, &net->config->addresses[i]))
		i++;
	return i < net->config->address_count && addr_equal(&net->config->addresses[i], addr);
}

/* After a start, a reload or somebody else's change the kernel may have another one. */
static void keep_max_rate(struct net *net, const struct rules_health *health)
{
	const struct rules_op op = {.kind = RULES_MAX_RATE, .rate = net->config->max_rate};

	net_trouble_cut(net, health->cut);
	if (health->max_rate != op.rate)
		sync_batch(&net->sync, &op, 1, NULL, NULL);
}

static void take(struct net *net, const struct ipc_record *record)
{
	const struct rules_client *client = &record->client;
	struct slot *slot;

	if (record->kind == IPC_LISTENING) {
		slot = slot_by_listen(&net->table, &record->listening.listen);
		if (!slot)
			return;
		/* The counters of its addresses come in their order. */
		if (is_first(net, slot, &record->listening.listen.addr))
			slot->refused = slot->limited = 0;
		slot->refused += record->listening.refused_packets;
		if (slot->stream->spec.rate)
			slot->limited += record->listening.limited_packets;
	} else if (record->kind == IPC_HEALTH) {
		net_trouble_health(net, &record->health);
		keep_max_rate(net, &record->health);
	} else if (record->kind == IPC_CLIENT) {
		slot = slot_by_client(&net->table, &client->client);
		if (!slot) {
			broker_sample(net->broker, client, net_now(net));
			return;
		}
		slot->consent_ms = client->consent_ms;
		slot_sample(&net->table, slot, client->packets, client->bytes, net_now(net));
		sender_heard(&net->table, slot, net_now(net));
		quota_check(&net->table, slot->stream);
	}
}

/* What is seen by others is never forgotten. */
static void store(struct net *net)
{
	char error[REGISTRY_ERROR];
	int stored = quota_store(&net->table, net->registry, error);

	if (stored)
		net_trouble_database(net, stored < 0 ? stored : 0, error);
}

void sampler_take(void *data, const struct sync_snapshot *snapshot)
{
	struct net *net = data;

	uv_update_time(&net->loop);
	for (size_t i = 0; i < snapshot->count; i++)
		take(net, &snapshot->records[i]);
	store(net);
}

/* The spots of one slot, as many as the relay has addresses for it. */
static size_t add_slot(
	const struct net *net, const struct slot *slot, struct rules_spot *spots, size_t count)
{
	for (size_t i = 0; i < net->config->address_count; i++) {
		const struct addr *local = &net->config->addresses[i];

		if (!slot_is_at(slot, local))
			continue;
		spots[count++] = (struct rules_spot){.listen = {*local, slot->port},
			.client = slot->have.client,
			.rated = slot->stream->spec.rate != 0};
	}
	return count;
}

static void next(void *data, int error);

/* As many streams as fit; a stream has at most PORTS_MAX ports of two families. Then peers. */
static bool ask(struct net *net)
{
	struct rules_spot spots[RULES_OPS_MAX];
	size_t count = 0;

	while (net->table.cursor && count < SPOTS) {
		const struct stream *stream = net->table.cursor;
		size_t room = stream->slot_count * net->config->address_count;

		if (count && count + room > RULES_OPS_MAX)
			break;
		for (size_t i = 0; i < stream->slot_count && room <= RULES_OPS_MAX; i++)
			count = add_slot(net, stream->slots[i], spots, count);
		net->table.cursor = LIST_NEXT(stream, link);
	}
	if (!net->table.cursor && count < SPOTS)
		count += broker_spots(net->broker, &net->sample_lane, spots + count, SPOTS - count);
	return count && !sync_sample(&net->sync, spots, count, next, net);
}

static void next(void *data, int error)
{
	struct net *net = data;
	int64_t now;

	if (error)
		net_trouble_read(net, error);
	else if (ask(net))
		return;
	uv_update_time(&net->loop);
	now = net_now(net);
	net->sampling = false;
	net->table.cursor = NULL;
	net->sample_ms = now + (now - net->sample_ms) * SHARE;
}

/* Of what peers of a stream had since the round before, whoever they were. */
static void carried_rate(struct stream_carried *carried, int64_t now_ms)
{
	int64_t span = now_ms - carried->rated_ms;

	if (span <= 0)
		return;
	carried->byte_rate = (carried->bytes - carried->rated_bytes) * 1000 / (uint64_t)span;
	carried->rated_bytes = carried->bytes;
	carried->rated_ms = now_ms;
}

void sampler_tick(struct net *net)
{
	struct stream *stream;
	int64_t now = net_now(net);

	if (net->sampling || now < net->sample_ms || net->sync.held)
		return;
	LIST_FOREACH(stream, &net->table.streams, link)
		carried_rate(&stream->carried, now);
	net->sample_ms = now;
	net->sample_lane = 0;
	net->table.cursor = LIST_FIRST(&net->table.streams);
	net->sampling = ask(net);
}

bool sampler_is_enough(const struct net *net)
{
	return net->table.count > MANY;
}
