/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/view.h"

#include <stdlib.h>
#include <string.h>

json_t *view_endpoint(const struct endpoint *endpoint)
{
	char text[ENDPOINT_TEXT];

	if (!endpoint || endpoint->addr.family == 0)
		return json_null();
	return json_string(endpoint_format(endpoint, text));
}

json_t *view_prefix(const struct prefix *prefix)
{
	char text[PREFIX_TEXT];

	return json_string(prefix->bits ? prefix_format(prefix, text) : "any");
}

static json_t *seconds(int64_t ms)
{
	return json_real(ms > 0 ? (double)ms / 1000 : 0);
}

/* Without a client, or before the kernel has it, there is nothing that could run out. */
static json_t *consent(const struct slot *slot, int64_t now_ms)
{
	if (slot->want.client.addr.family == 0 ||
		!endpoint_equal(&slot->want.client, &slot->have.client))
		return json_null();
	return seconds((int64_t)slot->consent_ms - (now_ms - slot->sampled_ms));
}

static json_t *view_port(const struct config *config, const struct slot *slot,
	const struct addr *local, int64_t now_ms)
{
	struct endpoint listen = {config_public(config, local), slot->port};

	return json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:o, s:s}", "listen",
		view_endpoint(&listen), "client", view_endpoint(&slot->want.client), "sender",
		view_endpoint(&slot->sender), "consent", consent(slot, now_ms), "packets",
		(json_int_t)slot->packets, "bytes", (json_int_t)slot->bytes, "rate",
		(json_int_t)slot->byte_rate, "idle",
		slot->media_ms ? seconds(now_ms - slot->media_ms) : json_null(), "state",
		stream_state_text(slot_state(slot, now_ms)));
}

static json_t *view_ports(const struct config *config, const struct stream *stream, int64_t now_ms)
{
	json_t *ports = json_array();

	for (size_t i = 0; i < stream->slot_count; i++) {
		const struct slot *slot = &stream->slots[i];

		for (size_t a = 0; a < config->address_count; a++) {
			const struct addr *local = &config->addresses[a];

			if (local->family != slot->family)
				continue;
			if (json_array_append_new(ports, view_port(config, slot, local, now_ms)))
				goto fail;
		}
	}
	return ports;
fail:
	json_decref(ports);
	return NULL;
}

static json_t *view_nat(const struct nat_report *nat)
{
	return json_pack("{s:s, s:s, s:s}", "mapping", nat_mapping_text(nat->mapping), "filtering",
		nat_filtering_text(nat->filtering), "allocation",
		nat_allocation_text(nat->ports.allocation));
}

/* What the callback of broker_each needs. */
struct pairs {
	json_t *array;
	int64_t now_ms;
};

static void view_pair(void *data, const struct broker_pair *pair)
{
	const struct pairs *pairs = data;
	json_t *object = json_pack("{s:o, s:o, s:b, s:s, s:o, s:o, s:o}", "client",
		view_endpoint(&pair->client), "service", view_endpoint(&pair->service), "direct",
		pair->direct, "plan", plan_text(pair->plan), "since",
		seconds(pairs->now_ms - pair->since_ms), "client_nat", view_nat(&pair->client_nat),
		"service_nat", view_nat(&pair->service_nat));

	json_array_append_new(pairs->array, object);
}

static json_t *view_pairs(const struct broker *broker, const struct stream *stream, int64_t now_ms)
{
	struct pairs pairs = {json_array(), now_ms};

	if (broker && pairs.array)
		broker_each(broker, stream, view_pair, &pairs);
	return pairs.array;
}

json_t *view_stream(const struct config *config, const struct broker *broker,
	const struct stream *stream, int64_t now_ms)
{
	const struct spec *spec = &stream->spec;
	char source[PREFIX_TEXT], listen[PORTS_TEXT];
	uint64_t refused = 0, moves = 0;

	for (size_t i = 0; i < stream->slot_count; i++) {
		refused += stream->slots[i].refused;
		moves += stream->slots[i].moves;
	}
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:I, s:i, s:I, s:s, s:i, s:I, s:I, s:o, "
			 "s:i, s:I, s:o}",
		"name", spec->name, "state", stream_state_text(stream_state(stream, now_ms)),
		"engine", "conntrack", "origin",
		stream->origin == STREAM_CONFIG ? "config" : "runtime", "source",
		spec_source_format(spec, source), "clients", view_prefix(&spec->clients), "rate",
		(json_int_t)spec->rate, "raw_punch", (int)spec->raw_punch, "expires",
		(json_int_t)stream->expires, "listen", ports_format(&spec->listen, listen), "peers",
		(int)spec->peers, "refused", (json_int_t)refused, "moves", (json_int_t)moves,
		"ports", view_ports(config, stream, now_ms), "offers",
		broker ? (int)broker_offers(broker, stream) : 0, "turned_away",
		(json_int_t)(broker ? broker_refused(broker, stream) : 0), "pairs",
		view_pairs(broker, stream, now_ms));
}

json_t *view_troubles(const struct troubles *troubles, int64_t now_ms)
{
	json_t *array = json_array();

	for (int i = 0; i < TROUBLE_KINDS; i++) {
		const struct trouble *trouble = &troubles->list[i];

		if (trouble->now)
			json_array_append_new(array,
				json_pack("{s:s, s:s, s:o, s:I}", "trouble",
					trouble_name((enum trouble_kind)i), "text", trouble->text,
					"since", seconds(now_ms - trouble->since_ms), "count",
					(json_int_t)trouble->count));
	}
	return array;
}

json_t *view_event(const struct control_event *event, int64_t time)
{
	json_t *object = json_pack("{s:f, s:s, s:s*, s:s*}", "time", (double)time / 1000, "event",
		event->event, "name", event->name, "text", event->text);
	const struct {
		const char *name;
		const struct endpoint *endpoint;
	} ends[] = {
		{"listen", event->listen}, {"client", event->client}, {"sender", event->sender}};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		if (ends[i].endpoint && ends[i].endpoint->addr.family)
			json_object_set_new(object, ends[i].name, view_endpoint(ends[i].endpoint));
	}
	return object;
}

json_t *view_relays(const struct config *config)
{
	json_t *relays = json_array();

	for (size_t i = 0; i < config->address_count; i++) {
		struct endpoint relay = {
			config_public(config, &config->addresses[i]), config->punch};

		json_array_append_new(relays, view_endpoint(&relay));
	}
	return relays;
}

static int compare_names(const void *a, const void *b)
{
	const struct stream *const *x = a, *const *y = b;

	return strcmp((*x)->spec.name, (*y)->spec.name);
}

const struct stream **view_sorted(const struct stream_table *table, size_t *count)
{
	const struct stream **sorted = calloc(table->count + 1, sizeof(const struct stream *));
	const struct stream *stream;

	*count = 0;
	if (!sorted)
		return NULL;
	LIST_FOREACH(stream, &table->streams, link) {
		if (!stream->gone && *count < table->count)
			sorted[(*count)++] = stream;
	}
	qsort(sorted, *count, sizeof(const struct stream *), compare_names);
	return sorted;
}
