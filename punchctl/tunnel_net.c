/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/tunnel_state.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

static const struct endpoint *route_relay(const struct tunnel_route *route)
{
	return &route->tunnel->config->target->relays[route->index];
}

/* The address that leads to the relay; family 0: none does. Nothing is sent. */
static struct addr route_local(const struct tunnel_route *route)
{
	struct endpoint local = {.addr = {.family = route->family}};
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(route_relay(route), &sa);
	int fd = volley_socket(&local);

	local.addr.family = 0;
	if (fd < 0)
		return local.addr;
	if (connect(fd, (struct sockaddr *)&sa, len) == 0)
		volley_local(fd, &local);
	close(fd);
	return local.addr;
}

static void hosts_add(struct tunnel_route *route, const struct addr *addr)
{
	if (addr->family != route->family || !addr_is_routable(addr) ||
		route->host_count == PEER_HOSTS)
		return;
	for (unsigned int i = 0; i < route->host_count; i++) {
		if (addr_equal(&route->hosts[i].addr, addr))
			return;
	}
	route->hosts[route->host_count++] = (struct endpoint){.addr = *addr};
}

/*
 * What leads into a tunnel is no address for the other side: the tunnel may be one that we carry,
 * and would then be found to be the way for itself.
 */
static bool is_tunnel(const struct ifaddrs *at)
{
	char path[sizeof("/sys/class/net//tun_flags") + IF_NAMESIZE];

	if (at->ifa_flags & IFF_POINTOPOINT)
		return true;
	snprintf(path, sizeof(path), "/sys/class/net/%s/tun_flags", at->ifa_name);
	return access(path, F_OK) == 0;
}

static void hosts_read(struct tunnel_route *route)
{
	struct addr local = route_local(route);
	struct ifaddrs *list, *at;
	struct endpoint endpoint;

	route->host_count = 0;
	memset(route->hosts, 0, sizeof(route->hosts));
	hosts_add(route, &local);
	if (getifaddrs(&list) < 0)
		return;
	for (at = list; at; at = at->ifa_next) {
		if (at->ifa_addr && (at->ifa_flags & IFF_UP) && !is_tunnel(at) &&
			endpoint_from_sockaddr(at->ifa_addr, &endpoint) == 0)
			hosts_add(route, &endpoint.addr);
	}
	freeifaddrs(list);
}

static void carrier_set_hosts(const struct tunnel_route *route, struct carrier *carrier)
{
	struct endpoint hosts[PEER_HOSTS];

	memcpy(hosts, route->hosts, sizeof(hosts));
	for (unsigned int i = 0; i < route->host_count; i++)
		hosts[i].port = carrier_port(carrier);
	lane_set_hosts(carrier->lane, hosts, route->host_count);
}

void tunnel_net_tell(struct tunnel *tunnel, struct carrier *carrier)
{
	const struct tunnel_route *route = &tunnel->routes[carrier->route];

	carrier_set_hosts(route, carrier);
	if (route->has_nat)
		lane_set_nat(carrier->lane, &route->nat);
}

static void on_probed(void *arg, const struct natprobe_result *result)
{
	struct tunnel_route *route = arg;
	struct tunnel *tunnel = route->tunnel;
	struct tell tell = tunnel_tell(tunnel, NULL);
	struct carrier *carrier;

	route->nat = result->report;
	route->mapped = result->mapped;
	route->has_nat = result->mapped.addr.family != 0;
	tell.relay = *route_relay(route);
	tell_nat(&tell, &route->nat);
	prober_close(route->prober);
	route->prober = NULL;
	TAILQ_FOREACH(carrier, &tunnel->carriers, entry) {
		if (&tunnel->routes[carrier->route] != route || !route->has_nat)
			continue;
		lane_set_nat(carrier->lane, &route->nat);
		carrier_told(carrier);
	}
	tunnel_gateway_fill(tunnel);
}

static void route_probe(struct tunnel_route *route)
{
	struct tunnel *tunnel = route->tunnel;
	struct prober_config config = {
		.loop = &tunnel->loop,
		.volley = &tunnel->volley,
		.relay = *route_relay(route),
		.local = route_local(route),
		.done = on_probed,
		.arg = route,
	};
	int ret;

	prober_close(route->prober);
	route->prober = NULL;
	ret = prober_open(&config, &route->prober);
	if (ret < 0)
		log_debug("the NAT is not looked at: %s", strerror(-ret));
}

/* True: they are others than before. */
static bool route_look(struct tunnel_route *route)
{
	struct endpoint before[PEER_HOSTS];
	unsigned int count = route->host_count;

	memcpy(before, route->hosts, sizeof(before));
	hosts_read(route);
	if (count != route->host_count)
		return true;
	for (unsigned int i = 0; i < count; i++) {
		if (!endpoint_equal(&before[i], &route->hosts[i]))
			return true;
	}
	return false;
}

void tunnel_net_look(struct tunnel *tunnel)
{
	struct tell tell = tunnel_tell(tunnel, NULL);
	bool first = tunnel->looked_ms == 0, changed = false;
	struct carrier *carrier;

	tunnel->looked_ms = tunnel_now(tunnel);
	for (unsigned int i = 0; i < tunnel->route_count; i++) {
		struct tunnel_route *route = &tunnel->routes[i];
		bool moved = route_look(route);

		if (moved || first)
			route_probe(route);
		changed |= moved;
	}
	if (first || !changed)
		return;
	tell_network(&tell);
	tunnel_gateway_reset(tunnel);
	TAILQ_FOREACH(carrier, &tunnel->carriers, entry) {
		carrier_set_hosts(&tunnel->routes[carrier->route], carrier);
		carrier_network(carrier);
	}
}

void tunnel_net_fini(struct tunnel *tunnel)
{
	for (unsigned int i = 0; i < tunnel->route_count; i++)
		prober_close(tunnel->routes[i].prober);
}
