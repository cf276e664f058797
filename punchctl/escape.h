/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * escape: datagrams of programs that the relay or a lane would take for their own, as they look
 * like STUN, travel behind a marker, punch(7). So do those that begin with the marker itself.
 */
#ifndef PUNCHCTL_ESCAPE_H
#define PUNCHCTL_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ESCAPE_LEN 4

/* Its first two bits are not zero, so that nothing behind it is STUN. */
extern const uint8_t escape_marker[ESCAPE_LEN];

/* Before it leaves: does it need the marker in front? */
bool escape_is_needed(const uint8_t *data, size_t len);
/* When it has come: the bytes of the marker in front of what the program sent, 0 or ESCAPE_LEN. */
size_t escape_skip(const uint8_t *data, size_t len);

#endif
