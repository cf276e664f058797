/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stun_text: a part of a message compared with what a test expects. */
#ifndef TESTS_STUN_TEXT_H
#define TESTS_STUN_TEXT_H

#include <string.h>

#include "common/stun.h"

static inline bool stun_bytes_equal(struct stun_bytes bytes, const char *text)
{
	return bytes.p && bytes.len == strlen(text) && memcmp(bytes.p, text, bytes.len) == 0;
}

#endif
