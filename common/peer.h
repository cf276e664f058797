/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peer: what a peer and the relay tell each other in the attribute PUNCH-PEER, punch(7).
 *
 * Both sides say what is, not what has changed: a peer's Binding request carries a hello, the
 * relay's answer a word. The relay repeats a new word in Binding indications until a hello says
 * that it was heard. So a lost message is healed by the next, and repeating one does no harm.
 *
 * A lane is one session of one peer: a socket with a proven hole to the relay. The lane of a
 * service waits for a client; a client's lane is paired with it.
 */
#ifndef COMMON_PEER_H
#define COMMON_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/buf.h"
#include "common/mac.h"
#include "common/nat.h"

#define PEER_LANE    16 /* bytes of a lane's random name */
#define PEER_HOSTS   4
#define PEER_TARGETS 6
#define PEER_WIRE    400 /* no hello and no word is larger */

#define PEER_PROBES_MAX	 2048 /* datagrams of one side in one round */
#define PEER_SOCKETS_MAX 128  /* sockets of one side in one round, the lane's own besides */

enum peer_role { PEER_CLIENT, PEER_SERVICE };

/* How far this peer is with the round that the relay named. */
enum peer_progress {
	PEER_IDLE,   /* there is none */
	PEER_READY,  /* prepared, `last` counts */
	PEER_DIRECT, /* a direct path is in use */
	PEER_FAILED, /* nothing was found */
};

struct peer_hello {
	enum peer_role role;
	uint8_t lane[PEER_LANE];
	uint8_t peer[PEER_LANE]; /* the other's lane; zeros: not paired yet */
	uint32_t heard;		 /* serial of the newest word */
	bool bye;		 /* the lane ends */
	bool wants_direct;	 /* there is traffic that is worth a search */
	bool shared;	 /* the socket is another program's: no path but its own, and no move */
	bool lonely;	 /* what goes to the other was answered once, and is not any more */
	bool spare;	 /* it carries nothing yet: whoever has data may have its place */
	uint32_t rtt_ms; /* to the relay; 0: not measured yet */
	struct nat_report nat; /* mapping UNKNOWN: not known yet */
	uint8_t host_count;    /* addresses of the host with the port of the lane's socket */
	struct endpoint hosts[PEER_HOSTS];
	struct endpoint
		gateway; /* a port that the gateway maps to the lane's socket; family 0: none */
	uint32_t round;
	enum peer_progress progress;
	uint16_t last; /* READY: the port of the newest mapping of the socket that will fire */
};

enum peer_state {
	PEER_WAITING, /* nobody has called yet */
	PEER_PAIRED,  /* the kernel relays */
	PEER_CLOSED,  /* the other has gone: the lane is of no use any more */
};

/* What is done to find a direct path, the cheapest first. */
enum peer_plan {
	PEER_REST,     /* nothing: it is hopeless, or too early */
	PEER_PUNCH,    /* both send to targets that are known */
	PEER_PREDICT,  /* one side's next port is in a window, which the other opens and tries */
	PEER_STEP,     /* both sides' ports are counted on: baby steps meet giant steps */
	PEER_BIRTHDAY, /* one side has many sockets, the other tries ports at random */
};

/*
 * What this side has to do, told apart by `part`:
 *   PUNCH     both: the lane's socket to all targets.
 *   PREDICT   0 (predictable): the lane's socket to the ports last + step * 1..count of target 0;
 *             1 (sequential): the fresh socket to target 0. If target 0 is said before the go, its
 *             mapping is made right behind the sample, so that it is the next one.
 *   STEP      0: the fresh socket's n-th datagram to the port last + step * n of target 0;
 *             1: the same with 2 * n - 1. With a and b mappings of others before the first of 0
 *             and of 1 they meet at n = a + 2 * b + 1.
 *   BIRTHDAY  0 (predictable): the lane's socket to `count` different ports from low to high of
 *             target 0; 1 (random): `count` fresh sockets to target 0.
 */
struct peer_round {
	uint32_t number; /* 0: there has been none; grows */
	enum peer_plan plan;
	uint8_t part;
	bool go;	   /* false: prepare, and say READY */
	uint32_t delay_ms; /* go: fire so long after this word was received */
	uint32_t limit_ms; /* go: then it has failed */
	uint16_t pace_ms;  /* between two datagrams */
	uint16_t count;
	uint16_t last; /* of the other side: port of its newest mapping, */
	int32_t step;  /* and the distance to the next */
	uint16_t low, high;
	uint8_t target_count;
	struct endpoint targets[PEER_TARGETS]; /* proven, or of a proven address */
};

struct peer_word {
	uint32_t serial;
	enum peer_state state;
	uint8_t peer[PEER_LANE];   /* the other's lane, when PAIRED */
	struct endpoint alternate; /* where else the relay answers plain STUN; family 0: nowhere */
	bool pinned; /* PAIRED: the other's socket is shared, its program must not see us move */
	/* To a shared one: more punch ports, one for each of its lanes; zeros: there are none. */
	uint16_t share_low, share_high;
	struct peer_round round;
};

/* 0, or -EPROTO: not whole, or a value that makes no sense. The whole of data must be one message.
 */
int peer_hello_decode(const void *data, size_t len, struct peer_hello *out);
int peer_word_decode(const void *data, size_t len, struct peer_word *out);
/* The length, at most PEER_WIRE. */
size_t peer_hello_encode(const struct peer_hello *hello, uint8_t out[static PEER_WIRE]);
size_t peer_word_encode(const struct peer_word *word, uint8_t out[static PEER_WIRE]);

/*
 * The keys of the direct path, one for what each role sends: HMAC-SHA256 of the stream's key over
 * "punchrelay direct", the role, and the lanes of client and service.
 */
void peer_key(const char *stream_key, enum peer_role sender, const uint8_t client[static PEER_LANE],
	const uint8_t service[static PEER_LANE], uint8_t out[static MAC_SHA256]);

#endif
