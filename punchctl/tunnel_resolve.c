/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The relay's name, looked up again: who is silent may have moved. */
#include "punchctl/tunnel_state.h"

#include <string.h>

#include "common/log.h"

#define AGAIN_MS 30000 /* between two questions, however long the relay is silent */

static void on_found(void *arg, int error, const struct addrinfo *found)
{
	struct tunnel *tunnel = arg;
	struct target *target = tunnel->config->target, fresh = *target;
	unsigned int index[TUNNEL_ROUTES];
	char text[ENDPOINT_TEXT];
	bool moved = false;

	resolver_close(tunnel->resolver);
	tunnel->resolver = NULL;
	if (error || target_take(&fresh, found) == 0)
		return;
	for (unsigned int i = 0; i < tunnel->route_count; i++)
		index[i] = target_keep(&fresh, &target->relays[tunnel->routes[i].index]);
	for (unsigned int i = 0; i < tunnel->route_count; i++) {
		struct tunnel_route *route = &tunnel->routes[i];
		const struct endpoint *now = &fresh.relays[index[i]];

		if (!endpoint_equal(now, &target->relays[route->index])) {
			moved = true;
			log_notice("%s is at %s now", target->host, endpoint_format(now, text));
		}
		route->index = index[i];
	}
	*target = fresh;
	if (moved)
		tunnel_carrier_move(tunnel);
}

void tunnel_resolve_look(struct tunnel *tunnel)
{
	const struct target *target = tunnel->config->target;
	int64_t now = tunnel_now(tunnel);
	bool silent = false;
	int ret;

	for (unsigned int i = 0; i < tunnel->route_count; i++)
		silent |= tunnel->routes[i].silent;
	if (!silent || tunnel->resolver || target_is_address(target) ||
		(tunnel->resolved_ms && now - tunnel->resolved_ms < AGAIN_MS))
		return;
	tunnel->resolved_ms = now;
	ret = resolver_open(&tunnel->loop, target->host, on_found, tunnel, &tunnel->resolver);
	if (ret < 0)
		log_debug("%s is not looked up: %s", target->host, strerror(-ret));
}

void tunnel_resolve_fini(struct tunnel *tunnel)
{
	resolver_close(tunnel->resolver);
	tunnel->resolver = NULL;
}
