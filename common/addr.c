/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

size_t addr_size(uint8_t family)
{
	if (family == AF_INET)
		return 4;
	if (family == AF_INET6)
		return 16;
	return 0;
}

int addr_parse(const char *text, struct addr *out)
{
	struct addr addr = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};

	if (inet_pton(addr.family, text, addr.bytes) != 1)
		return -EINVAL;
	*out = addr;
	return 0;
}

/* The first len characters of text. */
static int addr_parse_part(const char *text, size_t len, struct addr *out)
{
	char copy[ADDR_TEXT];

	if (len >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return addr_parse(copy, out);
}

/*
 * Decimal digits only, without sign, space or leading zero, which strtoul() would let pass.
 * *text is moved behind them.
 */
static int number_parse(const char **text, unsigned int max, unsigned int *out)
{
	const char *p = *text;
	unsigned int value = 0;

	if (*p < '0' || *p > '9' || (p[0] == '0' && p[1] >= '0' && p[1] <= '9'))
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		value = value * 10 + (unsigned int)(*p - '0');
		if (value > max)
			return -EINVAL;
	}
	*text = p;
	*out = value;
	return 0;
}

static int port_parse(const char **text, uint16_t *out)
{
	unsigned int value;

	if (number_parse(text, UINT16_MAX, &value) < 0 || value == 0)
		return -EINVAL;
	*out = (uint16_t)value;
	return 0;
}

/* The address may be in brackets, and IPv6 must be, or "2001:db8::1:80" had two meanings. */
int endpoint_parse(const char *text, uint16_t default_port, struct endpoint *out)
{
	struct endpoint endpoint = {.port = default_port};
	bool bracket = *text == '[';
	const char *end;

	text += bracket;
	end = text + strcspn(text, bracket ? "]" : ":");
	if (addr_parse_part(text, (size_t)(end - text), &endpoint.addr) < 0)
		return -EINVAL;
	if (bracket != (endpoint.addr.family == AF_INET6))
		return -EINVAL;
	if (bracket && *end++ != ']')
		return -EINVAL;
	if (*end == ':') {
		end++;
		if (port_parse(&end, &endpoint.port) < 0)
			return -EINVAL;
	}
	if (*end != '\0' || endpoint.port == 0)
		return -EINVAL;
	*out = endpoint;
	return 0;
}

/* The bits of byte i that belong to a prefix of this length. */
static uint8_t prefix_mask(uint8_t bits, size_t i)
{
	if (bits >= 8 * (i + 1))
		return 0xff;
	if (bits <= 8 * i)
		return 0;
	return (uint8_t)(0xff00 >> (bits - 8 * i));
}

int prefix_parse(const char *text, struct prefix *out)
{
	const char *slash = strchrnul(text, '/');
	struct prefix prefix = {0};
	unsigned int bits;
	size_t size;

	if (addr_parse_part(text, (size_t)(slash - text), &prefix.addr) < 0)
		return -EINVAL;
	size = addr_size(prefix.addr.family);
	bits = (unsigned int)(8 * size);
	if (*slash == '/') {
		slash++;
		if (number_parse(&slash, bits, &bits) < 0 || *slash != '\0')
			return -EINVAL;
	}
	prefix.bits = (uint8_t)bits;
	for (size_t i = 0; i < size; i++) {
		if (prefix.addr.bytes[i] & ~prefix_mask(prefix.bits, i))
			return -EINVAL;
	}
	*out = prefix;
	return 0;
}

static int ports_append(struct ports *ports, uint16_t first, uint16_t last)
{
	for (unsigned int port = first; port <= last; port++) {
		if (ports_index(ports, (uint16_t)port) >= 0)
			return -EINVAL;
		if (ports->count == PORTS_MAX)
			return -ERANGE;
		ports->port[ports->count++] = (uint16_t)port;
	}
	return 0;
}

int ports_parse(const char *text, struct ports *out)
{
	struct ports ports = {0};
	uint16_t first, last;
	int ret;

	for (;; text++) {
		if (port_parse(&text, &first) < 0)
			return -EINVAL;
		last = first;
		if (*text == '-') {
			text++;
			if (port_parse(&text, &last) < 0 || last < first)
				return -EINVAL;
		}
		ret = ports_append(&ports, first, last);
		if (ret < 0)
			return ret;
		if (*text != ',')
			break;
	}
	if (*text != '\0')
		return -EINVAL;
	*out = ports;
	return 0;
}

/* Only brackets tell the colons of an IPv6 address from the one in front of the ports. */
int listen_parse(const char *text, struct addr *addr, struct ports *out)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	bool brackets = len > 1 && text[0] == '[' && text[len - 1] == ']';
	struct addr found = {0};
	char host[ADDR_TEXT];
	int ret;

	if (colon) {
		len -= brackets ? 2 : 0;
		if (len >= sizeof(host))
			return -EADDRNOTAVAIL;
		memcpy(host, text + brackets, len);
		host[len] = '\0';
		if (addr_parse(host, &found) < 0 || brackets != (found.family == AF_INET6))
			return -EADDRNOTAVAIL;
		text = colon + 1;
	}
	ret = ports_parse(text, out);
	if (ret == 0)
		*addr = found;
	return ret;
}

const char *addr_format(const struct addr *addr, char out[static ADDR_TEXT])
{
	if (!addr_size(addr->family) || !inet_ntop(addr->family, addr->bytes, out, ADDR_TEXT))
		memcpy(out, "none", sizeof("none"));
	return out;
}

const char *endpoint_format(const struct endpoint *endpoint, char out[static ENDPOINT_TEXT])
{
	const char *form = endpoint->addr.family == AF_INET6 ? "[%s]:%u" : "%s:%u";
	char text[ADDR_TEXT];

	snprintf(out, ENDPOINT_TEXT, form, addr_format(&endpoint->addr, text), endpoint->port);
	return out;
}

const char *prefix_format(const struct prefix *prefix, char out[static PREFIX_TEXT])
{
	char text[ADDR_TEXT];

	snprintf(out, PREFIX_TEXT, "%s/%u", addr_format(&prefix->addr, text), prefix->bits);
	return out;
}

/* Runs become ranges; ports_parse() reads the same list from the text. */
const char *ports_format(const struct ports *ports, char out[static PORTS_TEXT])
{
	size_t at = 0;

	out[0] = '\0';
	for (unsigned int i = 0, last; i < ports->count; i = last + 1) {
		last = i;
		while (last + 1 < ports->count && ports->port[last + 1] == ports->port[last] + 1)
			last++;
		at += (size_t)snprintf(
			out + at, PORTS_TEXT - at, "%s%u", at ? "," : "", ports->port[i]);
		if (last > i)
			at += (size_t)snprintf(out + at, PORTS_TEXT - at, "-%u", ports->port[last]);
	}
	return out;
}

const char *listen_format(
	const struct addr *addr, const struct ports *ports, char out[static LISTEN_TEXT])
{
	const char *form = addr->family == AF_INET6 ? "[%s]:%s" : "%s:%s";
	char host[ADDR_TEXT], list[PORTS_TEXT];

	if (addr->family)
		snprintf(
			out, LISTEN_TEXT, form, addr_format(addr, host), ports_format(ports, list));
	else
		ports_format(ports, out);
	return out;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && addr_equal(&a->addr, &b->addr);
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->bits == b->bits && addr_equal(&a->addr, &b->addr);
}

bool prefix_contains(const struct prefix *prefix, const struct addr *addr)
{
	size_t size = addr_size(addr->family);

	if (size == 0 || prefix->addr.family != addr->family)
		return false;
	for (size_t i = 0; i < size; i++) {
		if ((addr->bytes[i] ^ prefix->addr.bytes[i]) & prefix_mask(prefix->bits, i))
			return false;
	}
	return true;
}

/* RFC 6890, sections 2.2.2 and 2.2.3. An IPv4-mapped address is never seen on a wire. */
static const struct prefix not_routable[] = {
	{{AF_INET, {0}}, 8},
	{{AF_INET, {127}}, 8},
	{{AF_INET, {169, 254}}, 16},
	{{AF_INET, {224}}, 4},
	{{AF_INET, {255, 255, 255, 255}}, 32},
	{{AF_INET6, {0}}, 128},
	{{AF_INET6, {[15] = 1}}, 128},
	{{AF_INET6, {[10] = 0xff, [11] = 0xff}}, 96},
	{{AF_INET6, {0xfe, 0x80}}, 10},
	{{AF_INET6, {0xff}}, 8},
};

bool addr_is_routable(const struct addr *addr)
{
	if (!addr_size(addr->family))
		return false;
	for (size_t i = 0; i < sizeof(not_routable) / sizeof(not_routable[0]); i++) {
		if (prefix_contains(&not_routable[i], addr))
			return false;
	}
	return true;
}

bool addr_is_private(const struct addr *addr)
{
	static const struct prefix list[] = {
		{{AF_INET, {10}}, 8},
		{{AF_INET, {172, 16}}, 12},
		{{AF_INET, {192, 168}}, 16},
		{{AF_INET, {100, 64}}, 10},
		{{AF_INET6, {0xfc}}, 7},
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		if (prefix_contains(&list[i], addr))
			return true;
	}
	return false;
}

int ports_index(const struct ports *ports, uint16_t port)
{
	for (int i = 0; i < ports->count; i++) {
		if (ports->port[i] == port)
			return i;
	}
	return -1;
}

static uint32_t fnv1a(uint32_t hash, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ data[i]) * 16777619u;
	return hash;
}

uint32_t endpoint_hash(const struct endpoint *endpoint, uint32_t seed)
{
	uint8_t port[] = {(uint8_t)(endpoint->port >> 8), (uint8_t)endpoint->port};
	uint32_t hash = 2166136261u ^ seed;

	hash = fnv1a(hash, endpoint->addr.bytes, addr_size(endpoint->addr.family));
	return fnv1a(hash, port, sizeof(port));
}

socklen_t endpoint_to_sockaddr(const struct endpoint *endpoint, struct sockaddr_storage *out)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(endpoint->port)};

	memset(out, 0, sizeof(*out));
	switch (endpoint->addr.family) {
	case AF_INET:
		memcpy(&sin.sin_addr, endpoint->addr.bytes, sizeof(sin.sin_addr));
		memcpy(out, &sin, sizeof(sin));
		return sizeof(sin);
	case AF_INET6:
		memcpy(&sin6.sin6_addr, endpoint->addr.bytes, sizeof(sin6.sin6_addr));
		memcpy(out, &sin6, sizeof(sin6));
		return sizeof(sin6);
	}
	return 0;
}

/* Copied out, as the caller's memory need not be aligned for the larger structures. */
socklen_t endpoint_to_family(
	const struct endpoint *endpoint, uint8_t family, struct sockaddr_storage *out)
{
	struct endpoint mapped = {.addr = {.family = AF_INET6}, .port = endpoint->port};

	if (family != AF_INET6 || endpoint->addr.family != AF_INET)
		return endpoint_to_sockaddr(endpoint, out);
	memset(mapped.addr.bytes + 10, 0xff, 2);
	memcpy(mapped.addr.bytes + 12, endpoint->addr.bytes, 4);
	return endpoint_to_sockaddr(&mapped, out);
}

int endpoint_from_sockaddr(const struct sockaddr *sa, struct endpoint *out)
{
	struct endpoint endpoint = {0};
	struct sockaddr_in6 sin6;
	struct sockaddr_in sin;

	switch (sa->sa_family) {
	case AF_INET:
		memcpy(&sin, sa, sizeof(sin));
		endpoint.addr.family = AF_INET;
		memcpy(endpoint.addr.bytes, &sin.sin_addr, 4);
		endpoint.port = ntohs(sin.sin_port);
		break;
	case AF_INET6:
		memcpy(&sin6, sa, sizeof(sin6));
		endpoint.port = ntohs(sin6.sin6_port);
		if (IN6_IS_ADDR_V4MAPPED(&sin6.sin6_addr)) {
			endpoint.addr.family = AF_INET;
			memcpy(endpoint.addr.bytes, sin6.sin6_addr.s6_addr + 12, 4);
			break;
		}
		endpoint.addr.family = AF_INET6;
		memcpy(endpoint.addr.bytes, &sin6.sin6_addr, 16);
		break;
	default:
		return -EAFNOSUPPORT;
	}
	*out = endpoint;
	return 0;
}
