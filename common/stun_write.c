/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/stun.h"

#include <string.h>

/* Offsets within the message are offsets within buf, which therefore must be empty. */
void stun_begin(struct buf *buf, uint16_t type, const uint8_t tid[static STUN_TID])
{
	if (buf->at != 0)
		buf->bad = true;
	buf_put_u16(buf, type);
	buf_put_u16(buf, 0); /* the length, by stun_end() */
	buf_put_u32(buf, STUN_COOKIE);
	buf_put(buf, tid, STUN_TID);
}

/* RFC 8489, section 14: type, length without padding, value, padding to 32 bits. */
static void attr_begin(struct buf *buf, uint16_t attr, size_t len)
{
	if (len > STUN_MAX)
		buf->bad = true;
	buf_put_u16(buf, attr);
	buf_put_u16(buf, (uint16_t)len);
}

void stun_put(struct buf *buf, uint16_t attr, const void *value, size_t len)
{
	attr_begin(buf, attr, len);
	buf_put(buf, value, len);
	buf_put_zero(buf, -len & 3);
}

void stun_put_text(struct buf *buf, uint16_t attr, const char *text)
{
	stun_put(buf, attr, text, strlen(text));
}

void stun_put_u32(struct buf *buf, uint16_t attr, uint32_t value)
{
	attr_begin(buf, attr, sizeof(value));
	buf_put_u32(buf, value);
}

/* Section 14.1, and for XOR-MAPPED-ADDRESS 14.2: the mask is the header behind the length. */
void stun_put_endpoint(struct buf *buf, uint16_t attr, const struct endpoint *endpoint)
{
	size_t size = addr_size(endpoint->addr.family);
	uint8_t bytes[sizeof(endpoint->addr.bytes)];
	uint16_t port = endpoint->port;

	if (size == 0 || buf->at < STUN_HEADER) {
		buf->bad = true;
		return;
	}
	memcpy(bytes, endpoint->addr.bytes, sizeof(bytes));
	if (attr == STUN_XOR_MAPPED_ADDRESS) {
		port ^= STUN_COOKIE >> 16;
		for (size_t i = 0; i < size; i++)
			bytes[i] ^= buf->data[4 + i];
	}
	attr_begin(buf, attr, 4 + size);
	buf_put_u8(buf, 0);
	buf_put_u8(buf, endpoint->addr.family == AF_INET ? 1 : 2);
	buf_put_u16(buf, port);
	buf_put(buf, bytes, size);
}

/* Section 14.8 */
void stun_put_error(struct buf *buf, uint16_t code, const char *reason)
{
	size_t len = strlen(reason);

	attr_begin(buf, STUN_ERROR_CODE, 4 + len);
	buf_put_u16(buf, 0);
	buf_put_u8(buf, (uint8_t)(code / 100));
	buf_put_u8(buf, (uint8_t)(code % 100));
	buf_put(buf, reason, len);
	buf_put_zero(buf, -len & 3);
}

/* Section 14.13 */
void stun_put_unknown(struct buf *buf, const struct stun *request)
{
	size_t len = request->unknown_count * sizeof(request->unknown[0]);

	attr_begin(buf, STUN_UNKNOWN_ATTRIBUTES, len);
	for (size_t i = 0; i < request->unknown_count; i++)
		buf_put_u16(buf, request->unknown[i]);
	buf_put_zero(buf, -len & 3);
}

/* Sections 14.11 and 14.12: number, and length of the parameters, of which both have none. */
static void put_algorithm(struct buf *buf, enum stun_algorithm algorithm)
{
	buf_put_u16(buf, (uint16_t)algorithm);
	buf_put_u16(buf, 0);
}

void stun_put_algorithm(struct buf *buf, enum stun_algorithm algorithm)
{
	attr_begin(buf, STUN_PASSWORD_ALGORITHM, 4);
	put_algorithm(buf, algorithm);
}

void stun_put_algorithms(struct buf *buf)
{
	attr_begin(buf, STUN_PASSWORD_ALGORITHMS, 8);
	put_algorithm(buf, STUN_SHA256);
	put_algorithm(buf, STUN_MD5);
}

void stun_put_sequence(struct buf *buf, uint64_t sequence)
{
	attr_begin(buf, STUN_PUNCH_SEQUENCE, 12);
	buf_put_u32(buf, STUN_PUNCH_MAGIC);
	buf_put_u64(buf, sequence);
}

void stun_put_consent(struct buf *buf, uint32_t seconds)
{
	attr_begin(buf, STUN_PUNCH_CONSENT, 8);
	buf_put_u32(buf, STUN_PUNCH_MAGIC);
	buf_put_u32(buf, seconds);
}

void stun_put_peer(struct buf *buf, const void *message, size_t len)
{
	attr_begin(buf, STUN_PUNCH_PEER, 4 + len);
	buf_put_u32(buf, STUN_PUNCH_MAGIC);
	buf_put(buf, message, len);
	buf_put_zero(buf, -len & 3);
}

void stun_put_partner(struct buf *buf, const void *message, size_t len)
{
	attr_begin(buf, STUN_PUNCH_PARTNER, 4 + len);
	buf_put_u32(buf, STUN_PUNCH_MAGIC);
	buf_put(buf, message, len);
	buf_put_zero(buf, -len & 3);
}

void stun_put_alternate(struct buf *buf, uint16_t port)
{
	attr_begin(buf, STUN_PUNCH_ALTERNATE, 8);
	buf_put_u32(buf, STUN_PUNCH_MAGIC);
	buf_put_u16(buf, port);
	buf_put_u16(buf, 0);
}

/* RFC 5780, section 7.6. The attribute's own header counts towards the total. */
void stun_put_padding(struct buf *buf, size_t total, size_t after)
{
	size_t have = buf->at + after, len;

	if (have >= total)
		return;
	len = total - have > 4 ? (total - have - 4 + 3) & ~(size_t)3 : 0;
	attr_begin(buf, STUN_PADDING, len);
	buf_put_zero(buf, len);
}

size_t stun_end(struct buf *buf)
{
	if (buf->bad || buf->at < STUN_HEADER || buf->at > STUN_MAX)
		return 0;
	buf_set_u16(buf, 2, (uint16_t)(buf->at - STUN_HEADER));
	return buf->at;
}
