/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "relayd/net.h"
#include "relayd/view.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

/* What a metric is; unit may be NULL, and is then not in the name either. */
struct family {
	const char *name, *type, *unit, *help;
};

static void family_write(FILE *out, const struct family *family)
{
	fprintf(out, "# TYPE %s %s\n", family->name, family->type);
	if (family->unit)
		fprintf(out, "# UNIT %s %s\n", family->name, family->unit);
	fprintf(out, "# HELP %s %s\n", family->name, family->help);
}

static const char *family_suffix(const struct family *family)
{
	return family->type[0] == 'c' ? "_total" : "";
}

static void label_write(FILE *out, const char *value)
{
	for (; *value; value++) {
		if (*value == '\n')
			fputs("\\n", out);
		else if (*value == '\\' || *value == '"')
			fprintf(out, "\\%c", *value);
		else
			fputc(*value, out);
	}
}

static void sample_begin(
	FILE *out, const struct family *family, const char *label, const char *value)
{
	fprintf(out, "%s%s{%s=\"", family->name, family_suffix(family), label);
	label_write(out, value);
	fputs("\"} ", out);
}

static void build_write(FILE *out)
{
	static const struct family build = {"relayd_build", "info", NULL, "Which relayd this is."};

	family_write(out, &build);
	fputs("relayd_build_info{version=\"", out);
	label_write(out, PACKAGE_VERSION);
	fputs("\"} 1\n", out);
}

/* How the others see the relay; an address of which nobody says so has none. */
static void seen_write(FILE *out, const struct net *net)
{
	static const struct family seen = {
		"relayd_seen", "info", NULL, "As what an address of the relay is seen."};
	char local[ADDR_TEXT], public[ADDR_TEXT];

	family_write(out, &seen);
	for (size_t i = 0; i < net->discover.count; i++) {
		const struct discover_address *address = &net->discover.list[i];
		struct addr as = discover_seen(address);

		if (as.family)
			fprintf(out, "relayd_seen_info{address=\"%s\",seen=\"%s\",by=\"%s\"} 1\n",
				addr_format(&address->local, local), addr_format(&as, public),
				discover_by(address));
	}
}

static void streams_write(FILE *out, const struct net *net)
{
	static const struct family streams = {"relayd_streams", "gauge", NULL, "Streams by state."};
	static const enum stream_state states[] = {
		STREAM_WAITING, STREAM_READY, STREAM_LIVE, STREAM_STALE, STREAM_SPENT};
	uint64_t count[] = {[STREAM_WAITING] = 0,
		[STREAM_READY] = 0,
		[STREAM_LIVE] = 0,
		[STREAM_STALE] = 0,
		[STREAM_SPENT] = 0};
	const struct stream *stream;

	LIST_FOREACH(stream, &net->table.streams, link) {
		if (!stream->gone)
			count[stream_state(stream, net_now(net))]++;
	}
	family_write(out, &streams);
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		sample_begin(out, &streams, "state", stream_state_text(states[i]));
		fprintf(out, "%" PRIu64 "\n", count[states[i]]);
	}
}

static void punches_write(FILE *out, const struct net *net)
{
	static const struct family punches = {"relayd_punches", "counter", NULL,
		"Datagrams to the punch ports by what became of them."};

	family_write(out, &punches);
	for (unsigned int i = 0; i < PUNCH_COUNTS; i++) {
		sample_begin(out, &punches, "result", punch_count_text((enum punch_count)i));
		fprintf(out, "%" PRIu64 "\n", net->punch.counts[i]);
	}
}

static void behaviour_write(FILE *out, const struct net *net)
{
	static const struct family requests = {"relayd_behaviour", "counter", NULL,
		"Plain STUN, and what the partner sends, by what became of it."};

	family_write(out, &requests);
	for (unsigned int i = 0; i < BEHAVIOUR_COUNTS; i++) {
		sample_begin(
			out, &requests, "result", behaviour_count_text((enum behaviour_count)i));
		fprintf(out, "%" PRIu64 "\n", net->punch.behaviour.counts[i]);
	}
}

static void peers_write(FILE *out, const struct net *net)
{
	static const struct family peers = {
		"relayd_peers", "counter", NULL, "Peers and their searches by what came of it."};

	family_write(out, &peers);
	for (unsigned int i = 0; i < BROKER_COUNTS; i++) {
		sample_begin(out, &peers, "result", broker_count_text((enum broker_count)i));
		fprintf(out, "%" PRIu64 "\n", broker_counter(net->broker, (enum broker_count)i));
	}
}

/* What somebody else did to the table, and what it took to restore it. */
static void changes_write(FILE *out, const struct net *net)
{
	static const struct family changes = {"relayd_table_changes", "counter", NULL,
		"Changes of the table that were not ours, by what was changed."};
	static const struct family repairs = {"relayd_table_repairs", "counter", NULL,
		"Parts of the table that were not as they should be."};

	family_write(out, &changes);
	for (unsigned int i = RULES_CAUSE_NONE + 1; i < RULES_CAUSES; i++) {
		sample_begin(out, &changes, "cause", rules_cause_text((enum rules_cause)i));
		fprintf(out, "%" PRIu64 "\n", net->restore.changes[i]);
	}
	family_write(out, &repairs);
	sample_begin(out, &repairs, "part", "missing");
	fprintf(out, "%" PRIu64 "\n", net->restore.missing);
	sample_begin(out, &repairs, "part", "orphan");
	fprintf(out, "%" PRIu64 "\n", net->restore.orphans);
}

static void troubles_write(FILE *out, const struct net *net)
{
	static const struct family now = {"relayd_trouble", "gauge", NULL,
		"1 while the host stands in the way: see relayd(8)."};
	static const struct family counts = {
		"relayd_troubles", "counter", NULL, "Times that this was met."};

	family_write(out, &now);
	for (int i = 0; i < TROUBLE_KINDS; i++) {
		sample_begin(out, &now, "trouble", trouble_name((enum trouble_kind)i));
		fprintf(out, "%d\n", net->troubles.list[i].now);
	}
	family_write(out, &counts);
	for (int i = 0; i < TROUBLE_KINDS; i++) {
		sample_begin(out, &counts, "trouble", trouble_name((enum trouble_kind)i));
		fprintf(out, "%" PRIu64 "\n", net->troubles.list[i].count);
	}
}

struct pair_counts {
	uint64_t pairs, direct;
};

static void count_pair(void *data, const struct broker_pair *pair)
{
	struct pair_counts *counts = data;

	counts->pairs++;
	counts->direct += pair->direct;
}

static void pairs_write(FILE *out, const struct net *net)
{
	static const struct family pairs = {
		"relayd_pairs", "gauge", NULL, "Pairs of peers by the path that they use."};
	struct pair_counts counts = {0};
	const struct stream *stream;

	LIST_FOREACH(stream, &net->table.streams, link)
		broker_each(net->broker, stream, count_pair, &counts);
	family_write(out, &pairs);
	sample_begin(out, &pairs, "path", "direct");
	fprintf(out, "%" PRIu64 "\n", counts.direct);
	sample_begin(out, &pairs, "path", "relay");
	fprintf(out, "%" PRIu64 "\n", counts.pairs - counts.direct);
}

struct single {
	struct family family;
	uint64_t value;
};

static void singles_write(FILE *out, const struct single *singles, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct family *family = &singles[i].family;

		family_write(out, family);
		fprintf(out, "%s%s %" PRIu64 "\n", family->name, family_suffix(family),
			singles[i].value);
	}
}

static void relay_write(FILE *out, const struct net *net)
{
	const struct single singles[] = {
		{{"relayd_uptime_seconds", "gauge", "seconds", "Since the network side began."},
			(uint64_t)(net_now(net) - net->started_ms) / 1000},
		{{"relayd_holes", "gauge", NULL, "Ports that have a client."}, net->table.holes},
		{{"relayd_holes_max", "gauge", NULL, "So many may have one; 0 is no limit."},
			net->table.holes_max},
		{{"relayd_max_rate", "gauge", NULL,
			 "Bytes per second that all may have together; 0 is no limit."},
			net->config->max_rate},
		{{"relayd_max_rate_dropped_packets", "counter", NULL,
			 "Packets that were more than that; those to streams were counted before."},
			net->cut},
		{{"relayd_draining", "gauge", NULL, "1 while no new client is taken."},
			net->table.draining},
		{{"relayd_partner_alive", "gauge", NULL, "1 while the partner answers."},
			partner_is_alive(&net->punch.behaviour.partner, net_now(net))},
		{{"relayd_transactions", "counter", NULL, "Changes sent to the kernel."},
			net->sync.transactions},
		{{"relayd_transaction_failures", "counter", NULL, "Of these, refused ones."},
			net->sync.failures},
		{{"relayd_answers_dropped", "counter", NULL,
			 "Punches without an answer: too many waited for the kernel."},
			net->sync.dropped},
		{{"relayd_datagrams_received", "counter", NULL, "Read from the punch ports."},
			net->udp.received},
		{{"relayd_datagrams_sent", "counter", NULL, "Answers to punches."}, net->udp.sent},
		{{"relayd_datagrams_unsent", "counter", NULL,
			 "Answers to punches that the kernel did not take."},
			net->udp.unsent},
	};

	singles_write(out, singles, sizeof(singles) / sizeof(singles[0]));
}

static void control_write(FILE *out, const struct metrics_control *control)
{
	const struct single singles[] = {
		{{"relayd_control_clients", "gauge", NULL, "Connected to the control socket."},
			control->clients},
		{{"relayd_control_accepted", "counter", NULL, "Clients that were served."},
			control->accepted},
		{{"relayd_control_denied", "counter", NULL, "Clients without permission."},
			control->denied},
		{{"relayd_control_crowded", "counter", NULL,
			 "Clients refused because there were too many."},
			control->crowded},
		{{"relayd_control_unread", "counter", NULL,
			 "Clients dropped because they did not read."},
			control->unread},
		{{"relayd_control_idle", "counter", NULL,
			 "Clients closed because they asked for nothing."},
			control->idle},
	};

	singles_write(out, singles, sizeof(singles) / sizeof(singles[0]));
}

static uint64_t slot_packets(const struct slot *slot)
{
	return slot->packets;
}

static uint64_t slot_bytes(const struct slot *slot)
{
	return slot->bytes;
}

static uint64_t carried_packets(const struct stream *stream)
{
	return stream->carried.packets;
}

static uint64_t carried_bytes(const struct stream *stream)
{
	return stream->carried.bytes;
}

static uint64_t slot_refused(const struct slot *slot)
{
	return slot->refused;
}

static uint64_t slot_limited(const struct slot *slot)
{
	return slot->limited;
}

static uint64_t slot_moves(const struct slot *slot)
{
	return slot->moves;
}

/* Sums over a stream's slots, with what its peers have; NULL: they have none of that. */
static const struct sum {
	struct family family;
	uint64_t (*value)(const struct slot *slot);
	uint64_t (*peers)(const struct stream *stream);
} sums[] = {
	{{"relayd_stream_packets", "counter", NULL,
		 "Packets let through to the stream's present clients, and relayed to its peers."},
		slot_packets, carried_packets},
	{{"relayd_stream_bytes", "counter", "bytes",
		 "Bytes let through to the stream's present clients, and relayed to its peers."},
		slot_bytes, carried_bytes},
	{{"relayd_stream_refused", "counter", NULL,
		 "Packets to the stream that were dropped: no client, or not an allowed sender."},
		slot_refused, NULL},
	{{"relayd_stream_limited_packets", "counter", NULL,
		 "Packets to the stream's ports that were dropped: more than its rate."},
		slot_limited, NULL},
	{{"relayd_stream_moves", "counter", NULL, "How often a client's address has changed."},
		slot_moves, NULL},
};

static void sum_write(
	FILE *out, const struct sum *sum, const struct stream *const *streams, size_t count)
{
	family_write(out, &sum->family);
	for (size_t i = 0; i < count; i++) {
		uint64_t total = sum->peers ? sum->peers(streams[i]) : 0;

		for (size_t s = 0; s < streams[i]->slot_count; s++)
			total += sum->value(streams[i]->slots[s]);
		sample_begin(out, &sum->family, "stream", streams[i]->spec.name);
		fprintf(out, "%" PRIu64 "\n", total);
	}
}

/* Of the hole that ends first, -1 when there is none. */
static int64_t stream_consent(const struct stream *stream, int64_t now_ms)
{
	int64_t least = -1;

	for (size_t i = 0; i < stream->slot_count; i++) {
		const struct slot *slot = stream->slots[i];
		int64_t left = (int64_t)slot->consent_ms - (now_ms - slot->sampled_ms);

		if (slot->have.client.addr.family == 0 || slot->want.client.addr.family == 0)
			continue;
		left = left > 0 ? left : 0;
		if (least < 0 || left < least)
			least = left;
	}
	return least;
}

static void consents_write(
	FILE *out, const struct stream *const *streams, size_t count, int64_t now_ms)
{
	static const struct family consents = {"relayd_stream_consent_seconds", "gauge", "seconds",
		"Until the first of the stream's ports loses its client, without another punch."};

	family_write(out, &consents);
	for (size_t i = 0; i < count; i++) {
		int64_t left = stream_consent(streams[i], now_ms);

		if (left < 0)
			continue;
		sample_begin(out, &consents, "stream", streams[i]->spec.name);
		fprintf(out, "%" PRId64 ".%03" PRId64 "\n", left / 1000, left % 1000);
	}
}

static uint64_t quota_bytes(const struct stream *stream)
{
	return stream->spec.quota;
}

static uint64_t quota_used(const struct stream *stream)
{
	return stream->used;
}

static const struct quota {
	struct family family;
	uint64_t (*value)(const struct stream *stream);
} quotas[] = {
	{{"relayd_stream_quota_bytes", "gauge", "bytes", "What the stream may carry in a period."},
		quota_bytes},
	{{"relayd_stream_used_bytes", "gauge", "bytes", "What of its quota is used up."},
		quota_used},
};

/* Of those that have one. */
static void quota_write(
	FILE *out, const struct quota *quota, const struct stream *const *streams, size_t count)
{
	family_write(out, &quota->family);
	for (size_t i = 0; i < count; i++) {
		if (!streams[i]->spec.quota)
			continue;
		sample_begin(out, &quota->family, "stream", streams[i]->spec.name);
		fprintf(out, "%" PRIu64 "\n", quota->value(streams[i]));
	}
}

int metrics_write(const struct net *net, const struct metrics_control *control, FILE *out)
{
	size_t count, shown;
	const struct stream **streams = view_sorted(&net->table, &count);

	if (!streams)
		return -ENOMEM;
	shown = count < METRICS_STREAMS ? count : METRICS_STREAMS;
	build_write(out);
	relay_write(out, net);
	control_write(out, control);
	troubles_write(out, net);
	seen_write(out, net);
	streams_write(out, net);
	punches_write(out, net);
	behaviour_write(out, net);
	pairs_write(out, net);
	peers_write(out, net);
	changes_write(out, net);
	singles_write(out,
		&(struct single){{"relayd_streams_left_out", "gauge", NULL,
					 "Streams without series of their own."},
			count - shown},
		1);
	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++)
		sum_write(out, &sums[i], streams, shown);
	for (size_t i = 0; i < sizeof(quotas) / sizeof(quotas[0]); i++)
		quota_write(out, &quotas[i], streams, shown);
	consents_write(out, streams, shown, net_now(net));
	fputs("# EOF\n", out);
	free(streams);
	return 0;
}
