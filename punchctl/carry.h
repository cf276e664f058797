/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * carry: datagrams between the sockets that look at the relay and the player's ports on loopback,
 * both ways and in batches. A lane is one port: its outer socket owns the hole, its inner socket
 * is who the player hears and answers. Where the player's port is shared, nothing is carried.
 */
#ifndef PUNCHCTL_CARRY_H
#define PUNCHCTL_CARRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/addr.h"
#include "punchctl/volley.h"

struct carry_lane {
	int outer, inner;
	struct sockaddr_storage relay, player;
	socklen_t relay_len, player_len;
};

/* Datagrams, of all lanes and of the whole run. */
struct carry_counters {
	uint64_t inward, outward;
	uint64_t inward_bytes;
	uint64_t foreign; /* not from the relay, or not for us where a port is shared */
	struct volley_loss loss;
};

struct carry {
	struct endpoint relay;
	bool shared;
	/* True: it was STUN of ours, and goes no further. */
	bool (*take)(void *arg, unsigned int lane, const uint8_t *data, size_t len);
	void *arg;
	struct carry_counters counters;
	unsigned int count;
	struct carry_lane lanes[PORTS_MAX];
	struct volley volley; /* what is being carried */
};

struct carry_config {
	struct endpoint relay;
	const uint16_t *players; /* port of each lane on 127.0.0.1 */
	unsigned int count;
	bool shared; /* the lanes have no sockets of their own: carry_share() */
	bool (*take)(void *arg, unsigned int lane, const uint8_t *data, size_t len);
	void *arg;
};

/* Opens all sockets; -errno, and nothing is open. *out is for carry_close(). */
int carry_open(const struct carry_config *config, struct carry **out);
void carry_close(struct carry *carry);
/* A new outer socket in place of the lane's; the old one is closed with success only. */
int carry_renew(struct carry *carry, unsigned int lane);
/*
 * In place of a lane's sockets one at the player's own port, at which only STUN comes; it stays the
 * caller's. -1: none now. `relay` is the relay's address in the socket's family.
 */
void carry_share(struct carry *carry, unsigned int lane, int fd,
	const struct sockaddr_storage *relay, socklen_t relay_len);
/* A datagram of ours to the relay: 0 or -errno. */
int carry_send(struct carry *carry, unsigned int lane, const void *data, size_t len);

/*
 * Carry what has come, up to a few batches: from the relay to the player, and back. The number of
 * datagrams of media, or -errno.
 */
int carry_inward(struct carry *carry, unsigned int lane);
int carry_outward(struct carry *carry, unsigned int lane);

#endif
