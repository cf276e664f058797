/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ipc_value: how values stand in a message; for the files of ipc only. */
#ifndef RELAYD_IPC_VALUE_H
#define RELAYD_IPC_VALUE_H

#include <stdbool.h>
#include <string.h>

#include "common/addr.h"
#include "common/buf.h"

static inline void put_addr(struct buf *buf, const struct addr *addr)
{
	uint8_t version = addr->family == AF_INET ? 4 : addr->family == AF_INET6 ? 6 : 0;

	buf_put_u8(buf, version);
	buf_put(buf, addr->bytes, sizeof addr->bytes);
}

static inline void get_addr(struct buf *buf, struct addr *addr)
{
	static const uint8_t zero[16];
	uint8_t version = buf_get_u8(buf);
	size_t used;

	addr->family = version == 4 ? AF_INET : version == 6 ? AF_INET6 : 0;
	if (version && !addr->family)
		buf->bad = true;
	buf_get(buf, addr->bytes, sizeof addr->bytes);
	used = addr_size(addr->family);
	if (memcmp(addr->bytes + used, zero, sizeof addr->bytes - used))
		buf->bad = true;
}

static inline void put_endpoint(struct buf *buf, const struct endpoint *endpoint)
{
	put_addr(buf, &endpoint->addr);
	buf_put_u16(buf, endpoint->port);
}

static inline void get_endpoint(struct buf *buf, struct endpoint *endpoint)
{
	get_addr(buf, &endpoint->addr);
	endpoint->port = buf_get_u16(buf);
}

static inline void put_prefix(struct buf *buf, const struct prefix *prefix)
{
	put_addr(buf, &prefix->addr);
	buf_put_u8(buf, prefix->bits);
}

static inline void get_prefix(struct buf *buf, struct prefix *prefix)
{
	get_addr(buf, &prefix->addr);
	prefix->bits = buf_get_u8(buf);
	if (prefix->bits > addr_size(prefix->addr.family) * 8)
		buf->bad = true;
}

static inline bool get_bool(struct buf *buf)
{
	uint8_t value = buf_get_u8(buf);

	if (value > 1)
		buf->bad = true;
	return value == 1;
}

/* Texts have a fixed size on the wire too: terminated, and zero to the end. */
static inline void get_text(struct buf *buf, char *out, size_t size)
{
	size_t len;

	buf_get(buf, out, size);
	len = strnlen(out, size);
	for (size_t i = len; i < size; i++)
		if (out[i])
			buf->bad = true;
	if (len == size) {
		buf->bad = true;
		out[size - 1] = '\0';
	}
}

static inline void put_text(struct buf *buf, const char *text, size_t size)
{
	size_t len = strnlen(text, size - 1);

	buf_put(buf, text, len);
	buf_put_zero(buf, size - len);
}

#endif
