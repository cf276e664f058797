/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports that the router maps to the sockets of a few carriers, where that makes a direct path
 * likelier. */
#include "punchctl/tunnel_state.h"

#include <stdlib.h>

#include "punchctl/gateway.h"

#define MAPPINGS_MAX 4 /* of the whole run: a router has other users too */

struct mapping {
	TAILQ_ENTRY(mapping) entry;
	struct tunnel *tunnel;
	struct carrier *carrier; /* NULL: it is being given back */
	struct gateway *gateway;
};

/* Whom anybody reaches, or nobody, needs no port. */
static bool nat_is_helped(const struct nat_report *nat)
{
	if (nat->blocked || nat->mapping == NAT_MAPPING_UNKNOWN || nat->mapping == NAT_MAPPING_NONE)
		return false;
	return !nat_is_predictable(nat) || nat->filtering == NAT_FILTERING_PORT;
}

static bool route_is_helped(const struct tunnel *tunnel, const struct tunnel_route *route)
{
	return tunnel->config->gateway && !tunnel->relayed && !tunnel->ending &&
	       route->family == AF_INET && route->host_count > 0 && route->has_nat &&
	       !route->no_gateway && nat_is_helped(&route->nat);
}

static struct mapping *mapping_of(const struct tunnel *tunnel, const struct carrier *carrier)
{
	struct mapping *mapping;

	TAILQ_FOREACH(mapping, &tunnel->mappings, entry) {
		if (mapping->carrier == carrier)
			return mapping;
	}
	return NULL;
}

/* One after the other: the first says whether there is such a service, and threads are few. */
static bool is_asking(const struct tunnel *tunnel)
{
	const struct mapping *mapping;

	TAILQ_FOREACH(mapping, &tunnel->mappings, entry) {
		if (mapping->carrier && !gateway_status(mapping->gateway)->settled)
			return true;
	}
	return false;
}

static void on_closed(void *arg)
{
	struct mapping *mapping = arg;

	TAILQ_REMOVE(&mapping->tunnel->mappings, mapping, entry);
	mapping->tunnel->mapping_count--;
	free(mapping);
}

static void mapping_close(struct mapping *mapping)
{
	mapping->carrier = NULL;
	gateway_close(mapping->gateway, on_closed, mapping);
}

static void on_changed(void *arg, const struct gateway_status *status)
{
	struct mapping *mapping = arg;
	struct carrier *carrier = mapping->carrier;
	struct tunnel *tunnel = mapping->tunnel;
	struct tunnel_route *route = &tunnel->routes[carrier->route];
	struct tell tell = tunnel_tell(tunnel, carrier);

	/* No such service, or another NAT lies outside: it is the same for every socket. */
	if (!gateway_is_outermost(&status->external, &route->mapped)) {
		route->no_gateway = true;
		lane_set_gateway(carrier->lane, &(struct endpoint){{0}, 0});
		carrier_told(carrier);
		mapping_close(mapping);
		return;
	}
	tell_gateway(&tell, &status->external, gateway_protocol_text(status->by));
	lane_set_gateway(carrier->lane, &status->external);
	carrier_told(carrier);
	tunnel_gateway_fill(tunnel);
}

static void mapping_open(struct tunnel *tunnel, struct carrier *carrier)
{
	struct gateway_config config = {
		.loop = &tunnel->loop,
		.local = tunnel->routes[carrier->route].hosts[0].addr,
		.port = carrier_port(carrier),
		.changed = on_changed,
	};
	struct mapping *mapping = calloc(1, sizeof(*mapping));

	if (!mapping)
		return;
	config.arg = mapping;
	mapping->tunnel = tunnel;
	mapping->carrier = carrier;
	if (gateway_open(&config, &mapping->gateway) < 0) {
		free(mapping);
		return;
	}
	TAILQ_INSERT_TAIL(&tunnel->mappings, mapping, entry);
	tunnel->mapping_count++;
}

void tunnel_gateway_fill(struct tunnel *tunnel)
{
	struct carrier *carrier;

	TAILQ_FOREACH(carrier, &tunnel->carriers, entry) {
		if (tunnel->mapping_count >= MAPPINGS_MAX || is_asking(tunnel))
			return;
		if (route_is_helped(tunnel, &tunnel->routes[carrier->route]) &&
			!lane_is_direct(carrier->lane) && !mapping_of(tunnel, carrier))
			mapping_open(tunnel, carrier);
	}
}

void tunnel_gateway_drop(struct tunnel *tunnel, const struct carrier *carrier)
{
	struct mapping *mapping = mapping_of(tunnel, carrier);

	if (mapping)
		mapping_close(mapping);
}

void tunnel_gateway_reset(struct tunnel *tunnel)
{
	struct carrier *carrier;

	for (unsigned int i = 0; i < tunnel->route_count; i++)
		tunnel->routes[i].no_gateway = false;
	TAILQ_FOREACH(carrier, &tunnel->carriers, entry) {
		if (!mapping_of(tunnel, carrier))
			continue;
		lane_set_gateway(carrier->lane, &(struct endpoint){{0}, 0});
		carrier_told(carrier);
		tunnel_gateway_drop(tunnel, carrier);
	}
}
