/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/peer.h"

#include <errno.h>
#include <string.h>

#define KIND_HELLO 1
#define KIND_WORD  2

#define HELLO_BYE	   0x01
#define HELLO_WANTS_DIRECT 0x02
#define HELLO_SHARED	   0x04
#define HELLO_LONELY	   0x08
#define HELLO_SPARE	   0x10
#define HELLO_FLAGS	   0x1f
#define WORD_GO		   0x01
#define WORD_PINNED	   0x02

#define WIRE_ENDPOINT 20
#define WIRE_HELLO    88
#define WIRE_WORD     76
#define STEP_MAX      65535

_Static_assert(WIRE_HELLO + PEER_HOSTS * WIRE_ENDPOINT <= PEER_WIRE, "size of a hello");
_Static_assert(WIRE_WORD + PEER_TARGETS * WIRE_ENDPOINT <= PEER_WIRE, "size of a word");
_Static_assert(NAT_WIRE == 14, "place of a report");

static const uint8_t zeros[PEER_LANE];

static bool lane_is_set(const uint8_t lane[static PEER_LANE])
{
	return memcmp(lane, zeros, PEER_LANE) != 0;
}

/*
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |0 0 0 0 0 0 0 0|    Family     |             Port              |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |          Address: 32 bits and 96 zeros, or 128 bits           |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 * The families are STUN's; all zeros: none.
 */
static void endpoint_put(struct buf *buf, const struct endpoint *endpoint)
{
	size_t size = addr_size(endpoint->addr.family);

	if (size == 0) {
		buf_put_zero(buf, WIRE_ENDPOINT);
		return;
	}
	buf_put_u8(buf, 0);
	buf_put_u8(buf, size == 4 ? 1 : 2);
	buf_put_u16(buf, endpoint->port);
	buf_put(buf, endpoint->addr.bytes, size);
	buf_put_zero(buf, 16 - size);
}

/* What says nothing must be zero, so that there is one form of each message. */
static void zeros_get(struct buf *buf, size_t len)
{
	const uint8_t *p = buf_take(buf, len);

	if (p && memcmp(p, zeros, len) != 0)
		buf->bad = true;
}

static void endpoint_get(struct buf *buf, struct endpoint *out, bool may_be_none)
{
	uint8_t family;

	*out = (struct endpoint){0};
	zeros_get(buf, 1);
	family = buf_get_u8(buf);
	out->port = buf_get_u16(buf);
	if (family == 0 && may_be_none) {
		if (out->port)
			buf->bad = true;
		zeros_get(buf, 16);
		return;
	}
	if ((family != 1 && family != 2) || out->port == 0)
		buf->bad = true;
	out->addr.family = family == 1 ? AF_INET : AF_INET6;
	buf_get(buf, out->addr.bytes, addr_size(out->addr.family));
	zeros_get(buf, 16 - addr_size(out->addr.family));
}

/* A value from 0 to max. */
static unsigned int small_get(struct buf *buf, unsigned int max)
{
	unsigned int value = buf_get_u8(buf);

	if (value <= max)
		return value;
	buf->bad = true;
	return 0;
}

static void hello_check(struct buf *buf, const struct peer_hello *hello)
{
	if (!lane_is_set(hello->lane) || memcmp(hello->lane, hello->peer, PEER_LANE) == 0)
		buf->bad = true;
	/* Nothing can be said of a round that was not named. */
	if (hello->round == 0 && (hello->progress == PEER_READY || hello->last))
		buf->bad = true;
}

/*
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |     Kind      |     Role      |     Flags     |   Progress    |
 * |                             Heard                             |
 * |                       Round-trip time                         |
 * |                             Round                             |
 * |             Last              |     Hosts     |0 0 0 0 0 0 0 0|
 * |                        Lane (128 bits)                        |
 * |                        Peer (128 bits)                        |
 * |                     Report of the NAT (112 bits)              |
 * |                               |0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0|
 * |                      Gateway (160 bits)                       |
 * |                     Hosts (160 bits each)                     |
 */
int peer_hello_decode(const void *data, size_t len, struct peer_hello *out)
{
	unsigned int flags;
	struct buf buf;

	*out = (struct peer_hello){0};
	buf_init_read(&buf, data, len);
	if (buf_get_u8(&buf) != KIND_HELLO)
		return -EPROTO;
	out->role = small_get(&buf, PEER_SERVICE);
	flags = small_get(&buf, HELLO_FLAGS);
	out->bye = flags & HELLO_BYE;
	out->wants_direct = flags & HELLO_WANTS_DIRECT;
	out->shared = flags & HELLO_SHARED;
	out->lonely = flags & HELLO_LONELY;
	out->spare = flags & HELLO_SPARE;
	out->progress = small_get(&buf, PEER_FAILED);
	out->heard = buf_get_u32(&buf);
	out->rtt_ms = buf_get_u32(&buf);
	out->round = buf_get_u32(&buf);
	out->last = buf_get_u16(&buf);
	out->host_count = (uint8_t)small_get(&buf, PEER_HOSTS);
	zeros_get(&buf, 1);
	buf_get(&buf, out->lane, PEER_LANE);
	buf_get(&buf, out->peer, PEER_LANE);
	nat_get(&buf, &out->nat);
	zeros_get(&buf, 2);
	endpoint_get(&buf, &out->gateway, true);
	for (size_t i = 0; i < out->host_count; i++)
		endpoint_get(&buf, &out->hosts[i], false);
	hello_check(&buf, out);
	return buf.bad || buf_left(&buf) ? -EPROTO : 0;
}

static uint8_t hello_flags(const struct peer_hello *hello)
{
	return (uint8_t)((hello->bye ? HELLO_BYE : 0) |
			 (hello->wants_direct ? HELLO_WANTS_DIRECT : 0) |
			 (hello->shared ? HELLO_SHARED : 0) | (hello->lonely ? HELLO_LONELY : 0) |
			 (hello->spare ? HELLO_SPARE : 0));
}

size_t peer_hello_encode(const struct peer_hello *hello, uint8_t out[static PEER_WIRE])
{
	struct buf buf;

	buf_init(&buf, out, PEER_WIRE);
	buf_put_u8(&buf, KIND_HELLO);
	buf_put_u8(&buf, (uint8_t)hello->role);
	buf_put_u8(&buf, hello_flags(hello));
	buf_put_u8(&buf, (uint8_t)hello->progress);
	buf_put_u32(&buf, hello->heard);
	buf_put_u32(&buf, hello->rtt_ms);
	buf_put_u32(&buf, hello->round);
	buf_put_u16(&buf, hello->last);
	buf_put_u8(&buf, hello->host_count);
	buf_put_zero(&buf, 1);
	buf_put(&buf, hello->lane, PEER_LANE);
	buf_put(&buf, hello->peer, PEER_LANE);
	nat_put(&buf, &hello->nat);
	buf_put_zero(&buf, 2);
	endpoint_put(&buf, &hello->gateway);
	for (size_t i = 0; i < hello->host_count && i < PEER_HOSTS; i++)
		endpoint_put(&buf, &hello->hosts[i]);
	return buf.at;
}

static void round_check(struct buf *buf, const struct peer_round *round)
{
	if (round->step > STEP_MAX || round->step < -STEP_MAX || round->low > round->high ||
		round->count > PEER_PROBES_MAX)
		buf->bad = true;
	if (round->plan == PEER_BIRTHDAY && round->part == 1 && round->count > PEER_SOCKETS_MAX)
		buf->bad = true;
	if (round->go && (round->plan == PEER_REST || round->target_count == 0))
		buf->bad = true;
	if (round->number == 0 && (round->go || round->plan != PEER_REST))
		buf->bad = true;
}

/* An answer that names the other's lane is for who is paired with it, and for nobody else. */
static void word_check(struct buf *buf, const struct peer_word *word)
{
	if (lane_is_set(word->peer) != (word->state == PEER_PAIRED))
		buf->bad = true;
	if (word->pinned && word->state != PEER_PAIRED)
		buf->bad = true;
	if (word->share_low > word->share_high || !word->share_low != !word->share_high)
		buf->bad = true;
	round_check(buf, &word->round);
}

/*
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |     Kind      |     State     |     Flags     |     Plan      |
 * |                            Serial                             |
 * |                        Peer (128 bits)                        |
 * |                     Alternate (160 bits)                      |
 * |                             Round                             |
 * |     Part      |    Targets    |             Pace              |
 * |                             Delay                             |
 * |                             Limit                             |
 * |             Count             |             Last              |
 * |                             Step                              |
 * |              Low              |             High              |
 * |           Share low           |          Share high           |
 * |                    Targets (160 bits each)                    |
 */
int peer_word_decode(const void *data, size_t len, struct peer_word *out)
{
	struct peer_round *round = &out->round;
	unsigned int flags;
	struct buf buf;

	*out = (struct peer_word){0};
	buf_init_read(&buf, data, len);
	if (buf_get_u8(&buf) != KIND_WORD)
		return -EPROTO;
	out->state = small_get(&buf, PEER_CLOSED);
	flags = small_get(&buf, WORD_GO | WORD_PINNED);
	round->go = flags & WORD_GO;
	out->pinned = flags & WORD_PINNED;
	round->plan = small_get(&buf, PEER_BIRTHDAY);
	out->serial = buf_get_u32(&buf);
	buf_get(&buf, out->peer, PEER_LANE);
	endpoint_get(&buf, &out->alternate, true);
	round->number = buf_get_u32(&buf);
	round->part = (uint8_t)small_get(&buf, 1);
	round->target_count = (uint8_t)small_get(&buf, PEER_TARGETS);
	round->pace_ms = buf_get_u16(&buf);
	round->delay_ms = buf_get_u32(&buf);
	round->limit_ms = buf_get_u32(&buf);
	round->count = buf_get_u16(&buf);
	round->last = buf_get_u16(&buf);
	round->step = (int32_t)buf_get_u32(&buf);
	round->low = buf_get_u16(&buf);
	round->high = buf_get_u16(&buf);
	out->share_low = buf_get_u16(&buf);
	out->share_high = buf_get_u16(&buf);
	for (size_t i = 0; i < round->target_count; i++)
		endpoint_get(&buf, &round->targets[i], false);
	word_check(&buf, out);
	return buf.bad || buf_left(&buf) ? -EPROTO : 0;
}

size_t peer_word_encode(const struct peer_word *word, uint8_t out[static PEER_WIRE])
{
	const struct peer_round *round = &word->round;
	struct buf buf;

	buf_init(&buf, out, PEER_WIRE);
	buf_put_u8(&buf, KIND_WORD);
	buf_put_u8(&buf, (uint8_t)word->state);
	buf_put_u8(&buf, (round->go ? WORD_GO : 0) | (word->pinned ? WORD_PINNED : 0));
	buf_put_u8(&buf, (uint8_t)round->plan);
	buf_put_u32(&buf, word->serial);
	buf_put(&buf, word->peer, PEER_LANE);
	endpoint_put(&buf, &word->alternate);
	buf_put_u32(&buf, round->number);
	buf_put_u8(&buf, round->part);
	buf_put_u8(&buf, round->target_count);
	buf_put_u16(&buf, round->pace_ms);
	buf_put_u32(&buf, round->delay_ms);
	buf_put_u32(&buf, round->limit_ms);
	buf_put_u16(&buf, round->count);
	buf_put_u16(&buf, round->last);
	buf_put_u32(&buf, (uint32_t)round->step);
	buf_put_u16(&buf, round->low);
	buf_put_u16(&buf, round->high);
	buf_put_u16(&buf, word->share_low);
	buf_put_u16(&buf, word->share_high);
	for (size_t i = 0; i < round->target_count && i < PEER_TARGETS; i++)
		endpoint_put(&buf, &round->targets[i]);
	return buf.at;
}

void peer_key(const char *stream_key, enum peer_role sender, const uint8_t client[static PEER_LANE],
	const uint8_t service[static PEER_LANE], uint8_t out[static MAC_SHA256])
{
	static const char label[] = "punchrelay direct";
	const uint8_t role = (uint8_t)sender;
	const struct mac_part parts[] = {
		{label, sizeof(label) - 1},
		{&role, 1},
		{client, PEER_LANE},
		{service, PEER_LANE},
	};

	mac_hmac_sha256(
		stream_key, strlen(stream_key), parts, sizeof(parts) / sizeof(parts[0]), out);
}
