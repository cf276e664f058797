/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/share_list.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool addr_is_loopback(const struct addr *addr)
{
	static const uint8_t loopback6[16] = {[15] = 1};

	if (addr->family == AF_INET)
		return addr->bytes[0] == 127;
	return addr->family == AF_INET6 && memcmp(addr->bytes, loopback6, 16) == 0;
}

/* The address from which this host would talk to the remote one; family 0: unknown. */
static struct addr route_source(const struct endpoint *remote)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(remote, &sa);
	struct endpoint local = {0};
	int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return local.addr;
	if (connect(fd, (struct sockaddr *)&sa, len) == 0) {
		len = sizeof(sa);
		if (getsockname(fd, (struct sockaddr *)&sa, &len) == 0)
			(void)endpoint_from_sockaddr((struct sockaddr *)&sa, &local);
	}
	close(fd);
	return local.addr;
}

/* As the kernel's lookup would weigh them; 0: the remote one's datagrams do not come there. */
static unsigned int socket_rank(
	const struct share_socket *sock, const struct endpoint *remote, const struct addr *source)
{
	uint8_t family = remote->addr.family;

	if (sock->remote.family)
		return 0;
	if (sock->addr.family == 0) {
		if (sock->family == family)
			return 3;
		return family == AF_INET && !sock->v6only ? 2 : 0;
	}
	if (sock->addr.family != family)
		return 0;
	if (addr_equal(&sock->addr, source))
		return 4;
	return addr_is_loopback(&sock->addr) ? 0 : 1;
}

/* Sockets that are one group in the kernel, or can be (udp_reuseport_add_sock()). */
static bool socket_is_peer(const struct share_socket *a, const struct share_socket *b)
{
	return a->family == b->family && a->v6only == b->v6only && a->device == b->device &&
	       (a->addr.family ? addr_equal(&a->addr, &b->addr) : !b->addr.family);
}

static void explain_nobody(const struct share_list *list, uint16_t port, char why[static SHARE_WHY])
{
	const struct share_socket *last = list->count ? &list->sockets[list->count - 1] : NULL;
	char addr[ADDR_TEXT];

	if (!last)
		snprintf(why, SHARE_WHY, "no program of this host has UDP port %u yet", port);
	else if (last->remote.family)
		snprintf(why, SHARE_WHY,
			"the program at UDP port %u is connected to %s, and hears nobody else",
			port, addr_format(&last->remote, addr));
	else
		snprintf(why, SHARE_WHY,
			"the program at UDP port %u listens at %s only, where the relay's "
			"datagrams do not come",
			port,
			last->addr.family ? addr_format(&last->addr, addr) : "IPv6 addresses");
}

/*
 * One that is connected stays in its group, and would be given what is for the others, unless its
 * local address has changed with that (udp_lib_rehash()).
 */
static bool group_is_mixed(const struct share_list *list, unsigned int count, uint16_t port,
	char why[static SHARE_WHY])
{
	char addr[ADDR_TEXT];

	for (unsigned int i = 0; i < count; i++) {
		if (!list->sockets[i].remote.family)
			continue;
		snprintf(why, SHARE_WHY,
			"the program at UDP port %u has a socket more at the same address, "
			"connected to %s",
			port, addr_format(&list->sockets[i].remote, addr));
		return true;
	}
	return false;
}

unsigned int share_list_choose(struct share_list *list, uint16_t port,
	const struct endpoint *remote, char why[static SHARE_WHY])
{
	struct addr source = route_source(remote);
	const struct share_socket *best = NULL;
	struct share_socket chosen, other;
	unsigned int rank = 0, count = 0;

	for (unsigned int i = 0; i < list->count; i++) {
		unsigned int mine = socket_rank(&list->sockets[i], remote, &source);

		if (mine > rank) {
			rank = mine;
			best = &list->sockets[i];
		}
	}
	if (!best) {
		explain_nobody(list, port, why);
		return 0;
	}
	chosen = *best;
	for (unsigned int i = 0; i < list->count; i++) {
		if (!socket_is_peer(&chosen, &list->sockets[i]))
			continue;
		other = list->sockets[count];
		list->sockets[count++] = list->sockets[i];
		list->sockets[i] = other;
	}
	return group_is_mixed(list, count, port, why) ? 0 : count;
}
