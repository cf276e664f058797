/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/view.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

json_t *view_endpoint(const struct endpoint *endpoint)
{
	char text[ENDPOINT_TEXT];

	if (!endpoint || endpoint->addr.family == 0)
		return json_null();
	return json_string(endpoint_format(endpoint, text));
}

json_t *view_addr(const struct addr *addr)
{
	char text[ADDR_TEXT];

	return addr->family ? json_string(addr_format(addr, text)) : json_null();
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

static void put_endpoint(struct text *out, const char *head, const struct endpoint *endpoint)
{
	char text[ENDPOINT_TEXT];

	text_put(out, head);
	if (!endpoint->addr.family) {
		text_put(out, "null");
		return;
	}
	text_put(out, "\"");
	text_put(out, endpoint_format(endpoint, text));
	text_put(out, "\"");
}

static void put_text(struct text *out, const char *head, const char *text)
{
	text_put(out, head);
	text_put(out, text);
	text_put(out, "\"");
}

static void put_number(struct text *out, const char *head, uint64_t number)
{
	text_put(out, head);
	text_put_number(out, number);
}

static void put_seconds(struct text *out, const char *head, bool known, int64_t ms)
{
	text_put(out, head);
	if (known)
		text_put_seconds(out, ms);
	else
		text_put(out, "null");
}

static void write_carried(struct text *out, const struct stream_carried *carried, int64_t now_ms)
{
	put_number(out, ",\"relayed\":{\"packets\":", carried->packets);
	put_number(out, ",\"bytes\":", carried->bytes);
	put_number(out, ",\"rate\":", carried->byte_rate);
	put_seconds(out, ",\"idle\":", carried->media_ms != 0, now_ms - carried->media_ms);
	text_put(out, "}");
}

static void write_port_brief(struct text *out, const struct config *config, const struct slot *slot,
	const struct addr *local, int64_t now_ms)
{
	struct endpoint listen = {config_public(config, local), slot->port};

	put_endpoint(out, "{\"listen\":", &listen);
	put_endpoint(out, ",\"client\":", &slot->want.client);
	put_endpoint(out, ",\"sender\":", &slot->sender);
	put_number(out, ",\"packets\":", slot->packets);
	put_number(out, ",\"rate\":", slot->byte_rate);
	put_seconds(out, ",\"idle\":", slot->media_ms != 0, now_ms - slot->media_ms);
}

/* No text in it needs an escape: they are addresses, numbers, and names of letters and digits. */
static void write_port(struct text *out, const struct config *config, const struct slot *slot,
	const struct addr *local, int64_t now_ms)
{
	/* Without a client, or before the kernel has it, there is nothing that could run out. */
	bool agreed = slot->want.client.addr.family &&
		      endpoint_equal(&slot->want.client, &slot->have.client);

	write_port_brief(out, config, slot, local, now_ms);
	put_seconds(out, ",\"consent\":", agreed,
		(int64_t)slot->consent_ms - (now_ms - slot->sampled_ms));
	put_number(out, ",\"bytes\":", slot->bytes);
	put_text(out, ",\"state\":\"", stream_state_text(slot_state(slot, now_ms)));
	text_put(out, "}");
}

static void write_ports(struct text *out, const struct config *config, const struct stream *stream,
	bool brief, int64_t now_ms)
{
	const char *comma = "";

	for (size_t i = 0; i < stream->slot_count; i++) {
		const struct slot *slot = stream->slots[i];

		for (size_t a = 0; a < config->address_count; a++) {
			if (!slot_is_at(slot, &config->addresses[a]))
				continue;
			text_put(out, comma);
			if (brief) {
				write_port_brief(out, config, slot, &config->addresses[a], now_ms);
				text_put(out, "}");
			} else {
				write_port(out, config, slot, &config->addresses[a], now_ms);
			}
			comma = ",";
		}
	}
}

/* As senders see it. */
static const char *listen_text(
	const struct config *config, const struct spec *spec, char out[static LISTEN_TEXT])
{
	struct addr public = config_public(config, &spec->at);

	return listen_format(&public, &spec->listen, out);
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
	json_t *object = json_pack("{s:o, s:o, s:b, s:b, s:s, s:o, s:o, s:o}", "client",
		view_endpoint(&pair->client), "service", view_endpoint(&pair->service), "direct",
		pair->direct, "spare", pair->spare, "plan", plan_text(pair->plan), "since",
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

static void write_pairs(
	struct text *out, const struct broker *broker, const struct stream *stream, int64_t now_ms)
{
	json_t *pairs = stream->spec.peers ? view_pairs(broker, stream, now_ms) : NULL;
	char *text = pairs ? json_dumps(pairs, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;

	text_put(out, text ? text : "[]");
	free(text);
	json_decref(pairs);
}

void view_stream_write(const struct config *config, const struct broker *broker,
	const struct stream *stream, int64_t now_ms, struct text *out)
{
	const struct spec *spec = &stream->spec;
	char source[PREFIX_TEXT], clients[PREFIX_TEXT], listen[LISTEN_TEXT];
	char quota[SPEC_QUOTA];
	bool runtime = stream->origin == STREAM_RUNTIME, pairs = broker && spec->peers;
	uint64_t packets = stream->carried.packets, bytes = stream->carried.bytes;
	uint64_t refused = 0, limited = 0, moves = 0;

	for (size_t i = 0; i < stream->slot_count; i++) {
		refused += stream->slots[i]->refused;
		limited += stream->slots[i]->limited;
		moves += stream->slots[i]->moves;
		packets += stream->slots[i]->packets;
		bytes += stream->slots[i]->bytes;
	}
	put_text(out, "{\"name\":\"", spec->name);
	put_text(out, ",\"state\":\"", stream_state_text(stream_state(stream, now_ms)));
	put_text(out, ",\"engine\":\"conntrack\",\"origin\":\"", runtime ? "runtime" : "config");
	put_text(out, ",\"source\":\"", spec_source_format(spec, source));
	put_text(out, ",\"clients\":\"",
		spec->clients.bits ? prefix_format(&spec->clients, clients) : "any");
	put_number(out, ",\"rate\":", spec->rate);
	put_text(out, ",\"quota\":\"", spec->quota ? spec_quota_format(spec, quota) : "");
	put_number(out, ",\"used\":", spec->quota ? stream->used : 0);
	put_number(out, ",\"raw_punch\":", spec->raw_punch);
	put_number(out, ",\"expires\":", (uint64_t)stream->expires);
	put_text(out, ",\"listen\":\"", listen_text(config, spec, listen));
	put_number(out, ",\"peers\":", spec->peers);
	put_number(out, ",\"refused\":", refused);
	put_number(out, ",\"limited\":", limited);
	put_number(out, ",\"moves\":", moves);
	put_number(out, ",\"packets\":", packets);
	put_number(out, ",\"bytes\":", bytes);
	write_carried(out, &stream->carried, now_ms);
	text_put(out, ",\"ports\":[");
	write_ports(out, config, stream, false, now_ms);
	put_number(out, "],\"offers\":", pairs ? broker_offers(broker, stream) : 0);
	put_number(out, ",\"turned_away\":", pairs ? broker_refused(broker, stream) : 0);
	text_put(out, ",\"pairs\":");
	write_pairs(out, broker, stream, now_ms);
	text_put(out, "}");
}

void view_stream_brief(
	const struct config *config, const struct stream *stream, int64_t now_ms, struct text *out)
{
	char listen[LISTEN_TEXT];

	put_text(out, "{\"name\":\"", stream->spec.name);
	put_text(out, ",\"state\":\"", stream_state_text(stream_state(stream, now_ms)));
	put_text(out, ",\"listen\":\"", listen_text(config, &stream->spec, listen));
	if (stream->spec.peers)
		write_carried(out, &stream->carried, now_ms);
	text_put(out, ",\"ports\":[");
	write_ports(out, config, stream, true, now_ms);
	text_put(out, "]}");
}

json_t *view_stream(const struct config *config, const struct broker *broker,
	const struct stream *stream, int64_t now_ms)
{
	struct text text = {0};
	json_t *object = NULL;
	char *written;
	size_t len;

	view_stream_write(config, broker, stream, now_ms, &text);
	written = text_take(&text, &len);
	if (written)
		object = json_loadb(written, len, 0, NULL);
	free(written);
	return object;
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

struct sorting {
	const struct stream **out;
	size_t count, room;
};

static void sort_one(const void *node, VISIT visit, void *data)
{
	struct sorting *sorting = data;

	if ((visit == postorder || visit == leaf) && sorting->count < sorting->room)
		sorting->out[sorting->count++] = *(const struct stream *const *)node;
}

/* The tree of names has them in order, without those that are on their way out. */
const struct stream **view_sorted(const struct stream_table *table, size_t *count)
{
	struct sorting sorting = {
		calloc(table->count + 1, sizeof(const struct stream *)), 0, table->count};

	if (sorting.out)
		twalk_r(table->names, sort_one, &sorting);
	*count = sorting.count;
	return sorting.out;
}
