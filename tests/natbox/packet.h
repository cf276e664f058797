/* SPDX-License-Identifier: GPL-2.0-or-later */
/* packet: an IP packet of which a NAT reads and rewrites addresses, ports and TTL. */
#ifndef TESTS_NATBOX_PACKET_H
#define TESTS_NATBOX_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

enum packet_kind {
	PACKET_UDP,
	PACKET_ERROR, /* ICMP, about a UDP packet that it quotes */
	PACKET_ECHO,  /* ICMP echo request or answer; both ports are its id */
	PACKET_OTHER,
};

struct packet {
	uint8_t *data; /* from the IP header on, the caller's */
	size_t size;
	enum packet_kind kind;
	bool request;		  /* ECHO */
	struct endpoint from, to; /* ERROR: of the packet that it quotes */
	uint8_t *udp;		  /* UDP, ERROR: the IP header before from and to */
};

/* False: not whole. IPv4 fragments and IPv6 extension headers make it PACKET_OTHER. */
bool packet_parse(uint8_t *data, size_t size, struct packet *out);
/* One hop. False: its time is over. */
bool packet_hop(struct packet *packet);

/* IPv4 only. Of an ERROR they change what is quoted. */
void packet_from_set(struct packet *packet, const struct endpoint *from);
void packet_to_set(struct packet *packet, const struct endpoint *to);
/* The addresses of an ERROR or an ECHO itself. */
void packet_source_set(struct packet *packet, const struct addr *source);
void packet_target_set(struct packet *packet, const struct addr *target);

/* An ICMP error about an IPv4 packet, to who sent it, in out; its size. */
#define PACKET_ERROR_SIZE 128
#define ICMP_PORT	  0x0303 /* port unreachable */
#define ICMP_TIME	  0x0b00 /* time to live exceeded */
size_t packet_error(const struct packet *about, unsigned int type_and_code,
	const struct addr *source, uint8_t out[static PACKET_ERROR_SIZE]);

#endif
