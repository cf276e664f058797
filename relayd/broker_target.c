/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where one peer may be told to send: nowhere that the other has not proven to be its own, but for
 * private addresses among those who are behind one public address.
 */
#include "relayd/broker_inner.h"

#define PORT_MIN 1024 /* sockets of peers have ephemeral ports; others may be a service's */

/* RFC 1918; RFC 4193. */
static bool is_private(const struct addr *addr)
{
	static const struct prefix prefixes[] = {
		{{AF_INET, {10}}, 8},
		{{AF_INET, {172, 16}}, 12},
		{{AF_INET, {192, 168}}, 16},
		{{AF_INET6, {0xfc}}, 7},
	};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (prefix_contains(&prefixes[i], addr))
			return true;
	return false;
}

static bool is_own(const struct broker *broker, const struct lane *lane, const struct addr *addr)
{
	return addr_equal(addr, &lane->hole.punch.addr) ||
	       (broker->config.own && broker->config.own(broker->config.arg, addr));
}

static void target_add(const struct broker *broker, const struct lane *lane,
	const struct endpoint *target, struct endpoint *out, uint8_t *count)
{
	if (*count == PEER_TARGETS || !target->port || !addr_is_routable(&target->addr) ||
		is_own(broker, lane, &target->addr))
		return;
	for (uint8_t i = 0; i < *count; i++)
		if (endpoint_equal(&out[i], target))
			return;
	out[(*count)++] = *target;
}

uint8_t target_fill(const struct broker *broker, const struct lane *lane, const struct lane *other,
	struct endpoint out[static PEER_TARGETS])
{
	const struct peer_hello *hello = &other->hello;
	const struct addr *proven = &other->hole.client.addr;
	bool neighbours = addr_equal(&lane->hole.client.addr, proven);
	uint8_t count = 0;

	target_add(broker, lane, &other->hole.client, out, &count);
	for (uint8_t i = 0; i < hello->host_count; i++) {
		const struct endpoint *host = &hello->hosts[i];

		if (host->port < PORT_MIN || host->addr.family != proven->family)
			continue;
		if (addr_equal(&host->addr, proven) || (neighbours && is_private(&host->addr)))
			target_add(broker, lane, host, out, &count);
	}
	if (hello->gateway.port >= PORT_MIN && addr_equal(&hello->gateway.addr, proven))
		target_add(broker, lane, &hello->gateway, out, &count);
	return count;
}
