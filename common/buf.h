/* SPDX-License-Identifier: GPL-2.0-or-later */
/* buf: a bounded cursor; all bytes from outside are read, and all messages written, through it. */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Reading or writing past the end sets `bad`, yields zeros, and moves nothing; it stays bad, so
 * a caller may check once at the end. The memory belongs to the caller. Integers are big endian.
 */
struct buf {
	uint8_t *data;
	size_t size; /* bytes that may be touched */
	size_t at;   /* the next byte */
	bool bad;
};

void buf_init(struct buf *buf, void *data, size_t size);
/* For reading only: the const is cast away here and nowhere else. */
void buf_init_read(struct buf *buf, const void *data, size_t size);
size_t buf_left(const struct buf *buf);

uint8_t buf_get_u8(struct buf *buf);
uint16_t buf_get_u16(struct buf *buf);
uint32_t buf_get_u32(struct buf *buf);
uint64_t buf_get_u64(struct buf *buf);
/* Copies len bytes; zeros when they are not there. */
void buf_get(struct buf *buf, void *out, size_t len);
/* A pointer to the next len bytes, which are skipped; NULL when they are not there. */
const uint8_t *buf_take(struct buf *buf, size_t len);

void buf_put_u8(struct buf *buf, uint8_t value);
void buf_put_u16(struct buf *buf, uint16_t value);
void buf_put_u32(struct buf *buf, uint32_t value);
void buf_put_u64(struct buf *buf, uint64_t value);
void buf_put(struct buf *buf, const void *data, size_t len);
/* Writes len zero bytes. */
void buf_put_zero(struct buf *buf, size_t len);
/* Overwrites two bytes written before, for lengths that are known late. */
void buf_set_u16(struct buf *buf, size_t at, uint16_t value);

#endif
