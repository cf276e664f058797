/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/net_event.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "relayd/net_trouble.h"

/* Of a sender that has not got the stream. */
static bool is_refusal(const char *what)
{
	return !strcmp(what, "refused") || !strcmp(what, "loop");
}

static const char *end_text(const struct endpoint *end, char out[static ENDPOINT_TEXT])
{
	return end && end->addr.family ? endpoint_format(end, out) : NULL;
}

static void log_event(const struct control_event *event, uint16_t port)
{
	bool of_sender = !strcmp(event->event, "sender") || is_refusal(event->event);
	char listen[ENDPOINT_TEXT], client[ENDPOINT_TEXT], sender[ENDPOINT_TEXT], colon[8] = "";
	const struct log_field fields[] = {
		{"RELAYD_EVENT", event->event},
		{"RELAYD_STREAM", event->name},
		{"RELAYD_LISTEN", end_text(event->listen, listen)},
		{"RELAYD_CLIENT", end_text(event->client, client)},
		{"RELAYD_SENDER", end_text(event->sender, sender)},
	};
	const char *end = fields[of_sender ? 4 : 3].value;

	if (port)
		snprintf(colon, sizeof(colon), ":%u", port);
	log_fields(LOG_LEVEL_INFO, fields, sizeof(fields) / sizeof(fields[0]), "%s%s %s%s%s%s%s",
		event->name, colon, event->event, end ? " " : "", end ? end : "",
		event->text ? ": " : "", event->text ? event->text : "");
}

void net_event_tell(struct net *net, const struct control_event *event, uint16_t port)
{
	/* What the kernel refuses has been named as a whole. */
	bool named = net_trouble_of_kernel(net) && strcmp(event->event, "failed") == 0;

	if (!net->quiet && !named && tally_take(&net->tally, event->event))
		log_event(event, port);
	if (net->control)
		control_event(net->control, event);
}

void net_event_of_table(void *data, const struct stream_event *event)
{
	struct net *net = data;
	const struct slot *slot = event->slot;
	struct control_event out = {
		.event = event->what, .name = event->stream->spec.name, .text = event->text};
	struct endpoint listen;

	if (slot) {
		const struct endpoint *punch = &slot->want.punch;
		bool refused = is_refusal(event->what);

		if (punch->addr.family) {
			listen = (struct endpoint){
				config_public(net->config, &punch->addr), slot->port};
			out.listen = &listen;
			out.client = &slot->want.client;
		}
		if (refused || slot->sender.addr.family)
			out.sender = refused ? &slot->refused_sender : &slot->sender;
	}
	net_event_tell(net, &out, slot ? slot->port : 0);
}

void net_event_tick(struct net *net)
{
	char text[TALLY_TEXT];

	if (tally_end(&net->tally, text))
		log_info("%s", text);
}
