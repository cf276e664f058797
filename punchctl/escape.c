/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/escape.h"

#include <string.h>

#include "common/stun.h"

const uint8_t escape_marker[ESCAPE_LEN] = {0xff, 'E', 'S', 'C'};

static bool is_marked(const uint8_t *data, size_t len)
{
	return len >= ESCAPE_LEN && memcmp(data, escape_marker, ESCAPE_LEN) == 0;
}

bool escape_is_needed(const uint8_t *data, size_t len)
{
	return stun_is(data, len) || is_marked(data, len);
}

size_t escape_skip(const uint8_t *data, size_t len)
{
	return is_marked(data, len) ? ESCAPE_LEN : 0;
}
