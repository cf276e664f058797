/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/stun.h"

#include <errno.h>
#include <string.h>

/* How the value of one attribute is read: by parse, or as bytes at an offset of struct stun. */
struct rule {
	uint16_t attr;
	uint16_t min, max, step; /* lengths that fit */
	/* 0, -EPROTO, -EBADMSG, or 1: another's attribute of this number, and as if not there. */
	int (*parse)(struct stun *stun, struct buf *value);
	size_t offset;
};

/* Where the attribute begins whose value this is. */
static uint16_t attr_offset(const struct stun *stun, const struct buf *value)
{
	return (uint16_t)(value->data - stun->data - 4);
}

/*
 * RFC 8489, section 14.1
 *
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +---------------+---------------+-------------------------------+
 * |0 0 0 0 0 0 0 0|    Family     |             Port              |
 * +---------------+---------------+-------------------------------+
 * |                 Address (32 bits or 128 bits)                 |
 */
static int parse_endpoint(struct buf *value, struct endpoint *out)
{
	struct endpoint endpoint = {0};
	uint8_t family;

	buf_get_u8(value);
	family = buf_get_u8(value);
	endpoint.port = buf_get_u16(value);
	if (family == 1)
		endpoint.addr.family = AF_INET;
	else if (family == 2)
		endpoint.addr.family = AF_INET6;
	if (buf_left(value) != addr_size(endpoint.addr.family))
		return -EPROTO;
	buf_get(value, endpoint.addr.bytes, addr_size(endpoint.addr.family));
	*out = endpoint;
	return 0;
}

/* Old servers send both; the obfuscated one is what a NAT has not rewritten. */
static int parse_mapped(struct stun *stun, struct buf *value)
{
	struct endpoint endpoint;
	int ret = parse_endpoint(value, &endpoint);

	if (ret == 0 && stun->mapped.addr.family == 0)
		stun->mapped = endpoint;
	return ret;
}

/* Section 14.2: the mask is the magic cookie and the transaction, as they lie in the header. */
static int parse_xor_mapped(struct stun *stun, struct buf *value)
{
	const uint8_t *mask = stun->data + 4;
	struct endpoint endpoint;

	if (parse_endpoint(value, &endpoint) < 0)
		return -EPROTO;
	endpoint.port ^= STUN_COOKIE >> 16;
	for (size_t i = 0; i < addr_size(endpoint.addr.family); i++)
		endpoint.addr.bytes[i] ^= mask[i];
	stun->mapped = endpoint;
	return 0;
}

static int parse_origin(struct stun *stun, struct buf *value)
{
	return parse_endpoint(value, &stun->origin);
}

static int parse_other(struct stun *stun, struct buf *value)
{
	return parse_endpoint(value, &stun->other);
}

/* Section 14.8: 21 bits reserved, 3 of the hundreds, 8 of the rest. */
static int parse_error(struct stun *stun, struct buf *value)
{
	uint8_t class, number;

	buf_get_u16(value);
	class = buf_get_u8(value) & 7;
	number = buf_get_u8(value);
	if (class < 3 || class > 6 || number > 99)
		return -EPROTO;
	stun->error = (uint16_t)(class * 100 + number);
	stun->reason.len = (uint16_t)buf_left(value);
	stun->reason.p = buf_take(value, stun->reason.len);
	return 0;
}

static int parse_integrity(struct stun *stun, struct buf *value)
{
	stun->integrity = attr_offset(stun, value);
	return 0;
}

static int parse_integrity256(struct stun *stun, struct buf *value)
{
	stun->integrity256 = attr_offset(stun, value);
	stun->integrity256_len = (uint16_t)buf_left(value);
	return 0;
}

/* Section 14.7: the last attribute, so the header's length needs no change. */
static int parse_fingerprint(struct stun *stun, struct buf *value)
{
	uint16_t offset = attr_offset(stun, value);

	if (offset + 8u != stun->len)
		return -EPROTO;
	if (buf_get_u32(value) != stun_fingerprint(stun->data, offset))
		return -EBADMSG;
	return 0;
}

/* Section 14.12: number, length of the parameters, parameters and perhaps their padding. */
static int parse_algorithm(struct stun *stun, struct buf *value)
{
	uint16_t algorithm = buf_get_u16(value);
	uint16_t len = buf_get_u16(value);

	if (algorithm == 0 || len > buf_left(value) || buf_left(value) - len > 3)
		return -EPROTO;
	stun->algorithm = algorithm;
	return 0;
}

/* RFC 5780, section 7.2 */
static int parse_change(struct stun *stun, struct buf *value)
{
	stun->has_change = true;
	stun->change = buf_get_u32(value);
	return 0;
}

/* RFC 5780, section 7.5: the port, and padding that some count as the value and some do not. */
static int parse_response_port(struct stun *stun, struct buf *value)
{
	stun->has_response_port = true;
	stun->response_port = buf_get_u16(value);
	return 0;
}

static int parse_sequence(struct stun *stun, struct buf *value)
{
	if (buf_get_u32(value) != STUN_PUNCH_MAGIC)
		return 1;
	stun->sequence = buf_get_u64(value);
	stun->has_sequence = true;
	return value->bad || buf_left(value) != 0 ? -EPROTO : 0;
}

static int parse_consent(struct stun *stun, struct buf *value)
{
	if (buf_get_u32(value) != STUN_PUNCH_MAGIC)
		return 1;
	stun->consent = buf_get_u32(value);
	return value->bad || buf_left(value) != 0 ? -EPROTO : 0;
}

static int parse_peer(struct stun *stun, struct buf *value)
{
	if (buf_get_u32(value) != STUN_PUNCH_MAGIC)
		return 1;
	stun->peer.len = (uint16_t)buf_left(value);
	stun->peer.p = buf_take(value, stun->peer.len);
	return 0;
}

static int parse_partner(struct stun *stun, struct buf *value)
{
	if (buf_get_u32(value) != STUN_PUNCH_MAGIC)
		return 1;
	stun->partner.len = (uint16_t)buf_left(value);
	stun->partner.p = buf_take(value, stun->partner.len);
	return 0;
}

static int parse_padding(struct stun *stun, struct buf *value)
{
	(void)value;
	stun->has_padding = true;
	return 0;
}

static int parse_alternate(struct stun *stun, struct buf *value)
{
	if (buf_get_u32(value) != STUN_PUNCH_MAGIC)
		return 1;
	stun->alternate = buf_get_u16(value);
	return value->bad ? -EPROTO : 0;
}

static int parse_use_candidate(struct stun *stun, struct buf *value)
{
	(void)value;
	stun->use_candidate = true;
	return 0;
}

/* The limits of texts are those of sections 14.3, 14.8, 14.9, 14.10 and 14.14. */
static const struct rule rules[] = {
	{STUN_MAPPED_ADDRESS, 8, 20, 4, parse_mapped, 0},
	{STUN_CHANGE_REQUEST, 4, 4, 1, parse_change, 0},
	{STUN_USERNAME, 0, 508, 1, NULL, offsetof(struct stun, username)},
	{STUN_INTEGRITY, 20, 20, 1, parse_integrity, 0},
	{STUN_ERROR_CODE, 4, 4 + 763, 1, parse_error, 0},
	{STUN_UNKNOWN_ATTRIBUTES, 0, STUN_MAX, 2, NULL, 0},
	{STUN_REALM, 0, 763, 1, NULL, offsetof(struct stun, realm)},
	{STUN_NONCE, 0, 763, 1, NULL, offsetof(struct stun, nonce)},
	{STUN_INTEGRITY_SHA256, 16, 32, 4, parse_integrity256, 0},
	{STUN_PASSWORD_ALGORITHM, 4, STUN_MAX, 1, parse_algorithm, 0},
	{STUN_USERHASH, 32, 32, 1, NULL, offsetof(struct stun, userhash)},
	{STUN_XOR_MAPPED_ADDRESS, 8, 20, 4, parse_xor_mapped, 0},
	{STUN_USE_CANDIDATE, 0, 0, 1, parse_use_candidate, 0},
	{STUN_PADDING, 0, STUN_MAX, 1, parse_padding, 0},
	{STUN_RESPONSE_PORT, 2, 4, 2, parse_response_port, 0},
	{STUN_PASSWORD_ALGORITHMS, 4, STUN_MAX, 1, NULL, offsetof(struct stun, algorithms)},
	{STUN_SOFTWARE, 0, 763, 1, NULL, offsetof(struct stun, software)},
	{STUN_FINGERPRINT, 4, 4, 1, parse_fingerprint, 0},
	{STUN_RESPONSE_ORIGIN, 8, 20, 4, parse_origin, 0},
	{STUN_OTHER_ADDRESS, 8, 20, 4, parse_other, 0},
	{STUN_PUNCH_SEQUENCE, 0, STUN_MAX, 1, parse_sequence, 0},
	{STUN_PUNCH_CONSENT, 0, STUN_MAX, 1, parse_consent, 0},
	{STUN_PUNCH_PEER, 0, STUN_MAX, 1, parse_peer, 0},
	{STUN_PUNCH_ALTERNATE, 0, STUN_MAX, 1, parse_alternate, 0},
	{STUN_PUNCH_PARTNER, 0, STUN_MAX, 1, parse_partner, 0},
};

#define RULES (sizeof(rules) / sizeof(rules[0]))
_Static_assert(RULES <= 32, "one bit of `seen` each");

/* Sections 14.5 and 14.6: what an integrity does not cover anyone may have appended. */
static bool attr_counts(const struct stun *stun, uint16_t attr)
{
	if (attr == STUN_FINGERPRINT)
		return true;
	if (stun->integrity256)
		return false;
	return !stun->integrity || attr == STUN_INTEGRITY_SHA256;
}

static int rule_apply(const struct rule *rule, struct stun *stun, struct stun_bytes bytes)
{
	struct buf value;

	if (bytes.len < rule->min || bytes.len > rule->max || bytes.len % rule->step != 0)
		return -EPROTO;
	if (rule->parse) {
		buf_init_read(&value, bytes.p, bytes.len);
		return rule->parse(stun, &value);
	}
	if (rule->offset)
		memcpy((uint8_t *)stun + rule->offset, &bytes, sizeof(bytes));
	return 0;
}

static int attr_parse(struct stun *stun, uint16_t attr, struct stun_bytes value, uint32_t *seen)
{
	int ret;

	if (!attr_counts(stun, attr))
		return 0;
	for (size_t i = 0; i < RULES; i++) {
		if (rules[i].attr != attr)
			continue;
		if (*seen & 1u << i)
			return 0;
		ret = rule_apply(&rules[i], stun, value);
		if (ret == 0)
			*seen |= 1u << i;
		return ret < 0 ? ret : 0;
	}
	if (attr < 0x8000 && stun->unknown_count < sizeof(stun->unknown) / sizeof(stun->unknown[0]))
		stun->unknown[stun->unknown_count++] = attr;
	return 0;
}

/*
 * RFC 8489, section 5
 *
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+---------------------------+-------------------------------+
 * |0 0|     STUN Message Type     |         Message Length        |
 * +-+-+---------------------------+-------------------------------+
 * |                         Magic Cookie                          |
 * +---------------------------------------------------------------+
 * |                  Transaction ID (96 bits)                     |
 */
bool stun_is(const uint8_t *data, size_t len)
{
	struct buf buf;
	uint16_t type, body;

	if (len < STUN_HEADER)
		return false;
	buf_init_read(&buf, data, len);
	type = buf_get_u16(&buf);
	body = buf_get_u16(&buf);
	return (type & 0xc000) == 0 && body % 4 == 0 && buf_get_u32(&buf) == STUN_COOKIE;
}

int stun_parse(const uint8_t *data, size_t len, struct stun *out)
{
	struct stun_bytes value;
	uint32_t seen = 0;
	struct buf buf;
	uint16_t attr;
	int ret;

	if (!stun_is(data, len))
		return -EPROTO;
	if (len > STUN_MAX)
		return -EMSGSIZE;
	*out = (struct stun){.data = data, .len = len};
	buf_init_read(&buf, data, len);
	out->type = buf_get_u16(&buf);
	if (STUN_HEADER + (size_t)buf_get_u16(&buf) != len)
		return -EPROTO;
	buf_get_u32(&buf); /* the cookie */
	buf_get(&buf, out->tid, STUN_TID);
	/* Section 14: type, length, value, and padding that the length does not count. */
	while (buf_left(&buf) > 0) {
		attr = buf_get_u16(&buf);
		value.len = buf_get_u16(&buf);
		value.p = buf_take(&buf, value.len);
		buf_take(&buf, -(size_t)value.len & 3);
		if (buf.bad)
			return -EPROTO;
		ret = attr_parse(out, attr, value, &seen);
		if (ret < 0)
			return ret;
	}
	return 0;
}
