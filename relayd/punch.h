/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * punch: the server's side of the punch protocol, punch(7): datagrams in, answers out, no I/O.
 *
 * Order of checks: cheap before dear, and nothing that costs more bytes than it brought before the
 * sender has shown that it receives where it says it is (the nonce) and that it knows the key.
 */
#ifndef RELAYD_PUNCH_H
#define RELAYD_PUNCH_H

#include "common/stun.h"
#include "relayd/behaviour.h"
#include "relayd/broker.h"
#include "relayd/discover.h"
#include "relayd/limit.h"
#include "relayd/nonce.h"
#include "relayd/stream.h"

#define PUNCH_ANSWER_MAX 576

/* Why datagrams to the punch port were refused or served; each is a metric. */
enum punch_count {
	PUNCH_ACCEPTED,
	PUNCH_REPEATED, /* a retransmission of the newest one */
	PUNCH_BINDING,	/* plain STUN */
	PUNCH_CHALLENGED,
	PUNCH_NOT_REQUEST, /* STUN, but an indication or an answer, or what we have no address for
			    */
	PUNCH_MALFORMED,   /* not STUN, or not whole */
	PUNCH_UNPADDED, /* its answer would have been larger, or gone elsewhere, and the prefix had
			   had its share */
	PUNCH_INCOMPLETE,  /* integrity without user, realm or nonce; a downgraded algorithm */
	PUNCH_STALE_NONCE, /* old, or not made for this source */
	PUNCH_UNKNOWN_USER,
	PUNCH_WRONG_KEY,
	PUNCH_REPLAYED,
	PUNCH_FORBIDDEN, /* by `clients`, or no place where a client can be */
	PUNCH_CLAIMED,	 /* the hole carries another port */
	PUNCH_UNKNOWN_ATTRIBUTE,
	PUNCH_FAILED, /* the kernel refused, or memory is short */
	PUNCH_RAW,
	PUNCH_PARTNER,	/* the other relay's */
	PUNCH_PEER,	/* a hello that was accepted */
	PUNCH_BUSY,	/* a hello, and no room for it */
	PUNCH_DRAINING, /* somebody new, while nobody new is taken */
	PUNCH_FULL,	/* somebody new, beyond max-clients */
	PUNCH_SPENT,	/* of a stream whose quota is used up */
	PUNCH_SEEN,	/* the answer to a question of ours */
	PUNCH_COUNTS,
};

struct punch {
	struct stream_table *table;
	const char *realm;
	struct nonce nonce;
	struct limit limit;
	struct behaviour behaviour;	/* requests without credentials */
	struct broker *broker;		/* hellos of peers; NULL: nobody takes them */
	struct discover *discover;	/* answers to the relay itself; NULL: it asks nobody */
	uint16_t share_low, share_high; /* ports that take hellos of shared sockets only; 0: none */
	/* The relay's own addresses: no hole leads there. */
	bool (*own)(void *data, const struct addr *addr);
	void *own_data;
	uint64_t counts[PUNCH_COUNTS];
};

struct punch_packet {
	const uint8_t *data;
	size_t len;
	struct endpoint source, local;
	struct slot *raw; /* it came to this slot's raw punch port, else NULL */
};

struct punch_answer {
	size_t len;		  /* 0: no answer */
	struct endpoint from, to; /* local socket and receiver; family 0: back as it came */
	struct slot *slot;	  /* set: send it when the kernel has committed this slot */
	uint8_t data[PUNCH_ANSWER_MAX];
	/* Whom to tell when the kernel does not commit; len 0 for raw punches. */
	size_t failure_len;
	uint8_t failure[PUNCH_ANSWER_MAX];
};

void punch_init(struct punch *punch, struct stream_table *table, const char *realm, int64_t now_ms);
void punch_handle(struct punch *punch, const struct punch_packet *packet, int64_t now_ms,
	struct punch_answer *answer);
const char *punch_count_text(enum punch_count count);

#endif
