/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/natbox/box.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int box_init(struct box *box, const struct box_config *config)
{
	memset(box, 0, sizeof(*box));
	box->config = *config;
	if (wall_init(&box->wall, &box->config.layers[0].nat) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < config->count; i++) {
		box->layers[i] = calloc(1, sizeof(*box->layers[i]));
		if (!box->layers[i])
			goto fail;
		box->layers[i]->config = &box->config.layers[i];
		box->layers[i]->nat = nat_open(&config->layers[i].nat);
		if (!box->layers[i]->nat)
			goto fail;
	}
	return 0;
fail:
	box_fini(box);
	return -ENOMEM;
}

void box_fini(struct box *box)
{
	for (size_t i = 0; i < box->config.count; i++) {
		if (box->layers[i])
			nat_close(box->layers[i]->nat);
		free(box->layers[i]);
	}
	wall_fini(&box->wall);
}

static void outward(struct box *box, size_t at, struct packet *packet, int64_t now_ms);
static void inward(struct box *box, size_t at, struct packet *packet, int64_t now_ms);

/* Back to who sent it: in from this layer on, or out. No error answers an error. */
static void error_send(struct box *box, const struct packet *about, unsigned int type,
	const struct addr *source, size_t at, bool back_in, int64_t now_ms)
{
	uint8_t data[PACKET_ERROR_SIZE];
	struct packet error;

	if (about->kind != PACKET_UDP || about->from.addr.family != AF_INET ||
		!packet_parse(data, packet_error(about, type, source, data), &error))
		return;
	box->counters.errors++;
	if (back_in)
		inward(box, at, &error, now_ms);
	else
		outward(box, at, &error, now_ms);
}

static bool hop(struct box *box, size_t at, struct packet *packet, bool out, int64_t now_ms)
{
	const struct layer_config *config = box->layers[at]->config;

	if (packet_hop(packet))
		return true;
	box->counters.expired++;
	if (box->config.time_exceeded)
		error_send(box, packet, ICMP_TIME, out ? &config->gateway : &config->nat.public,
			out ? at : at + 1, out, now_ms);
	return false;
}

/* A packet comes to the outside of a layer. False: it has ended there. */
static bool layer_in(struct box *box, size_t at, struct packet *packet, int64_t now_ms)
{
	struct layer *layer = box->layers[at];
	const struct nat_config *nat = &layer->config->nat;
	struct endpoint inside;

	switch (packet->kind) {
	case PACKET_UDP:
		if (nat_in(layer->nat, &packet->from, &packet->to, now_ms, &inside)) {
			packet_to_set(packet, &inside);
			return true;
		}
		if (nat->icmp)
			error_send(box, packet, ICMP_PORT, &nat->public, at + 1, false, now_ms);
		return false;
	case PACKET_ERROR:
		if (!nat_inside(layer->nat, &packet->to, &packet->from, &inside))
			break;
		packet_from_set(packet, &inside);
		packet_target_set(packet, &inside.addr);
		return true;
	case PACKET_ECHO:
		if (packet->request || !layer->echo[packet->to.port].family)
			break;
		packet_target_set(packet, &layer->echo[packet->to.port]);
		return true;
	case PACKET_OTHER:
		break;
	}
	box->counters.dropped++;
	return false;
}

/* A packet comes to the inside of a layer. */
static bool layer_out(struct box *box, size_t at, struct packet *packet, int64_t now_ms)
{
	struct layer *layer = box->layers[at];
	const struct nat_config *nat = &layer->config->nat;
	struct endpoint mapped;

	switch (packet->kind) {
	case PACKET_UDP:
		if (!nat_out(layer->nat, &packet->from, &packet->to, now_ms, &mapped))
			return false;
		packet_from_set(packet, &mapped);
		if (!addr_equal(&packet->to.addr, &nat->public))
			return true;
		if (layer_in(box, at, packet, now_ms)) /* hairpinning */
			inward(box, at, packet, now_ms);
		return false;
	case PACKET_ERROR:
		if (!nat_mapped(layer->nat, &packet->to, &packet->from, &mapped))
			break;
		packet_to_set(packet, &mapped);
		packet_source_set(packet, &nat->public);
		return true;
	case PACKET_ECHO:
		if (!packet->request)
			break;
		layer->echo[packet->from.port] = packet->from.addr;
		packet->from.addr = nat->public;
		packet_source_set(packet, &nat->public);
		return true;
	case PACKET_OTHER:
		break;
	}
	box->counters.dropped++;
	return false;
}

/* Out from the inside of layer `at` on. */
static void outward(struct box *box, size_t at, struct packet *packet, int64_t now_ms)
{
	for (; at < box->config.count; at++) {
		if (!hop(box, at, packet, true, now_ms) || !layer_out(box, at, packet, now_ms))
			return;
	}
	box->to_outside(box->data, packet);
}

/* In from the inside of layer `at` on. */
static void inward(struct box *box, size_t at, struct packet *packet, int64_t now_ms)
{
	while (at-- > 0) {
		if (!hop(box, at, packet, false, now_ms) || !layer_in(box, at, packet, now_ms))
			return;
	}
	box->to_inside(box->data, packet);
}

/* One hop for each layer, as in IPv4; but one filter is enough. Multicast is for the link alone. */
static bool wall_pass(struct box *box, struct packet *packet, bool out, int64_t now_ms)
{
	if (packet->to.addr.bytes[0] == 0xff)
		return false;
	for (size_t i = 0; i < box->config.count; i++) {
		if (!packet_hop(packet)) {
			box->counters.expired++;
			return false;
		}
	}
	if (packet->kind != PACKET_UDP)
		return true;
	return out ? wall_out(&box->wall, &packet->from, &packet->to, now_ms)
		   : wall_in(&box->wall, &packet->from, &packet->to, now_ms);
}

void box_out(struct box *box, struct packet *packet, int64_t now_ms)
{
	if (box->config.count && packet->data[0] >> 4 == 4)
		outward(box, 0, packet, now_ms);
	else if (!box->config.count || wall_pass(box, packet, true, now_ms))
		box->to_outside(box->data, packet);
}

void box_in(struct box *box, struct packet *packet, int64_t now_ms)
{
	if (box->config.count && packet->data[0] >> 4 == 4)
		inward(box, box->config.count, packet, now_ms);
	else if (!box->config.count || wall_pass(box, packet, false, now_ms))
		box->to_inside(box->data, packet);
}
