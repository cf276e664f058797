/* SPDX-License-Identifier: GPL-2.0-or-later */
/* addr: IPv4 and IPv6 addresses, endpoints, prefixes and port lists as plain values. */
#ifndef COMMON_ADDR_H
#define COMMON_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* An address; 4 or 16 of the bytes count, in network order, the others are zero. */
struct addr {
	uint8_t family; /* AF_INET, AF_INET6, or 0 for "none" */
	uint8_t bytes[16];
};

/* A transport address; the port is in host order. */
struct endpoint {
	struct addr addr;
	uint16_t port;
};

struct prefix {
	struct addr addr; /* host bits are zero */
	uint8_t bits;
};

/* An ordered list of UDP ports without repetition. */
#define PORTS_MAX 64
struct ports {
	uint16_t count;
	uint16_t port[PORTS_MAX];
};

/* Sizes of texts, with the terminating zero. */
#define ADDR_TEXT     46
#define ENDPOINT_TEXT 54
#define PREFIX_TEXT   50
#define PORTS_TEXT    (PORTS_MAX * 6 + 1)
#define LISTEN_TEXT   (ADDR_TEXT + 2 + PORTS_TEXT)

/* Bytes of an address of this family: 4, 16, or 0. */
size_t addr_size(uint8_t family);

/* Parsers take the whole text or nothing: 0, or -EINVAL and *out untouched. */
int addr_parse(const char *text, struct addr *out);
/* "192.0.2.1:5004", "[2001:db8::1]:5004"; without a port, default_port (0: a port must be there).
 */
int endpoint_parse(const char *text, uint16_t default_port, struct endpoint *out);
/* "192.0.2.0/24"; without a length the whole address. Host bits that are set are an error. */
int prefix_parse(const char *text, struct prefix *out);
/* "9099", "9099-9102", "9099,9101", and mixtures. -ERANGE: more than PORTS_MAX. */
int ports_parse(const char *text, struct ports *out);
/*
 * Ports, or ports of one address: "9099-9102", "192.0.2.1:9099", "[2001:db8::1]:9099,9101". Without
 * an address its family is 0. -ERANGE: more than PORTS_MAX; -EADDRNOTAVAIL: what stands in front of
 * the ports is no address.
 */
int listen_parse(const char *text, struct addr *addr, struct ports *out);

/* Formatters return out, so that they can stand in an argument list. */
const char *addr_format(const struct addr *addr, char out[static ADDR_TEXT]);
const char *endpoint_format(const struct endpoint *endpoint, char out[static ENDPOINT_TEXT]);
const char *prefix_format(const struct prefix *prefix, char out[static PREFIX_TEXT]);
const char *ports_format(const struct ports *ports, char out[static PORTS_TEXT]);
const char *listen_format(
	const struct addr *addr, const struct ports *ports, char out[static LISTEN_TEXT]);

bool addr_equal(const struct addr *a, const struct addr *b);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);
bool prefix_equal(const struct prefix *a, const struct prefix *b);
bool prefix_contains(const struct prefix *prefix, const struct addr *addr);
/* A host can be reached at it: not unspecified, loopback, link-local, multicast or broadcast. */
bool addr_is_routable(const struct addr *addr);
/* It is only good at home: RFC 1918, 6598 and 4193. */
bool addr_is_private(const struct addr *addr);
/* Index of the port in the list, or -1. */
int ports_index(const struct ports *ports, uint16_t port);

/* FNV-1a, for tables whose keys an attacker does not choose freely; the seed is the table's. */
uint32_t endpoint_hash(const struct endpoint *endpoint, uint32_t seed);

/* Returns the length of what was written. */
socklen_t endpoint_to_sockaddr(const struct endpoint *endpoint, struct sockaddr_storage *out);
/* For a socket of this family: an IPv6 one takes IPv4 addresses in its own form. */
socklen_t endpoint_to_family(
	const struct endpoint *endpoint, uint8_t family, struct sockaddr_storage *out);
/* -EAFNOSUPPORT for other families. IPv4-mapped IPv6 addresses become IPv4. */
int endpoint_from_sockaddr(const struct sockaddr *sa, struct endpoint *out);

#endif
