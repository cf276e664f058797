/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/explain_gather.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "relayd/loop.h"

/* Who stands for a sender and a client that nobody knows yet (RFC 5737, RFC 3849). */
#define MADE_UP_SENDER4                                                                            \
	{                                                                                          \
		{AF_INET, {198, 51, 100, 1}}, 9                                                    \
	}
#define MADE_UP_CLIENT4                                                                            \
	{                                                                                          \
		{AF_INET, {192, 0, 2, 1}}, 9                                                       \
	}
#define MADE_UP_SENDER6                                                                            \
	{                                                                                          \
		{AF_INET6, {0x20, 0x01, 0x0d, 0xb8, 0, 1, [15] = 1}}, 9                            \
	}
#define MADE_UP_CLIENT6                                                                            \
	{                                                                                          \
		{AF_INET6, {0x20, 0x01, 0x0d, 0xb8, 0, 2, [15] = 1}}, 9                            \
	}

static struct endpoint made_up(uint8_t family, bool client)
{
	static const struct endpoint endpoints[2][2] = {
		{MADE_UP_SENDER4, MADE_UP_CLIENT4}, {MADE_UP_SENDER6, MADE_UP_CLIENT6}};

	return endpoints[family == AF_INET6][client];
}

static struct explain_path *path_add(struct gather *gather)
{
	struct explain_path *path;

	if (gather->count == EXPLAIN_PATHS) {
		gather->left_out++;
		return NULL;
	}
	path = &gather->paths[gather->count++];
	memset(path, 0, sizeof *path);
	path->sender_ms = path->media_ms = path->punched_ms = -1;
	return path;
}

static int64_t ago(int64_t then_ms, int64_t now_ms)
{
	return then_ms ? now_ms - then_ms : -1;
}

/* Somebody from where `source` allows. */
static struct endpoint allowed_sender(const struct slot *slot)
{
	struct prefix source = slot_source(slot);
	struct endpoint sender = made_up(slot->family, false);

	if (source.bits && source.addr.family == slot->family)
		sender.addr = source.addr;
	return sender;
}

static void set_sender(struct explain_path *path, const struct slot *slot,
	const struct gather_wish *wish, int64_t now_ms)
{
	const struct endpoint *last = &slot->sender;

	/* A stranger who came after the last media is why somebody asks. */
	if (slot->refused_sender.addr.family && slot->refused_ms > slot->media_ms)
		last = &slot->refused_sender;
	path->seen = last->addr.family != 0;
	path->sender = path->seen ? *last : allowed_sender(slot);
	if (wish->sender.addr.family) {
		path->given = true;
		path->seen = endpoint_equal(&wish->sender, &slot->sender) ||
			     endpoint_equal(&wish->sender, &slot->refused_sender);
		path->sender = wish->sender;
	}
	if (endpoint_equal(&path->sender, &slot->sender)) {
		path->sender_ms = ago(slot->handed_ms, now_ms);
		path->media_ms = ago(slot->media_ms, now_ms);
	}
}

static void set_stream(struct explain_path *path, const struct stream *stream)
{
	strcpy(path->name, stream->spec.name);
	path->number = stream->number;
	path->allowed = stream->spec.source;
	path->source = stream->spec.prefix;
	path->rate = stream->spec.rate;
	path->spent = stream_is_spent(stream);
	path->used = stream->used;
	if (stream->spec.quota)
		spec_quota_format(&stream->spec, path->quota);
}

static void set_slot(struct explain_path *path, const struct slot *slot, int64_t now_ms)
{
	const struct stream *stream = slot->stream;

	set_stream(path, stream);
	if (stream->spec.source == SPEC_FIRST)
		path->lock = stream->lock;
	path->lock_ms = ago(stream->lock_ms, now_ms);
	path->holder = slot->holder;
	path->refused = slot->refused;
	path->refused_sender = slot->refused_sender;
	path->punched = slot->want.client.addr.family != 0;
	path->client = path->punched ? slot->want.client : made_up(slot->family, true);
	path->punch = slot->want.punch;
	path->raw = slot->raw;
	path->stale = slot->stale;
	path->punched_ms = ago(slot->punched_ms, now_ms);
	path->moves = slot->moves;
	if (loop_is_known(slot, &slot->loop, now_ms))
		path->loop = slot->loop;
}

static void take_record(struct explain_path *path, const struct ipc_record *record)
{
	switch (record->kind) {
	case IPC_LISTENING:
		if (path->pair || !endpoint_equal(&record->listening.listen, &path->listen))
			break;
		path->listens = true;
		path->listen_source = record->listening.source;
		break;
	case IPC_INGRESS:
		if (!path->pair && endpoint_equal(&record->ingress.listen, &path->listen))
			path->ingress = record->ingress.client;
		break;
	case IPC_CLIENT:
		if (!endpoint_equal(&record->client.client, &path->client))
			break;
		path->consents = true;
		path->egress = record->client.punch;
		path->consent_ms = record->client.consent_ms;
		path->packets = record->client.packets;
		path->bytes = record->client.bytes;
		break;
	case IPC_PEER:
		if (!path->pair || !endpoint_equal(&record->peer.client, &path->sender) ||
			!endpoint_equal(&record->peer.peer, &path->client))
			break;
		path->listen = path->public = record->peer.punch;
		path->ingress = record->peer.peer;
		break;
	case IPC_FLOW:
	case IPC_PUNCH:
	case IPC_TORN:
	case IPC_HEALTH:
	case IPC_AGAIN:
	case IPC_PART:
		break;
	}
}

static bool port_has_hole(const struct stream *stream, const struct slot *slot)
{
	for (size_t i = 0; i < stream->slot_count; i++)
		if (stream->slots[i]->port == slot->port &&
			stream->slots[i]->want.client.addr.family)
			return true;
	return false;
}

/* Of a port that was punched for, the family that nobody uses is of no interest. */
static bool is_wanted(const struct slot *slot, const struct gather_wish *wish)
{
	if (wish->port && slot->port != wish->port)
		return false;
	if (wish->sender.addr.family)
		return slot->family == wish->sender.addr.family;
	return slot->want.client.addr.family || slot->refused_sender.addr.family ||
	       !port_has_hole(slot->stream, slot);
}

static void add_slot(struct gather *gather, const struct net *net, const struct slot *slot,
	const struct gather_wish *wish)
{
	const struct config *config = net->config;

	for (size_t i = 0; i < config->address_count; i++) {
		const struct addr *local = &config->addresses[i];
		struct explain_path *path;

		if (!slot_is_at(slot, local))
			continue;
		path = path_add(gather);
		if (!path)
			continue;
		set_slot(path, slot, net_now(net));
		set_sender(path, slot, wish, net_now(net));
		path->listen = (struct endpoint){*local, slot->port};
		path->public = (struct endpoint){config_public(config, local), slot->port};
		path->punch_at =
			path->punched ? slot->want.punch : (struct endpoint){*local, config->punch};
	}
}

/* What add_pair needs. */
struct pairing {
	struct gather *gather;
	const struct stream *stream;
};

static void add_direction(const struct pairing *pairing, const struct broker_pair *pair, bool back)
{
	struct explain_path *path = path_add(pairing->gather);

	if (!path)
		return;
	set_stream(path, pairing->stream);
	path->pair = path->seen = path->punched = true;
	path->direct = pair->direct;
	path->sender = back ? pair->service : pair->client;
	path->client = back ? pair->client : pair->service;
}

static void add_pair(void *data, const struct broker_pair *pair)
{
	add_direction(data, pair, false);
	add_direction(data, pair, true);
}

void gather_stream(struct gather *gather, const struct net *net, const struct stream *stream,
	const struct gather_wish *wish, const struct sync_snapshot *snapshot)
{
	const struct trouble *full = &net->troubles.list[TROUBLE_FLOWS];
	struct pairing pairing = {gather, stream};

	gather->count = gather->left_out = 0;
	for (size_t i = 0; i < stream->slot_count; i++)
		if (is_wanted(stream->slots[i], wish))
			add_slot(gather, net, stream->slots[i], wish);
	if (net->broker && stream->spec.peers && !wish->port)
		broker_each(net->broker, stream, add_pair, &pairing);
	for (size_t p = 0; p < gather->count && full->now; p++)
		gather->paths[p].full = full->text;
	for (size_t i = 0; i < snapshot->count; i++)
		for (size_t p = 0; p < gather->count; p++)
			take_record(&gather->paths[p], &snapshot->records[i]);
}

void gather_host(struct gather *gather, const struct net *net)
{
	const struct config *config = net->config;
	const struct stream *stream;
	uint16_t port = 0;

	LIST_FOREACH(stream, &net->table.streams, link)
		if (!port && stream->slot_count)
			port = stream->slots[0]->port;
	gather->count = gather->left_out = 0;
	for (size_t i = 0; i < config->address_count; i++) {
		struct explain_path *path = path_add(gather);
		const struct addr *local = &config->addresses[i];

		if (!path)
			continue;
		path->listen = (struct endpoint){*local, port ? port : 9099};
		path->public = (struct endpoint){config_public(config, local), path->listen.port};
		path->punch_at = path->punch = (struct endpoint){*local, config->punch};
		path->sender = made_up(local->family, false);
		path->client = made_up(local->family, true);
	}
}

/* The packet of one way. */
static void make_packet(
	const struct explain_path *path, enum foreign_way way, struct foreign_packet *out)
{
	const struct path_route *route = &path->route.route, *back = &path->back.route;
	const struct endpoint *hole = path->punch.addr.family	 ? &path->punch
				      : path->egress.addr.family ? &path->egress
								 : &path->punch_at;

	memset(out, 0, sizeof *out);
	out->way = way;
	out->mark = RULES_MARK | path->number;
	out->first = way == FOREIGN_MEDIA && !path->flow.found;
	if (way == FOREIGN_MEDIA || way == FOREIGN_PUNCH) {
		memcpy(out->in, way == FOREIGN_MEDIA ? route->in : back->in, sizeof out->in);
		memcpy(out->out, route->out, sizeof out->out);
	} else {
		memcpy(out->in, back->in, sizeof out->in);
		memcpy(out->out, way == FOREIGN_REPLY ? back->out : route->out, sizeof out->out);
	}
	switch (way) {
	case FOREIGN_MEDIA:
		out->source = path->sender;
		out->dest = path->listen;
		out->to = path->client;
		out->from = *hole;
		break;
	case FOREIGN_REPLY:
		out->source = path->client;
		out->dest = *hole;
		out->to = path->sender;
		out->from = path->listen;
		break;
	case FOREIGN_PUNCH:
		out->source = path->client;
		out->dest = *hole;
		out->out[0] = '\0';
		break;
	case FOREIGN_ANSWER:
		out->source = *hole;
		out->dest = path->client;
		out->in[0] = '\0';
		break;
	}
	/* Unused bytes behind a name would be no message. */
	if (!out->in[0])
		memset(out->in, 0, sizeof out->in);
	if (!out->out[0])
		memset(out->out, 0, sizeof out->out);
}

/* false: nothing is to be asked here. */
static bool make_ask(const struct gather *gather, enum gather_stage stage, struct ipc_ask *ask)
{
	const struct explain_path *path = &gather->paths[gather->path];

	memset(ask, 0, sizeof *ask);
	ask->source = path->sender;
	ask->dest = path->listen;
	if (stage == GATHER_TRACE) {
		ask->kind = IPC_ASK_TRACE;
		ask->any = !path->seen && !path->given;
		return gather->trace && gather->path == 0 && path->listen.addr.family;
	}
	if (stage == GATHER_MARKED) {
		ask->kind = IPC_ASK_ROUTE;
		ask->dest = path->client;
		ask->mark = path->mark;
		ask->resolve = path->punched && !gather->again;
		return path->mark;
	}
	if (stage >= GATHER_MEDIA) {
		ask->kind = IPC_ASK_WALK;
		if (!path->listen.addr.family)
			return false;
		if (path->pair && stage != GATHER_MEDIA)
			return false;
		make_packet(path, (enum foreign_way)(stage - GATHER_MEDIA), &ask->packet);
		return true;
	}
	ask->kind = stage <= GATHER_BACK ? IPC_ASK_ROUTE : IPC_ASK_FLOW;
	ask->resolve = stage == GATHER_ROUTE && path->punched && !gather->again;
	ask->source = stage == GATHER_BACK || stage == GATHER_HOLE ? path->client : path->sender;
	switch (stage) {
	case GATHER_ROUTE:
		ask->dest = path->client;
		break;
	case GATHER_BACK:
		ask->dest = path->sender;
		break;
	case GATHER_FLOW:
		ask->dest = path->listen;
		return (path->seen || path->given) && path->listen.addr.family;
	case GATHER_HOLE:
		ask->dest = path->punch.addr.family ? path->punch : path->egress;
		return path->punched && ask->dest.addr.family;
	case GATHER_MEDIA:
	case GATHER_REPLY:
	case GATHER_PUNCH:
	case GATHER_ANSWER:
	case GATHER_MARKED:
	case GATHER_TRACE:
	case GATHER_STAGES:
		break;
	}
	return true;
}

static void take_chains(
	struct explain_walk *walk, int error, const struct ipc_fact *facts, size_t count)
{
	walk->asked = true;
	walk->error = error;
	walk->chains = calloc(count ? count : 1, sizeof *walk->chains);
	if (!walk->chains) {
		walk->error = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < count; i++)
		if (facts[i].kind == IPC_CHAIN)
			walk->chains[walk->count++] = facts[i].chain;
}

static void take_trace(
	struct explain_trace *trace, int error, const struct ipc_fact *facts, size_t count)
{
	trace->asked = true;
	trace->error = error;
	trace->events = calloc(count ? count : 1, sizeof *trace->events);
	if (!trace->events) {
		trace->error = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < count; i++)
		if (facts[i].kind == IPC_TRACE)
			trace->events[trace->count++] = facts[i].trace;
}

/* The mark with which the packet is routed. */
static uint32_t mark_behind(const struct explain_walk *walk)
{
	uint32_t mark = 0;

	for (size_t i = 0; i < walk->count; i++)
		if (!strcmp(walk->chains[i].hook, "prerouting"))
			mark = walk->chains[i].mark;
	return mark;
}

static void take_facts(struct explain_path *path, enum gather_stage stage, int error,
	const struct ipc_fact *facts, size_t count)
{
	struct explain_route *route = stage == GATHER_BACK ? &path->back : &path->route;
	struct explain_entry *entry = stage == GATHER_FLOW ? &path->flow : &path->hole;

	if (stage == GATHER_TRACE) {
		take_trace(&path->trace, error, facts, count);
	} else if (stage >= GATHER_MEDIA && stage != GATHER_MARKED) {
		take_chains(&path->walks[stage - GATHER_MEDIA], error, facts, count);
		if (stage == GATHER_MEDIA)
			path->mark = mark_behind(&path->walks[FOREIGN_MEDIA]);
	} else if ((stage <= GATHER_BACK || stage == GATHER_MARKED) && count &&
		   facts->kind == IPC_ROUTE) {
		route->known = true;
		route->route = facts->route;
	} else if (stage == GATHER_FLOW || stage == GATHER_HOLE) {
		entry->asked = true;
		entry->found = count && facts->kind == IPC_ENTRY;
		if (entry->found)
			entry->flow = facts->entry;
	}
}

static void gather_next(struct gather *gather);

static void answered(void *data, int error, const struct ipc_fact *facts, size_t count)
{
	struct gather *gather = data;

	take_facts(&gather->paths[gather->path], (enum gather_stage)gather->stage, error, facts,
		count);
	gather->stage++;
	gather_next(gather);
}

static void gather_next(struct gather *gather)
{
	struct ipc_ask question;

	for (; gather->path < gather->count; gather->path++, gather->stage = 0)
		for (; gather->stage < GATHER_STAGES; gather->stage++)
			if (make_ask(gather, (enum gather_stage)gather->stage, &question) &&
				!ask_kernel(gather->asker, &question, answered, gather))
				return;
	gather->done(gather->data);
}

void gather_start(struct gather *gather)
{
	gather->path = 0;
	gather->stage = 0;
	gather_next(gather);
}

void gather_cancel(struct gather *gather)
{
	ask_forget(gather->asker, gather);
}

void gather_fini(struct gather *gather)
{
	for (size_t i = 0; i < gather->count; i++)
		explain_fini(&gather->paths[i]);
	gather->count = 0;
}
