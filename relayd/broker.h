/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * broker: pairs the lanes of services and clients, lets the kernel relay between them at once, and
 * leads both through their search for a direct path. No I/O: hellos and the time come in, kernel
 * operations and words go out. Times are monotonic milliseconds.
 */
#ifndef RELAYD_BROKER_H
#define RELAYD_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/peer.h"
#include "common/stun.h"
#include "relayd/plan.h"
#include "relayd/stream.h"
#include "rules/rules.h"

#define BROKER_LANES	8192 /* of all streams */
#define BROKER_OFFERS	64   /* lanes of services that wait, per stream */
#define BROKER_SEARCHES 1    /* at once behind one public address */

enum broker_count {
	BROKER_PAIRED,
	BROKER_DIRECT,	 /* rounds that found a path */
	BROKER_FAILED,	 /* rounds that did not */
	BROKER_HOPELESS, /* pairs that stay on the relay */
	BROKER_CROWDED, /* hellos refused: more offers, callers or pairs than the stream may have */
	BROKER_HASTY,	/* more new lanes and moves of one stream than are done in a second */
	BROKER_FULL,	/* no room for any stream */
	BROKER_DRAINING, /* somebody new, while nobody new is taken */
	BROKER_FOREIGN,	 /* a lane or a hole of somebody else */
	BROKER_UNSERVED, /* a client called while no service was there */
	BROKER_UNHEARD,	 /* pairs of which one has never heard: it was not there any more */
	BROKER_COUNTS,
};

struct broker;

/* A hello that has proven its key, and its hole by the nonce. */
struct broker_hello {
	struct stream *stream;
	struct hole hole;
	const struct peer_hello *hello;
	/* What the relay's indications to it are signed with; it is copied. */
	uint8_t key[STUN_KEY_MAX];
	size_t key_len;
	uint64_t sequence;
};

struct broker_config {
	struct stream_table *table;
	uint32_t consent_ms;
	void *arg;
	/* Kernel operations that belong together; done(data, 0 or -errno) comes later. 0 or
	 * -ENOMEM. */
	int (*apply)(void *arg, const struct rules_op *ops, size_t count,
		void (*done)(void *data, int error), void *data);
	/* An unsolicited datagram from the hole's punch endpoint to its client. */
	void (*send)(void *arg, const struct hole *hole, const void *data, size_t len);
	/* Where else the relay answers plain STUN for who punches here; family 0: nowhere. */
	struct endpoint (*alternate)(void *arg, const struct endpoint *punch);
	/* The relay's own addresses: no peer is told to send there. */
	bool (*own)(void *arg, const struct addr *addr);
	/* Something that those who watch want to hear of. */
	void (*event)(void *arg, const char *what, const struct stream *stream,
		const struct endpoint *client, const char *text);
	/* Punch ports of the lanes that share their socket; zeros: there are none. */
	uint16_t share_low, share_high;
};

int broker_open(const struct broker_config *config, struct broker **out);
void broker_close(struct broker *broker);

/*
 * 0, and the word of now to answer with; what the kernel has yet to commit comes later, by send.
 * -ESTALE: the sequence went back; -EBUSY: a limit; -EADDRINUSE: the hole is another lane's or a
 * stream's; -EPERM: the lane is of another stream or role.
 */
int broker_hello(struct broker *broker, const struct broker_hello *hello, int64_t now_ms,
	struct peer_word *word);

/*
 * Of the newest hello of this lane, for who has its hole or has said it himself; 0: nothing for
 * this one. Nobody else may know it: what is pushed to the lane names it, beside a key that others
 * have too.
 */
uint64_t broker_sequence(const struct broker *broker, const struct broker_hello *hello);

void broker_tick(struct broker *broker, int64_t now_ms);
int64_t broker_deadline(const struct broker *broker); /* INT64_MAX: never */
/* The stream goes, its key or `clients` have changed, or it may have fewer pairs: its lanes are
 * closed. */
void broker_forget(struct broker *broker, const struct stream *stream);
/* Its rate has changed: its pairs get the new one, with the consent that is left. */
void broker_rate(struct broker *broker, const struct stream *stream, int64_t now_ms);
/* At a start: the kernel relays this already; it is closed unless both lanes come back in time. */
void broker_adopt(struct broker *broker, const struct rules_peer *peer, int64_t now_ms);
/* A hole of a lane: no stream may have it, and the sync does not remove it. */
bool broker_has_hole(const struct broker *broker, const struct endpoint *client);

/* What the kernel holds; NULL: it does not. Who is asked for is taken to belong to the broker. */
struct broker_kernel {
	const struct rules_client *(*client)(void *data, const struct endpoint *client);
	const struct rules_peer *(*peer)(void *data, const struct hole *hole);
	void *data;
};
/* Queues what its pairs miss there, with the consent that is left; how much that is. */
size_t broker_compare(struct broker *broker, const struct broker_kernel *kernel, int64_t now_ms);

/*
 * Sockets of pairs whose counters are to be read, from *at on, which is 0 at first and moves on; 0:
 * those were all. And what was read, which goes to `carried` of the stream.
 */
size_t broker_spots(const struct broker *broker, size_t *at, struct rules_spot *spots, size_t room);
void broker_sample(struct broker *broker, const struct rules_client *client, int64_t now_ms);

/* For the control socket and the metrics. */
struct broker_pair {
	const struct stream *stream;
	struct endpoint client, service; /* holes */
	int64_t since_ms;
	bool direct;
	bool spare;	     /* the client keeps it in reserve: nothing goes this way */
	enum peer_plan plan; /* of the direct path, or of the last try */
	struct nat_report client_nat, service_nat;
};
void broker_each(const struct broker *broker, const struct stream *stream,
	void (*call)(void *data, const struct broker_pair *pair), void *data);
/* Of all streams, also those that have not come back after a restart. */
size_t broker_pairs(const struct broker *broker);
uint64_t broker_counter(const struct broker *broker, enum broker_count count);
const char *broker_count_text(enum broker_count count);
/* Lanes that wait for a client. */
unsigned int broker_offers(const struct broker *broker, const struct stream *stream);
/* Hellos that were refused. */
uint64_t broker_refused(const struct broker *broker, const struct stream *stream);

#endif
