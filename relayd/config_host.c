/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/config_host.h"

#include <net/if.h>
#include <stdio.h>

#define NAMED 4 /* addresses in a message */

/* Interfaces without an address, and packet sockets, are in the list as well. */
static bool host_addr(const struct ifaddrs *entry, struct addr *out)
{
	struct endpoint endpoint;

	if (!entry->ifa_addr || endpoint_from_sockaddr(entry->ifa_addr, &endpoint) < 0)
		return false;
	*out = endpoint.addr;
	return true;
}

bool config_host_has(const struct ifaddrs *host, const struct addr *addr)
{
	struct addr own;

	for (; host; host = host->ifa_next) {
		if (host_addr(host, &own) && addr_equal(&own, addr))
			return true;
	}
	return false;
}

static bool contains(const struct addr *list, size_t count, const struct addr *addr)
{
	for (size_t i = 0; i < count; i++) {
		if (addr_equal(&list[i], addr))
			return true;
	}
	return false;
}

/* One address may stand on two interfaces. */
size_t config_host_global(const struct ifaddrs *host, struct addr *out, size_t max)
{
	size_t count = 0;
	struct addr addr;

	for (; host; host = host->ifa_next) {
		if (!(host->ifa_flags & IFF_UP) || !host_addr(host, &addr) ||
			!addr_is_routable(&addr))
			continue;
		if (contains(out, count < max ? count : max, &addr))
			continue;
		if (count < max)
			out[count] = addr;
		count++;
	}
	return count;
}

const char *config_host_format(const struct ifaddrs *host, char *out, size_t size)
{
	struct addr addrs[NAMED];
	size_t count = config_host_global(host, addrs, NAMED), at = 0;
	char text[ADDR_TEXT];

	snprintf(out, size, "none");
	for (size_t i = 0; i < count && i < NAMED && at < size; i++)
		at += (size_t)snprintf(
			out + at, size - at, "%s%s", i ? ", " : "", addr_format(&addrs[i], text));
	if (count > NAMED && at < size)
		snprintf(out + at, size - at, ", ...");
	return out;
}
