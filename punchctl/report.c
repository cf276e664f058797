/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ctl.h"
#include "common/log.h"

void report_line(const struct report *report, const char *event, json_t *fields)
{
	json_t *object = json_pack("{s:s, s:s}", "event", event, "stream", report->stream);
	size_t len = 0;
	char *line;

	if (object && fields)
		json_object_update(object, fields);
	line = object ? ctl_format(object, &len) : NULL;
	if (line) {
		fwrite(line, 1, len, stdout);
		fflush(stdout);
	}
	free(line);
	json_decref(object);
	json_decref(fields);
}

static const char *relay_text(const struct report *report, char out[static ENDPOINT_TEXT])
{
	return endpoint_format(&report->relay, out);
}

void report_start(const struct report *report, const struct ports *ports, const uint16_t *local,
	const char *sdp)
{
	char relay[ENDPOINT_TEXT];
	json_t *list;

	if (!report->json) {
		for (unsigned int i = 0; i < ports->count; i++)
			log_debug("port %u goes to 127.0.0.1:%u", ports->port[i], local[i]);
		return;
	}
	list = json_array();
	for (unsigned int i = 0; i < ports->count; i++)
		json_array_append_new(
			list, json_pack("{s:i, s:i}", "listen", ports->port[i], "local", local[i]));
	report_line(report, "start",
		json_pack("{s:s, s:o, s:s?}", "relay", relay_text(report, relay), "ports", list,
			"sdp", sdp));
}

void report_ready(const struct report *report)
{
	if (report->json)
		report_line(report, "ready", NULL);
}

void report_key(const struct report *report)
{
	if (report->json)
		report_line(report, "key", NULL);
	else
		log_notice("%s holds another key now; trying it", report->key_file);
}

void report_shared(const struct report *report, uint16_t local)
{
	if (report->json)
		report_line(report, "shared", json_pack("{s:i}", "local", local));
	else
		log_notice("shared: port %u with its program", local);
}

void report_unshared(const struct report *report, uint16_t local, const char *why)
{
	if (report->json)
		report_line(
			report, "unshared", json_pack("{s:i, s:s}", "local", local, "reason", why));
	else
		log_notice("waiting: %s", why);
}

void report_media(const struct report *report, int64_t quiet_ms)
{
	if (report->json)
		return;
	if (quiet_ms)
		log_notice("waiting for media: none for %lld s", (long long)quiet_ms / 1000);
	else
		log_notice("playing: media come");
}

void report_player(const struct report *report, int64_t status, int signal)
{
	const char *child = report->child ? report->child : "player";

	if (report->json)
		report_line(report, "player",
			json_pack("{s:I, s:o}", "status", (json_int_t)status, "signal",
				signal ? json_integer(signal) : json_null()));
	else if (signal)
		log_notice("the %s was ended by signal %d (%s)", child, signal, strsignal(signal));
	else if (status)
		log_notice("the %s has ended with status %d", child, (int)status);
	else
		log_notice("the %s has ended", child);
}

void report_end(const struct report *report, const struct carry_counters *counters)
{
	unsigned long long in = counters->inward, out = counters->outward;
	unsigned long long dropped =
		counters->foreign + counters->loss.oversized + counters->loss.unsent;

	if (report->json)
		report_line(report, "end",
			json_pack("{s:I, s:I, s:I}", "inward", (json_int_t)in, "outward",
				(json_int_t)out, "dropped", (json_int_t)dropped));
	else
		log_notice("carried %llu datagrams to the player and %llu back, dropped %llu", in,
			out, dropped);
}

static const char *const event_names[] = {
	[AGENT_PUNCHED] = "punched",
	[AGENT_MOVED] = "moved",
	[AGENT_SILENT] = "silent",
	[AGENT_LOST] = "lost",
	[AGENT_BACK] = "back",
	[AGENT_UNREACHABLE] = "unreachable",
	[AGENT_REFUSED] = "refused",
	[AGENT_CONFLICT] = "conflict",
	[AGENT_FAILED] = "failed",
};

static json_t *agent_fields(const struct report *report, const struct agent_event *event)
{
	char mapped[ENDPOINT_TEXT], old[ENDPOINT_TEXT], relay[ENDPOINT_TEXT];

	endpoint_format(&event->mapped, mapped);
	relay_text(report, relay);
	switch (event->type) {
	case AGENT_PUNCHED:
		return json_pack("{s:i, s:s}", "port", event->port, "mapped", mapped);
	case AGENT_MOVED:
		return json_pack("{s:i, s:s, s:s}", "port", event->port, "old",
			endpoint_format(&event->old, old), "mapped", mapped);
	case AGENT_SILENT:
		return json_pack("{s:s, s:o}", "relay", relay, "code",
			event->code ? json_integer(event->code) : json_null());
	case AGENT_LOST:
		return json_pack("{s:s, s:f}", "relay", relay, "seconds", (double)event->ms / 1000);
	case AGENT_BACK:
		return json_pack("{s:s}", "relay", relay);
	case AGENT_UNREACHABLE:
		return json_pack("{s:s, s:s}", "relay", relay, "error", strerror(event->error));
	case AGENT_CONFLICT:
		return json_pack("{s:i}", "port", event->port);
	case AGENT_REFUSED:
	case AGENT_FAILED:
		return json_pack("{s:i, s:i, s:s}", "port", event->port, "code", event->code,
			"reason", event->reason);
	}
	return NULL;
}

static void say_silent(const char *relay, uint16_t code)
{
	if (code == 0)
		log_warning("no answer from %s yet; still trying", relay);
	else if (code == 200)
		log_warning("%s answers as a plain STUN server does; is it the relay's punch port?",
			relay);
	else
		log_warning("%s answers with error %u and no proof; still trying", relay, code);
}

static void say_failed(const struct report *report, const struct agent_event *event)
{
	if (event->code == 401)
		log_error("the relay does not accept key %s for %s (or knows no such stream, or no "
			  "port %u of it)",
			report->key_file, report->stream, event->port);
	else if (event->code == 403 && !strcmp(event->reason, "not from this address"))
		log_error("the relay does not let this address punch for %s (its `clients`)",
			report->stream);
	else
		log_error("the relay refuses %s, port %u: %u %s", report->stream, event->port,
			event->code, event->reason);
}

static void say_agent(const struct report *report, const struct agent_event *event)
{
	char mapped[ENDPOINT_TEXT], old[ENDPOINT_TEXT], relay[ENDPOINT_TEXT];

	endpoint_format(&event->mapped, mapped);
	relay_text(report, relay);
	switch (event->type) {
	case AGENT_PUNCHED:
		log_notice("punched: %u as %s", event->port, mapped);
		break;
	case AGENT_MOVED:
		log_notice("moved: %u from %s to %s", event->port,
			endpoint_format(&event->old, old), mapped);
		break;
	case AGENT_SILENT:
		say_silent(relay, event->code);
		break;
	case AGENT_LOST:
		log_warning("lost: no answer from %s for %lld s; still trying", relay,
			(long long)event->ms / 1000);
		break;
	case AGENT_BACK:
		log_notice("back: %s answers again", relay);
		break;
	case AGENT_UNREACHABLE:
		log_warning("cannot send to %s: %s; still trying", relay, strerror(event->error));
		break;
	case AGENT_REFUSED:
		log_warning("refused: %u: %u %s; still trying", event->port, event->code,
			event->reason);
		break;
	case AGENT_CONFLICT:
		log_notice("port %u: the NAT's mapping carries another port of a stream; trying "
			   "another socket",
			event->port);
		break;
	case AGENT_FAILED:
		say_failed(report, event);
		break;
	}
}

void report_agent(const struct report *report, const struct agent_event *event)
{
	if (report->json)
		report_line(report, event_names[event->type], agent_fields(report, event));
	if (!report->json || event->type == AGENT_FAILED)
		say_agent(report, event);
}
