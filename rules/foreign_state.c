/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <netinet/in.h>
#include <string.h>

#include <linux/netfilter.h>

#include "rules/foreign_eval.h"

enum truth truth_not(enum truth truth)
{
	return truth == MAYBE ? MAYBE : truth == YES ? NO : YES;
}

enum truth truth_and(enum truth a, enum truth b)
{
	return a == NO || b == NO ? NO : a == YES && b == YES ? YES : MAYBE;
}

enum truth truth_or(enum truth a, enum truth b)
{
	return truth_not(truth_and(truth_not(a), truth_not(b)));
}

enum truth fact_is(struct fact fact, uint32_t mask, uint32_t value)
{
	const uint32_t known = fact.known & mask;

	if ((fact.value & known) != (value & known) || (value & ~mask))
		return NO;
	return known == mask ? YES : MAYBE;
}

void fact_set(struct fact *fact, uint32_t value, uint32_t known, bool doubtful)
{
	if (doubtful)
		known &= fact->known & ~(fact->value ^ value);
	*fact = (struct fact){value & known, known};
}

static void bytes_put(struct foreign_bytes *bytes, size_t at, const void *data, size_t len)
{
	memcpy(bytes->value + at, data, len);
	memset(bytes->known + at, 0xff, len);
}

static void bytes_put_u8(struct foreign_bytes *bytes, size_t at, uint8_t value, uint8_t known)
{
	bytes->value[at] = value & known;
	bytes->known[at] = known;
}

static void bytes_put_u16(struct foreign_bytes *bytes, size_t at, uint16_t value)
{
	const uint8_t data[] = {(uint8_t)(value >> 8), (uint8_t)value};

	bytes_put(bytes, at, data, sizeof(data));
}

/* RFC 791: no options; RFC 8200: no extensions. Lengths, TTL and the like are not known. */
static void network_fill(struct foreign_bytes *bytes, const struct foreign_state *state)
{
	if (state->family == NFPROTO_IPV4) {
		bytes->network = 20;
		bytes_put_u8(bytes, 0, 0x45, 0xff);
		bytes_put_u8(bytes, 6, 0, 0xbf); /* DF may be set; not a fragment */
		bytes_put_u8(bytes, 7, 0, 0xff);
		bytes_put_u8(bytes, 9, IPPROTO_UDP, 0xff);
		bytes_put(bytes, 12, state->source.addr.bytes, 4);
		bytes_put(bytes, 16, state->dest.addr.bytes, 4);
		return;
	}
	bytes->network = 40;
	bytes_put_u8(bytes, 0, 0x60, 0xf0);
	bytes_put_u8(bytes, 6, IPPROTO_UDP, 0xff);
	bytes_put(bytes, 8, state->source.addr.bytes, 16);
	bytes_put(bytes, 24, state->dest.addr.bytes, 16);
}

/* STUN (RFC 8489, 5), or what begins as RTP does (RFC 3550, 5.1). */
static void payload_fill(struct foreign_bytes *bytes, enum foreign_way way)
{
	static const uint8_t cookie[] = {0x21, 0x12, 0xa4, 0x42};
	const size_t at = bytes->network + 8;

	switch (way) {
	case FOREIGN_MEDIA:
	case FOREIGN_REPLY:
		bytes_put_u8(bytes, at, 0x80, 0xc0);
		break;
	case FOREIGN_PUNCH:
		bytes_put_u16(bytes, at, 0x0001);
		bytes_put(bytes, at + 4, cookie, sizeof(cookie));
		break;
	case FOREIGN_ANSWER:
		bytes_put_u8(bytes, at, 0x01, 0xff);
		bytes_put_u8(bytes, at + 1, 0x01, 0xef); /* success or error */
		bytes_put(bytes, at + 4, cookie, sizeof(cookie));
		break;
	}
}

void foreign_state_rewrite(
	struct foreign_state *state, const struct endpoint *source, const struct endpoint *dest)
{
	struct foreign_bytes *bytes = &state->bytes;

	state->source = *source;
	state->dest = *dest;
	*bytes = (struct foreign_bytes){0};
	network_fill(bytes, state);
	bytes->len = bytes->network + HEADER_TRANSPORT;
	bytes_put_u16(bytes, bytes->network, source->port);
	bytes_put_u16(bytes, bytes->network + 2, dest->port);
	payload_fill(bytes, state->packet->way);
}

static void interface_set(const char **name, struct fact *index, const char *given, bool there)
{
	*name = !there ? "" : *given ? given : NULL;
	*index = (struct fact){0};
	if (!there)
		index->known = UINT32_MAX;
	else if (*given)
		*index = (struct fact){if_nametoindex(given), UINT32_MAX};
	if (there && !index->value)
		index->known = 0;
}

void foreign_state_move(struct foreign_state *state, uint8_t hook)
{
	const struct foreign_packet *packet = state->packet;

	state->hook = hook;
	interface_set(&state->iifname, &state->iif, packet->in, packet->way != FOREIGN_ANSWER);
	interface_set(&state->oifname, &state->oif, packet->out,
		hook == NF_INET_FORWARD || hook == NF_INET_POST_ROUTING ||
			hook == NF_INET_LOCAL_OUT);
}

bool foreign_is_reply(const struct foreign_state *state)
{
	return state->packet->way == FOREIGN_REPLY || state->packet->way == FOREIGN_ANSWER;
}

struct fact foreign_ct_state(const struct foreign_state *state)
{
	const bool established = foreign_is_reply(state) || state->packet->replied;
	const uint32_t tracked = NF_CT_STATE_BIT_OF(established ? IP_CT_ESTABLISHED : IP_CT_NEW);
	uint32_t value = 0, possible = 0;

	if (state->entry != NO) {
		possible |= tracked;
		value = tracked;
	}
	if (state->untracked != NO) {
		possible |= CT_STATE_UNTRACKED;
		value = CT_STATE_UNTRACKED;
	}
	if (state->entry == NO && state->untracked != YES) {
		possible |= CT_STATE_INVALID;
		value = CT_STATE_INVALID;
	}
	if (possible & (possible - 1))
		return (struct fact){0, ~possible};
	return (struct fact){value, UINT32_MAX};
}

/* The flow's addresses as its first packet bore them, or as answers to it do. */
bool foreign_ct_tuple(const struct foreign_state *state, bool reply, struct endpoint *source,
	struct endpoint *dest)
{
	const struct foreign_packet *packet = state->packet;
	const bool ours = reply == foreign_is_reply(state);

	*source = ours ? packet->source : packet->dest;
	*dest = ours ? packet->dest : packet->source;
	if (packet->way == FOREIGN_PUNCH || packet->way == FOREIGN_ANSWER || ours)
		return true;
	/* Before its translation the first packet's answer would come from where it was sent to. */
	if (packet->first && !(state->ct_status.value & CT_STATUS_DNAT))
		return state->ct_status.known & CT_STATUS_DNAT;
	*source = packet->to;
	if (!packet->first || (state->ct_status.value & CT_STATUS_SNAT))
		*dest = packet->from;
	return true;
}
