/* SPDX-License-Identifier: GPL-2.0-or-later */
/* target: a stream and its relay as the client's commands name them: NAME@RELAY[:PORT], and its
 * key. */
#ifndef PUNCHCTL_TARGET_H
#define PUNCHCTL_TARGET_H

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/key_file.h"

#define TARGET_NAME	 64
#define TARGET_HOST	 254
#define TARGET_ADDRESSES 8
#define TARGET_PUNCH	 3478
#define TARGET_KEY	 KEY_FILE_KEY
#define TARGET_WHY	 KEY_FILE_WHY

struct target {
	char name[TARGET_NAME];
	char host[TARGET_HOST];
	uint16_t port;
	unsigned int count;
	struct endpoint relays[TARGET_ADDRESSES]; /* by lookup(), the preferred first */
};

/* RELAY is a host name, an IPv4 address, or an IPv6 address in brackets. -EINVAL and why. */
int target_parse(const char *text, struct target *out, char why[static TARGET_WHY]);
/* The same for RELAY[:PORT] alone; the name is left as it is. */
int target_parse_relay(const char *text, struct target *out, char why[static TARGET_WHY]);
/* How the resolver is asked for its addresses. */
extern const struct addrinfo target_hints;
bool target_is_address(const struct target *target);
/* The host is an address, which is taken; else false. */
bool target_take_address(struct target *target);
/* In place of the addresses of before, as many as fit; NULL: none. Returns how many. */
unsigned int target_take(struct target *target, const struct addrinfo *found);
/* Where this address is now, or another one of its family; without any it is added. */
unsigned int target_keep(struct target *target, const struct endpoint *relay);
/* The first line of the file; -errno and why. Says by log_warning() when others may read the file.
 */
int target_read_key(const char *path, char key[static TARGET_KEY], char why[static TARGET_WHY]);

#endif
