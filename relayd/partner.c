/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/partner.h"

#include <string.h>

/*
 * PUNCH-PARTNER behind its magic; HELLO goes on with four ports, EMIT with the id's first 4 bytes
 * and two endpoints: family (1 or 2), zero, port, address.
 *
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +---------------+---------------+-------------------------------+
 * |     kind      |     flags     |               0               |
 * +---------------+---------------+-------------------------------+
 * |        session, echo of the other's session, counter:         |
 * |                         64 bits each                          |
 */
enum kind { HELLO = 1, EMIT = 2 };

#define FLAG_RFC3489 1
#define FLAG_ARRIVED 2 /* at the other port */
#define FLAG_LEAVES  4 /* from the other port */

struct head {
	uint8_t kind, flags;
	uint64_t session, echo, counter;
};

void partner_init(struct partner *partner, const struct endpoint *local, const struct endpoint *at,
	const char *key, uint64_t session)
{
	memset(partner, 0, sizeof(*partner));
	partner->local = *local;
	partner->at = *at;
	partner->key = key;
	partner->mine = session;
	partner->heard_ms = -1;
}

bool partner_is_alive(const struct partner *partner, int64_t now_ms)
{
	return partner->at.addr.family && partner->heard_ms >= 0 &&
	       now_ms - partner->heard_ms < PARTNER_ALIVE_MS;
}

/* Whoever has gone back in time would be taken for a recording for ever. */
static void session_renew(struct partner *partner, int64_t now_ms)
{
	partner->reset_ms = now_ms;
	if (partner_is_alive(partner, now_ms))
		return;
	partner->mine++;
	partner->theirs = partner->seen = partner->heard = 0;
}

bool partner_tick(struct partner *partner, int64_t now_ms)
{
	if (!partner->at.addr.family)
		return false;
	if (!partner->reset_ms)
		partner->reset_ms = now_ms;
	if (now_ms - partner->reset_ms >= PARTNER_DEAD_MS)
		session_renew(partner, now_ms);
	if (now_ms < partner->hello_ms)
		return false;
	partner->hello_ms = now_ms + PARTNER_HELLO_MS;
	return true;
}

static void head_put(struct partner *partner, struct buf *value, uint8_t kind, uint8_t flags)
{
	buf_put_u8(value, kind);
	buf_put_u8(value, flags);
	buf_put_u16(value, 0);
	buf_put_u64(value, partner->mine);
	buf_put_u64(value, partner->seen);
	buf_put_u64(value, ++partner->sent);
}

static void endpoint_put(struct buf *value, const struct endpoint *endpoint)
{
	buf_put_u8(value, endpoint->addr.family == AF_INET ? 1 : 2);
	buf_put_u8(value, 0);
	buf_put_u16(value, endpoint->port);
	buf_put(value, endpoint->addr.bytes, addr_size(endpoint->addr.family));
}

static bool endpoint_get(struct buf *value, struct endpoint *out)
{
	uint8_t family = buf_get_u8(value);

	memset(out, 0, sizeof(*out));
	buf_get_u8(value);
	out->port = buf_get_u16(value);
	if (family == 1)
		out->addr.family = AF_INET;
	else if (family == 2)
		out->addr.family = AF_INET6;
	buf_get(value, out->addr.bytes, addr_size(out->addr.family));
	return out->addr.family && out->port && !value->bad;
}

static size_t message_write(const struct partner *partner, const struct endpoint *origin,
	const uint8_t *tid, const struct buf *value, uint8_t *out)
{
	struct buf buf;

	buf_init(&buf, out, PARTNER_MAX);
	stun_begin(&buf, STUN_INDICATION, tid);
	stun_put_endpoint(&buf, STUN_RESPONSE_ORIGIN, origin);
	stun_put_partner(&buf, value->data, value->at);
	stun_put_integrity256(&buf, (const uint8_t *)partner->key, strlen(partner->key));
	return value->bad ? 0 : stun_end(&buf);
}

size_t partner_hello(struct partner *partner, const struct endpoint *origin,
	const struct partner_ports *ours, uint8_t *out)
{
	static const uint8_t tid[STUN_TID] = {0};
	uint8_t bytes[PARTNER_MAX];
	struct buf value;

	buf_init(&value, bytes, sizeof(bytes));
	head_put(partner, &value, HELLO, 0);
	for (int form = 0; form < PARTNER_FORMS; form++) {
		buf_put_u16(&value, ours->port[form][0]);
		buf_put_u16(&value, ours->port[form][1]);
	}
	return message_write(partner, origin, tid, &value, out);
}

size_t partner_emit(struct partner *partner, const struct endpoint *origin,
	const struct partner_emit *emit, uint8_t *out)
{
	unsigned int flags = (emit->form == PARTNER_RFC3489 ? FLAG_RFC3489 : 0) |
			     (emit->arrived ? FLAG_ARRIVED : 0) | (emit->leaves ? FLAG_LEAVES : 0);
	uint8_t bytes[PARTNER_MAX];
	struct buf value;

	buf_init(&value, bytes, sizeof(bytes));
	head_put(partner, &value, EMIT, (uint8_t)flags);
	buf_put_u32(&value, emit->magic);
	endpoint_put(&value, &emit->to);
	endpoint_put(&value, &emit->mapped);
	return message_write(partner, origin, emit->tid, &value, out);
}

static void head_get(struct buf *value, struct head *head)
{
	head->kind = buf_get_u8(value);
	head->flags = buf_get_u8(value);
	buf_get_u16(value);
	head->session = buf_get_u64(value);
	head->echo = buf_get_u64(value);
	head->counter = buf_get_u64(value);
}

/* Of the session that it names, and later than all before. */
static bool is_new(const struct partner *partner, const struct head *head)
{
	if (head->echo != partner->mine || head->session < partner->theirs)
		return false;
	return head->session > partner->theirs || head->counter > partner->heard;
}

static bool hello_read(struct partner_ports *ports, struct buf *value)
{
	for (int form = 0; form < PARTNER_FORMS; form++) {
		ports->port[form][0] = buf_get_u16(value);
		ports->port[form][1] = buf_get_u16(value);
	}
	return !value->bad;
}

static bool emit_read(
	struct partner_emit *emit, const struct stun *stun, uint8_t flags, struct buf *value)
{
	emit->form = flags & FLAG_RFC3489 ? PARTNER_RFC3489 : PARTNER_STUN;
	emit->arrived = flags & FLAG_ARRIVED ? 1 : 0;
	emit->leaves = flags & FLAG_LEAVES ? 1 : 0;
	memcpy(emit->tid, stun->tid, sizeof(emit->tid));
	emit->magic = buf_get_u32(value);
	return endpoint_get(value, &emit->to) && endpoint_get(value, &emit->mapped);
}

enum partner_verdict partner_read(struct partner *partner, const struct stun *stun,
	const struct endpoint *source, int64_t now_ms, struct partner_emit *emit)
{
	struct partner_ports ports = {0};
	struct buf value;
	struct head head;
	bool whole;

	/* The origin is signed: nobody can send us our own words, or another pair's. */
	if (!partner->at.addr.family || !endpoint_equal(source, &partner->at) ||
		!endpoint_equal(&stun->origin, &partner->at) || !stun->integrity256 ||
		stun->integrity256_len != 32 ||
		!stun_verify(stun, (const uint8_t *)partner->key, strlen(partner->key)))
		return PARTNER_REFUSED;
	buf_init_read(&value, stun->partner.p, stun->partner.len);
	head_get(&value, &head);
	whole = head.kind == HELLO  ? hello_read(&ports, &value)
		: head.kind == EMIT ? emit_read(emit, stun, head.flags, &value)
				    : false;
	if (!whole)
		return PARTNER_REFUSED;
	if (head.session > partner->seen) {
		partner->seen = head.session;
		partner->hello_ms = now_ms; /* it wants to hear that at the next tick */
	}
	if (!is_new(partner, &head))
		return PARTNER_OLD;
	partner->theirs = head.session;
	partner->heard = head.counter;
	partner->heard_ms = now_ms;
	if (head.kind == EMIT)
		return PARTNER_ASKED;
	partner->ports = ports;
	return PARTNER_HEARD;
}
