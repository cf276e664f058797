/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/rfc3489.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "common/buf.h"

#define HEADER 20

enum type { REQUEST = 0x0001, RESPONSE = 0x0101 };

/* Section 11.2 */
enum attr {
	MAPPED_ADDRESS = 0x0001,
	CHANGE_REQUEST = 0x0003,
	SOURCE_ADDRESS = 0x0004,
	CHANGED_ADDRESS = 0x0005,
};

int rfc3489_parse(const uint8_t *data, size_t len, struct rfc3489 *out)
{
	bool changed = false;
	struct buf buf;

	memset(out, 0, sizeof(*out));
	buf_init_read(&buf, data, len);
	if (buf_get_u16(&buf) != REQUEST || buf_get_u16(&buf) + (size_t)HEADER != len)
		return -EPROTO;
	buf_get(&buf, out->id, sizeof(out->id));
	while (!buf.bad && buf_left(&buf)) {
		uint16_t attr = buf_get_u16(&buf), size = buf_get_u16(&buf);

		/* There was no padding then: every length is a multiple of four. */
		if (size % 4 || (attr == CHANGE_REQUEST && size != 4))
			return -EPROTO;
		if (attr == CHANGE_REQUEST && !changed) {
			out->change = buf_get_u32(&buf);
			changed = true;
		} else {
			buf_take(&buf, size);
		}
	}
	return buf.bad ? -EPROTO : 0;
}

static void endpoint_put(struct buf *buf, uint16_t attr, const struct endpoint *endpoint)
{
	size_t size = addr_size(endpoint->addr.family);

	buf_put_u16(buf, attr);
	buf_put_u16(buf, (uint16_t)(4 + size));
	buf_put_u8(buf, 0);
	buf_put_u8(buf, endpoint->addr.family == AF_INET ? 1 : 2);
	buf_put_u16(buf, endpoint->port);
	buf_put(buf, endpoint->addr.bytes, size);
}

size_t rfc3489_write(const uint8_t id[static RFC3489_ID], const struct endpoint *mapped,
	const struct endpoint *source, const struct endpoint *changed, uint8_t *out)
{
	struct buf buf;

	buf_init(&buf, out, RFC3489_ANSWER);
	buf_put_u16(&buf, RESPONSE);
	buf_put_u16(&buf, 0);
	buf_put(&buf, id, RFC3489_ID);
	endpoint_put(&buf, MAPPED_ADDRESS, mapped);
	endpoint_put(&buf, SOURCE_ADDRESS, source);
	if (changed->addr.family)
		endpoint_put(&buf, CHANGED_ADDRESS, changed);
	buf_set_u16(&buf, 2, (uint16_t)(buf.at - HEADER));
	return buf.bad ? 0 : buf.at;
}
