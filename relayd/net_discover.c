/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/net_discover.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"

_Static_assert(METADATA_ASK <= FETCH_ASK, "FETCH_ASK is too small");

static void said(struct net *net, const struct discover_address *address, const char *text)
{
	const struct control_event event = {.event = "seen", .text = text};
	struct addr seen = discover_seen(address);
	char local[ADDR_TEXT], public[ADDR_TEXT];
	const struct log_field fields[] = {
		{"RELAYD_EVENT", event.event},
		{"RELAYD_ADDRESS", addr_format(&address->local, local)},
		{"RELAYD_SEEN", addr_format(&seen, public)},
		{"RELAYD_SEEN_BY", discover_by(address)},
	};

	log_fields(LOG_LEVEL_INFO, fields, sizeof(fields) / sizeof(fields[0]), "%s", text);
	if (net->control)
		control_event(net->control, &event);
}

static void tell_seen(struct net *net, const struct discover_address *address, bool used)
{
	char local[ADDR_TEXT], public[ADDR_TEXT], server[ENDPOINT_TEXT], text[DISCOVER_TEXT];
	struct addr seen = discover_seen(address);
	const char *by = address->cloud.family ? address->cloud_name
					       : endpoint_format(&address->server, server);

	snprintf(text, sizeof(text), "%s is seen as %s by %s%s",
		addr_format(&address->local, local), addr_format(&seen, public), by,
		used ? ", which is shown from now on" : "");
	said(net, address, text);
}

/* What is known is used, and told when it is new. */
static void use(struct net *net)
{
	char doubt[DISCOVER_TEXT];

	for (size_t i = 0; i < net->discover.count; i++) {
		struct discover_address *address = &net->discover.list[i];
		struct addr seen = discover_seen(address);
		const struct addr *advertised = config_advertised(net->config, &address->local);

		net->config->seen[i] = discover_public(&net->discover, address);
		if (addr_equal(&seen, &address->told))
			continue;
		address->told = seen;
		if (seen.family)
			tell_seen(net, address, !advertised && net->config->seen[i].family);
	}
	if (discover_doubt(&net->discover, doubt))
		trouble_tell(&net->troubles, TROUBLE_ADVERTISE, net_now(net), "%s", doubt);
	else
		trouble_end(&net->troubles, TROUBLE_ADVERTISE);
}

static void ask_servers(struct net *net)
{
	uint8_t question[DISCOVER_ASK_MAX];
	struct endpoint from, to;
	size_t len;

	while ((len = discover_ask(&net->discover, net_now(net), &from, &to, question)))
		udp_send(&net->udp, &from, &to, question, len);
}

static void ask_cloud(struct net *net)
{
	struct endpoint host = {.port = 80};
	size_t len;

	if (fetch_busy(&net->fetch))
		return;
	len = metadata_ask(&net->discover.metadata, net_now(net), net->fetch.ask);
	addr_parse(METADATA_HOST, &host.addr);
	if (len)
		fetch_start(&net->fetch, &net->loop, &host, len);
}

static void cloud_answered(void *data, const char *answer, size_t len)
{
	struct net *net = data;
	struct metadata *metadata = &net->discover.metadata;
	struct metadata_pair pairs[METADATA_PAIRS];
	unsigned int silent = metadata->silent;
	size_t count = metadata_answer(metadata, answer, len, net_now(net), pairs);

	for (size_t i = 0; i < count; i++)
		discover_cloud(&net->discover, &pairs[i]);
	if (metadata->silent > silent && metadata->silent == DISCOVER_SILENT)
		log_notice("no metadata service at " METADATA_HOST " knows a public address");
	if (metadata->silent < silent && silent >= DISCOVER_SILENT)
		log_notice("a metadata service at " METADATA_HOST " knows a public address again");
	ask_cloud(net);
}

static void tell_silence(struct net *net)
{
	char text[DISCOVER_TEXT];

	if (discover_silence(&net->discover, AF_INET, text))
		log_notice("%s", text);
	if (discover_silence(&net->discover, AF_INET6, text))
		log_notice("%s", text);
}

/* What is learnt later is told then. */
static void tell_shown(const struct config *config)
{
	char list[CONFIG_ADDRESSES * (ADDR_TEXT + 2)] = "", text[ADDR_TEXT];
	size_t len = 0;

	for (size_t i = 0; i < config->address_count; i++) {
		struct addr public = config_public(config, &config->addresses[i]);

		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", len ? ", " : "",
			addr_format(&public, text));
	}
	log_info("shown as %s", list);
}

static void host_changed(void *data, const struct addr *addr, bool came)
{
	const struct net *net = data;
	bool ours = config_is_local(net->config, addr);
	char text[ADDR_TEXT];

	addr_format(addr, text);
	if (ours && came)
		log_info("%s is an address of this host again", text);
	else if (ours)
		log_warning("%s is no address of this host any more: its streams rest", text);
	else if (came && net->config->automatic)
		log_notice(
			"%s is a new address of this host: a restart of relayd would use it", text);
}

void net_discover_open(struct net *net)
{
	int err = host_watch_open(&net->host_watch, &net->loop);

	if (err)
		log_warning("changes of this host's addresses are not noticed: %s", strerror(-err));
	net->fetch.done = cloud_answered;
	net->fetch.data = net;
	net->punch.discover = &net->discover;
	tell_shown(net->config);
	net_discover_again(net);
}

void net_discover_again(struct net *net)
{
	discover_configure(&net->discover, net->config, net_now(net));
	net_discover_tick(net);
}

void net_discover_tick(struct net *net)
{
	if (!net->punch.discover)
		return;
	if (host_watch_changed(&net->host_watch, host_changed, net))
		discover_configure(&net->discover, net->config, net_now(net));
	ask_servers(net);
	ask_cloud(net);
	use(net);
	tell_silence(net);
}
