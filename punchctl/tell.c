/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/tell.h"

#include <stdio.h>

#include "common/log.h"

static json_t *session_json(const struct tell *tell)
{
	return tell->session ? json_integer((json_int_t)tell->session) : json_null();
}

/* "session 3: " or nothing. */
#define SESSION_TEXT 40
static const char *session_text(const struct tell *tell, char out[static SESSION_TEXT])
{
	out[0] = '\0';
	if (tell->session)
		snprintf(out, SESSION_TEXT, "session %llu: ", (unsigned long long)tell->session);
	return out;
}

static const char *plan_text(enum peer_plan plan)
{
	static const char *const texts[] = {
		[PEER_REST] = "rest",
		[PEER_PUNCH] = "punch",
		[PEER_PREDICT] = "predict",
		[PEER_STEP] = "step",
		[PEER_BIRTHDAY] = "birthday",
	};

	return texts[plan];
}

void tell_start(const struct tell *tell, const struct endpoint *local,
	const struct endpoint *relays, unsigned int count)
{
	char text[ENDPOINT_TEXT];
	json_t *list;

	if (!tell->report->json) {
		log_debug("%s %s", tell->role == PEER_SERVICE ? "serving" : "listening on",
			endpoint_format(local, text));
		return;
	}
	list = json_array();
	for (unsigned int i = 0; i < count; i++)
		json_array_append_new(list, json_string(endpoint_format(&relays[i], text)));
	report_line(tell->report, "start",
		json_pack("{s:s, s:s, s:o}", "role",
			tell->role == PEER_SERVICE ? "service" : "client", "local",
			endpoint_format(local, text), "relays", list));
}

void tell_nat(const struct tell *tell, const struct nat_report *nat)
{
	char relay[ENDPOINT_TEXT];

	endpoint_format(&tell->relay, relay);
	if (tell->report->json)
		report_line(tell->report, "nat",
			json_pack("{s:s, s:s, s:s, s:s, s:i, s:b}", "relay", relay, "mapping",
				nat_mapping_text(nat->mapping), "filtering",
				nat_filtering_text(nat->filtering), "allocation",
				nat_allocation_text(nat->ports.allocation), "layers", nat->layers,
				"blocked", nat->blocked));
	else
		log_debug("NAT towards %s: mapping %s, filtering %s, ports %s", relay,
			nat_mapping_text(nat->mapping), nat_filtering_text(nat->filtering),
			nat_allocation_text(nat->ports.allocation));
}

void tell_ready(const struct tell *tell)
{
	char relay[ENDPOINT_TEXT];

	endpoint_format(&tell->relay, relay);
	if (tell->report->json)
		report_line(tell->report, "ready", json_pack("{s:s}", "relay", relay));
	else
		log_notice("ready: %s serves, by %s", tell->report->stream, relay);
}

void tell_network(const struct tell *tell)
{
	if (tell->report->json)
		report_line(tell->report, "network", NULL);
	else
		log_notice("the addresses of this host have changed");
}

void tell_relayed(const struct tell *tell, bool relayed)
{
	if (tell->report->json)
		report_line(tell->report, "relayed", json_pack("{s:b}", "only", relayed));
	else
		log_notice(
			"%s", relayed ? "by the relay only" : "direct paths are looked for again");
}

void tell_gateway(const struct tell *tell, const struct endpoint *mapped, const char *protocol)
{
	char text[ENDPOINT_TEXT];

	endpoint_format(mapped, text);
	if (tell->report->json)
		report_line(tell->report, "gateway",
			json_pack("{s:s, s:s}", "mapped", text, "protocol", protocol));
	else
		log_info("the router maps %s to us, by %s", text, protocol);
}

void tell_open(const struct tell *tell, const struct endpoint *local)
{
	char text[ENDPOINT_TEXT], session[SESSION_TEXT];

	endpoint_format(local, text);
	if (tell->report->json)
		report_line(tell->report, "open",
			json_pack("{s:o, s:s}", "session", session_json(tell), "local", text));
	else
		log_notice("%s%s %s", session_text(tell, session),
			tell->role == PEER_SERVICE ? "a client, which the service sees as"
						   : "opened by",
			text);
}

void tell_closed(const struct tell *tell, const char *reason, uint64_t inward, uint64_t outward)
{
	char session[SESSION_TEXT];

	if (tell->report->json)
		report_line(tell->report, "closed",
			json_pack("{s:o, s:s, s:I, s:I}", "session", session_json(tell), "reason",
				reason, "inward", (json_int_t)inward, "outward",
				(json_int_t)outward));
	else
		log_notice("%sclosed (%s), %llu datagrams in and %llu out",
			session_text(tell, session), reason, (unsigned long long)inward,
			(unsigned long long)outward);
}

void tell_end(const struct tell *tell, const struct carrier_counters *counters)
{
	const struct volley_loss *loss = &counters->loss;
	uint64_t dropped = counters->foreign + counters->late + counters->crowded +
			   loss->oversized + loss->unsent;

	if (tell->report->json)
		report_line(tell->report, "end",
			json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "inward",
				(json_int_t)counters->inward, "outward",
				(json_int_t)counters->outward, "foreign",
				(json_int_t)counters->foreign, "late", (json_int_t)counters->late,
				"crowded", (json_int_t)counters->crowded, "oversized",
				(json_int_t)loss->oversized, "refused", (json_int_t)loss->refused,
				"unsent", (json_int_t)loss->unsent));
	else
		log_notice("carried %llu datagrams in and %llu out, dropped %llu",
			(unsigned long long)counters->inward, (unsigned long long)counters->outward,
			(unsigned long long)dropped);
}

static const char *const event_names[] = {
	[LANE_WAITING] = "waiting",
	[LANE_PAIRED] = "paired",
	[LANE_DIRECT] = "direct",
	[LANE_LOST] = "lost",
	[LANE_NO_PATH] = "nopath",
	[LANE_CLOSED] = "closed",
	[LANE_SILENT] = "silent",
	[LANE_BACK] = "back",
	[LANE_REFUSED] = "refused",
	[LANE_FAILED] = "failed",
};

static json_t *lane_fields(const struct tell *tell, const struct lane_event *event)
{
	char relay[ENDPOINT_TEXT], mapped[ENDPOINT_TEXT], peer[ENDPOINT_TEXT];

	endpoint_format(&tell->relay, relay);
	endpoint_format(&event->peer, peer);
	switch (event->type) {
	case LANE_WAITING:
	case LANE_BACK:
		return json_pack("{s:s}", "relay", relay);
	case LANE_PAIRED:
		return json_pack("{s:o, s:s, s:s}", "session", session_json(tell), "relay", relay,
			"mapped", endpoint_format(&event->mapped, mapped));
	case LANE_DIRECT:
		return json_pack("{s:o, s:s, s:s, s:I, s:i}", "session", session_json(tell), "peer",
			peer, "plan", plan_text(event->plan), "ms", (json_int_t)event->ms, "probes",
			(int)event->probes);
	case LANE_LOST:
		return json_pack("{s:o, s:s}", "session", session_json(tell), "peer", peer);
	case LANE_NO_PATH:
		return json_pack("{s:o, s:s}", "session", session_json(tell), "plan",
			plan_text(event->plan));
	case LANE_SILENT:
		return json_pack("{s:s, s:f}", "relay", relay, "seconds", (double)event->ms / 1000);
	case LANE_REFUSED:
	case LANE_FAILED:
		return json_pack("{s:s, s:i, s:s}", "relay", relay, "code", event->code, "reason",
			event->reason);
	case LANE_CLOSED:
		break;
	}
	return NULL;
}

static void say_failed(const struct tell *tell, const struct lane_event *event)
{
	char relay[ENDPOINT_TEXT];

	endpoint_format(&tell->relay, relay);
	if (event->code == 401)
		log_error("%s does not accept key %s for %s (or knows no such stream)", relay,
			tell->report->key_file, tell->report->stream);
	else
		log_error("%s refuses %s: %u %s", relay, tell->report->stream, event->code,
			event->reason);
}

static void say_path(const struct tell *tell, const struct lane_event *event)
{
	char session[SESSION_TEXT], peer[ENDPOINT_TEXT], relay[ENDPOINT_TEXT];

	session_text(tell, session);
	endpoint_format(&event->peer, peer);
	endpoint_format(&tell->relay, relay);
	if (event->type == LANE_PAIRED)
		log_notice("%spaired by %s", session, relay);
	else if (event->type == LANE_DIRECT)
		log_notice("%sdirect to %s, found by %s in %lld ms with %u probes", session, peer,
			plan_text(event->plan), (long long)event->ms, event->probes);
	else if (event->type == LANE_LOST)
		log_notice("%sthe direct path to %s is lost, back to the relay", session, peer);
	else
		log_info("%sno direct path by %s; the relay carries on", session,
			plan_text(event->plan));
}

static void say_relay(const struct tell *tell, const struct lane_event *event)
{
	char relay[ENDPOINT_TEXT];

	endpoint_format(&tell->relay, relay);
	if (event->type == LANE_WAITING && tell->role == PEER_SERVICE)
		log_notice("%s can be reached by %s", tell->report->stream, relay);
	else if (event->type == LANE_WAITING)
		log_notice("nobody serves %s at %s yet; waiting", tell->report->stream, relay);
	else if (event->type == LANE_SILENT)
		log_warning("no answer from %s for %lld s; still trying", relay,
			(long long)event->ms / 1000);
	else if (event->type == LANE_BACK)
		log_notice("back: %s answers again", relay);
	else
		log_warning(
			"refused by %s: %u %s; still trying", relay, event->code, event->reason);
}

static void say_lane(const struct tell *tell, const struct lane_event *event)
{
	switch (event->type) {
	case LANE_PAIRED:
	case LANE_DIRECT:
	case LANE_LOST:
	case LANE_NO_PATH:
		say_path(tell, event);
		break;
	case LANE_WAITING:
	case LANE_SILENT:
	case LANE_BACK:
	case LANE_REFUSED:
		say_relay(tell, event);
		break;
	case LANE_FAILED:
		say_failed(tell, event);
		break;
	case LANE_CLOSED: /* tell_closed() knows more */
		break;
	}
}

void tell_lane(const struct tell *tell, const struct lane_event *event)
{
	if (tell->report->json && event->type != LANE_CLOSED)
		report_line(tell->report, event_names[event->type], lane_fields(tell, event));
	if (!tell->report->json || event->type == LANE_FAILED)
		say_lane(tell, event);
}
