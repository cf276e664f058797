/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/buf.h"

#include <string.h>

void buf_init(struct buf *buf, void *data, size_t size)
{
	*buf = (struct buf){.data = data, .size = size};
}

void buf_init_read(struct buf *buf, const void *data, size_t size)
{
	buf_init(buf, (void *)data, size);
}

size_t buf_left(const struct buf *buf)
{
	return buf->bad ? 0 : buf->size - buf->at;
}

/* The one place where the cursor moves and its bounds are checked. */
static uint8_t *buf_advance(struct buf *buf, size_t len)
{
	uint8_t *p;

	if (buf->bad || !buf->data || len > buf->size - buf->at) {
		buf->bad = true;
		return NULL;
	}
	p = buf->data + buf->at;
	buf->at += len;
	return p;
}

static uint64_t buf_get_int(struct buf *buf, size_t len)
{
	const uint8_t *p = buf_advance(buf, len);
	uint64_t value = 0;

	for (size_t i = 0; p && i < len; i++)
		value = value << 8 | p[i];
	return value;
}

static void buf_put_int(struct buf *buf, uint64_t value, size_t len)
{
	uint8_t *p = buf_advance(buf, len);

	for (size_t i = 0; p && i < len; i++)
		p[i] = (uint8_t)(value >> 8 * (len - 1 - i));
}

uint8_t buf_get_u8(struct buf *buf)
{
	return (uint8_t)buf_get_int(buf, 1);
}

uint16_t buf_get_u16(struct buf *buf)
{
	return (uint16_t)buf_get_int(buf, 2);
}

uint32_t buf_get_u32(struct buf *buf)
{
	return (uint32_t)buf_get_int(buf, 4);
}

uint64_t buf_get_u64(struct buf *buf)
{
	return buf_get_int(buf, 8);
}

void buf_get(struct buf *buf, void *out, size_t len)
{
	const uint8_t *p = buf_advance(buf, len);

	if (len == 0)
		return;
	if (p)
		memcpy(out, p, len);
	else
		memset(out, 0, len);
}

const uint8_t *buf_take(struct buf *buf, size_t len)
{
	return buf_advance(buf, len);
}

void buf_put_u8(struct buf *buf, uint8_t value)
{
	buf_put_int(buf, value, 1);
}

void buf_put_u16(struct buf *buf, uint16_t value)
{
	buf_put_int(buf, value, 2);
}

void buf_put_u32(struct buf *buf, uint32_t value)
{
	buf_put_int(buf, value, 4);
}

void buf_put_u64(struct buf *buf, uint64_t value)
{
	buf_put_int(buf, value, 8);
}

void buf_put(struct buf *buf, const void *data, size_t len)
{
	uint8_t *p = buf_advance(buf, len);

	if (p && len > 0)
		memcpy(p, data, len);
}

void buf_put_zero(struct buf *buf, size_t len)
{
	uint8_t *p = buf_advance(buf, len);

	if (p)
		memset(p, 0, len);
}

void buf_set_u16(struct buf *buf, size_t at, uint16_t value)
{
	if (buf->bad || at > buf->at || buf->at - at < 2) {
		buf->bad = true;
		return;
	}
	buf->data[at] = (uint8_t)(value >> 8);
	buf->data[at + 1] = (uint8_t)value;
}
