/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/natbox/packet.h"

#include <netinet/in.h>
#include <string.h>

/* RFC 791, 792, 768 and 8200; RFC 1624 for checksums. */
#define IP4_SIZE	 20
#define IP6_SIZE	 40
#define UDP_SIZE	 8
#define ICMP_SIZE	 8
#define ICMP_ECHO_ANSWER 0
#define ICMP_UNREACHABLE 3
#define ICMP_ECHO	 8
#define ICMP_EXCEEDED	 11
#define ICMP_PARAMETER	 12

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, unsigned int value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static uint16_t checksum(const uint8_t *p, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < size; i += 2)
		sum += get16(p + i);
	if (size % 2)
		sum += (uint32_t)p[size - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Writes 16 bits that a checksum covers: HC' = ~(~HC + ~m + m'). */
static void covered_put16(uint8_t *sum, uint8_t *p, uint16_t value)
{
	uint32_t next = (uint16_t)~get16(sum) + (uint32_t)(uint16_t)~get16(p) + value;

	next = (next & 0xffff) + (next >> 16);
	next = (next & 0xffff) + (next >> 16);
	put16(p, value);
	put16(sum, ~next);
}

static size_t ip4_size(const uint8_t *ip)
{
	return (size_t)(ip[0] & 15) * 4;
}

static struct endpoint endpoint_get(uint8_t family, const uint8_t *addr, const uint8_t *port)
{
	struct endpoint endpoint = {.addr.family = family, .port = port ? get16(port) : 0};

	memcpy(endpoint.addr.bytes, addr, addr_size(family));
	return endpoint;
}

static void endpoints_get(struct packet *out, uint8_t *ip, const uint8_t *from, const uint8_t *to)
{
	out->from = endpoint_get(AF_INET, ip + 12, from);
	out->to = endpoint_get(AF_INET, ip + 16, to);
	out->udp = ip;
}

static bool is_error(uint8_t type)
{
	return type == ICMP_UNREACHABLE || type == ICMP_EXCEEDED || type == ICMP_PARAMETER;
}

/* Eight bytes of what was quoted are promised, and a UDP header is as long. */
static void icmp_parse(uint8_t *icmp, size_t size, struct packet *out)
{
	uint8_t *quote = icmp + ICMP_SIZE;

	if (size < ICMP_SIZE)
		return;
	if (icmp[0] == ICMP_ECHO || icmp[0] == ICMP_ECHO_ANSWER) {
		out->kind = PACKET_ECHO;
		out->request = icmp[0] == ICMP_ECHO;
		endpoints_get(out, out->data, icmp + 4, icmp + 4);
		return;
	}
	if (!is_error(icmp[0]) || size < ICMP_SIZE + IP4_SIZE + UDP_SIZE)
		return;
	if (quote[0] >> 4 != 4 || quote[9] != IPPROTO_UDP || ip4_size(quote) < IP4_SIZE ||
		size < ICMP_SIZE + ip4_size(quote) + UDP_SIZE)
		return;
	out->kind = PACKET_ERROR;
	endpoints_get(out, quote, quote + ip4_size(quote), quote + ip4_size(quote) + 2);
}

static bool ip4_parse(uint8_t *ip, struct packet *out)
{
	size_t head = out->size < IP4_SIZE ? 0 : ip4_size(ip);

	if (head < IP4_SIZE || get16(ip + 2) < head || get16(ip + 2) > out->size)
		return false;
	out->size = get16(ip + 2);
	endpoints_get(out, ip, NULL, NULL);
	if (get16(ip + 6) & 0x3fff)
		return true;
	if (ip[9] == IPPROTO_ICMP)
		icmp_parse(ip + head, out->size - head, out);
	if (ip[9] != IPPROTO_UDP || out->size < head + UDP_SIZE)
		return true;
	out->kind = PACKET_UDP;
	endpoints_get(out, ip, ip + head, ip + head + 2);
	return true;
}

static bool ip6_parse(uint8_t *ip, struct packet *out)
{
	bool udp = out->size >= IP6_SIZE + UDP_SIZE && ip[6] == IPPROTO_UDP;

	if (out->size < IP6_SIZE)
		return false;
	out->from = endpoint_get(AF_INET6, ip + 8, udp ? ip + IP6_SIZE : NULL);
	out->to = endpoint_get(AF_INET6, ip + 24, udp ? ip + IP6_SIZE + 2 : NULL);
	out->kind = udp ? PACKET_UDP : PACKET_OTHER;
	return true;
}

bool packet_parse(uint8_t *data, size_t size, struct packet *out)
{
	*out = (struct packet){.data = data, .size = size, .kind = PACKET_OTHER};
	if (size < 1)
		return false;
	if (data[0] >> 4 == 4)
		return ip4_parse(data, out);
	return data[0] >> 4 == 6 && ip6_parse(data, out);
}

bool packet_hop(struct packet *packet)
{
	uint8_t *ip = packet->data;

	if (ip[0] >> 4 == 6)
		return ip[7] > 1 && --ip[7];
	if (ip[8] <= 1)
		return false;
	covered_put16(ip + 10, ip + 8, (uint16_t)(get16(ip + 8) - 0x100));
	return true;
}

static void addr_put(uint8_t *ip, size_t at, const struct addr *addr, uint8_t *udp_sum)
{
	for (size_t i = 0; i < 4; i += 2) {
		uint8_t old[2] = {ip[at + i], ip[at + i + 1]};

		covered_put16(ip + 10, ip + at + i, get16(addr->bytes + i));
		if (udp_sum)
			covered_put16(udp_sum, old, get16(addr->bytes + i));
	}
}

/* A UDP checksum of zero is none, RFC 768; one that becomes zero is written as ones. */
static void endpoint_put(uint8_t *ip, bool to, const struct endpoint *endpoint)
{
	uint8_t *udp = ip + ip4_size(ip), *sum = get16(udp + 6) ? udp + 6 : NULL;
	uint8_t *port = udp + (to ? 2 : 0);

	addr_put(ip, to ? 16 : 12, &endpoint->addr, sum);
	if (!sum) {
		put16(port, endpoint->port);
		return;
	}
	covered_put16(sum, port, endpoint->port);
	if (!get16(sum))
		put16(sum, 0xffff);
}

static void icmp_sum(struct packet *packet)
{
	uint8_t *icmp = packet->data + ip4_size(packet->data);

	put16(icmp + 2, 0);
	put16(icmp + 2, checksum(icmp, packet->size - ip4_size(packet->data)));
}

static void endpoint_set(struct packet *packet, bool to, const struct endpoint *endpoint)
{
	endpoint_put(packet->udp, to, endpoint);
	if (packet->kind == PACKET_ERROR)
		icmp_sum(packet);
}

void packet_from_set(struct packet *packet, const struct endpoint *from)
{
	packet->from = *from;
	endpoint_set(packet, false, from);
}

void packet_to_set(struct packet *packet, const struct endpoint *to)
{
	packet->to = *to;
	endpoint_set(packet, true, to);
}

void packet_source_set(struct packet *packet, const struct addr *source)
{
	addr_put(packet->data, 12, source, NULL);
}

void packet_target_set(struct packet *packet, const struct addr *target)
{
	addr_put(packet->data, 16, target, NULL);
}

size_t packet_error(const struct packet *about, unsigned int type_and_code,
	const struct addr *source, uint8_t out[static PACKET_ERROR_SIZE])
{
	size_t room = PACKET_ERROR_SIZE - IP4_SIZE - ICMP_SIZE;
	size_t quoted = about->size < room ? about->size : room;
	struct packet error = {.data = out, .size = IP4_SIZE + ICMP_SIZE + quoted};

	memset(out, 0, IP4_SIZE + ICMP_SIZE);
	out[0] = 0x45;
	put16(out + 2, (unsigned int)error.size);
	out[8] = 64;
	out[9] = IPPROTO_ICMP;
	memcpy(out + 12, source->bytes, 4);
	memcpy(out + 16, about->from.addr.bytes, 4);
	put16(out + 10, checksum(out, IP4_SIZE));
	put16(out + IP4_SIZE, type_and_code);
	memcpy(out + IP4_SIZE + ICMP_SIZE, about->data, quoted);
	icmp_sum(&error);
	return error.size;
}
