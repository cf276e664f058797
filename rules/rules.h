/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rules: the table "inet relayd" and the conntrack entries that it made, by netlink. */
#ifndef RULES_RULES_H
#define RULES_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

#define RULES_TABLE "relayd"
/* Flows of ours carry this conntrack mark, plus the stream's number in the lower 24 bits. */
#define RULES_MARK	 0x52000000u
#define RULES_MARK_MASK	 0xff000000u
#define RULES_NUMBER_MAX 0x00ffffffu
/* NFLOG group of the packets that open a flow to a stream, or were refused one. */
#define RULES_LOG_GROUP 21074
#define RULES_NAME	64 /* a stream's name with its terminating zero */
/* Operations in one transaction; its netlink message stays far below the send buffer. */
#define RULES_OPS_MAX  512
#define RULES_RATE_MAX 10000000000 /* bytes per second: the kernel's limits reckon in 64 bits */

enum rules_op_kind {
	RULES_LISTEN, /* senders may send to `listen`; adding again replaces source and number, the
			 consent of a client stays */
	RULES_UNLISTEN,
	RULES_PUNCH, /* STUN to this local endpoint is ours and is not tracked */
	RULES_UNPUNCH,
	RULES_INGRESS, /* media for `listen` goes to `client`, as long as consent lasts; adding
			  again replaces the client, and counts from zero */
	RULES_UNINGRESS,
	RULES_CLIENT,	/* a hole: leaves from `punch`; flows are flushed */
	RULES_UNCLIENT, /* the hole is closed, its flows are flushed */
	RULES_CONSENT, /* consent begins anew, of media for `listen`, or without one of a peer to be
			  sent to at `client`; counters and rate stay */
	RULES_FLUSH,   /* the flow that occupies the hole is deleted, nothing else */
	RULES_PEER,    /* what comes from `client` to `punch` goes to `peer`, as long as its consent
			  lasts; both are CLIENTs besides */
	RULES_UNPEER,  /* and its flow is deleted */
	RULES_MAX_RATE, /* all streams and pairs together have `rate` */
};

/* One operation; which fields count says the comment in front of each group. */
struct rules_op {
	enum rules_op_kind kind;
	char name[RULES_NAME];	/* all but PUNCH and MAX_RATE: the stream, shown as the element's
				   comment */
	struct endpoint listen; /* LISTEN, UNLISTEN, INGRESS, UNINGRESS, CONSENT: where senders send
				   to */
	uint32_t number;	/* LISTEN, PEER: the stream's number */
	struct prefix source;	/* LISTEN: who may send; bits 0: anybody. INGRESS, CONSENT of a
				   listening endpoint: the same as LISTEN has */
	struct endpoint client; /* INGRESS, CLIENT, UNCLIENT, CONSENT, FLUSH, PEER, UNPEER: the
				   hole's public side */
	struct endpoint punch; /* CLIENT, UNCLIENT, FLUSH, PUNCH, UNPUNCH, PEER, UNPEER: the relay's
				  end of the hole */
	struct endpoint peer;  /* PEER: the public side of the other's hole */
	struct endpoint from;  /* PEER: the relay's end of it; family 0: as its CLIENT says */
	bool raw;	       /* PUNCH, UNPUNCH: every datagram is a punch, not only STUN */
	uint32_t consent_ms;   /* INGRESS, CONSENT: milliseconds until the kernel stops; CLIENT: the
				  same of a peer, 0: it is none */
	uint64_t rate; /* INGRESS, CLIENT, MAX_RATE; CONSENT that had run out: bytes per second, 0:
			  no limit */
};

struct rules_error {
	int code;	/* -errno */
	int op;		/* index of the operation at fault, or -1 */
	char text[128]; /* in words */
};

/* What the kernel holds, read back. */
struct rules_listening {
	struct endpoint listen;
	uint32_t number;
	struct prefix source;
	char name[RULES_NAME];
	uint64_t refused_packets; /* since the element was added */
	uint64_t refused_bytes;
	uint64_t limited_packets; /* dropped since then as more than its rate */
	uint64_t limited_bytes;
};
struct rules_ingress {
	struct endpoint listen;
	struct endpoint client;
};
#define RULES_RATE_UNKNOWN UINT64_MAX
struct rules_client {
	struct endpoint client;
	struct endpoint punch;
	uint32_t consent_ms; /* left; 0 when it has run out */
	uint64_t rate;	     /* RULES_RATE_UNKNOWN: what should keep it is not there */
	uint64_t packets;
	uint64_t bytes;
	char name[RULES_NAME];
};
/* One direction of a pair. */
struct rules_peer {
	struct endpoint client, punch, peer;
	uint32_t number;
	char name[RULES_NAME];
	struct endpoint from; /* the relay's end of the peer's hole; family 0: not told */
};
/* Of a stream, or of peers: then listen is the relay's end of the hole of who opened the flow. */
struct rules_flow {
	uint32_t number;
	struct endpoint sender;
	struct endpoint listen;
	struct endpoint client;
	struct endpoint punch;
};
/*
 * A place of a stream: where senders send to, and the client that has it, family 0: none. Or of
 * family 0 itself: then the client is a peer.
 */
struct rules_spot {
	struct endpoint listen, client;
	bool rated; /* the stream has a rate */
};
/* The host, as far as the kernel tells it. */
struct rules_health {
	uint32_t flows, flows_max; /* entries of the conntrack table; max 0: not told */
	uint64_t lost;		   /* times that events were lost since rules_open */
	bool unheard;		   /* so many ports are opened at once that not all make events */
	uint64_t max_rate;	   /* as MAX_RATE has set it; 0: no limit */
	uint64_t cut;		   /* packets that it has dropped since it was set */
};
/* Called for each; a callback may be NULL when that part is not wanted and is then not read. */
struct rules_reader {
	void (*listening)(void *data, const struct rules_listening *listening);
	void (*punch)(void *data, const struct endpoint *at, bool raw);
	void (*ingress)(void *data, const struct rules_ingress *ingress);
	void (*client)(void *data, const struct rules_client *client);
	void (*flow)(void *data, const struct rules_flow *flow);
	void (*peer)(void *data, const struct rules_peer *peer);
	void *data;
	/* What was told since the last pause is void, and all is told anew; NULL: that cannot be,
	 * and reading a large table takes longer. */
	void (*again)(void *data);
	/*
	 * In the midst of a large table, which is read part after part: what was told since the
	 * last one is all that there is now of some streams, first of peers and of our own ports,
	 * last of flows. rules_apply and rules_sample may be called from here; may be NULL.
	 */
	void (*pause)(void *data);
};

/* What is there, but not all that belongs to it. */
enum rules_torn_kind {
	RULES_TORN_LISTEN = 1,
	RULES_TORN_INGRESS, /* without consent, which may have run out */
	RULES_TORN_PEER,
};
struct rules_torn {
	enum rules_torn_kind kind;
	struct endpoint at; /* listen; or the client of */
	struct endpoint to; /* PEER: this punch endpoint */
};

/* A packet that wants to open a flow to a stream, seen by the log group. */
#define RULES_FIRST 20
struct rules_event {
	bool refused;	 /* by `source`, or because nobody has punched */
	uint32_t number; /* of the stream; 0 when refused */
	struct endpoint sender;
	struct endpoint listen;
	uint8_t first[RULES_FIRST]; /* bytes of what it carries; zero behind its end */
};

/* What somebody else did to the table, the worst last. */
enum rules_cause {
	RULES_CAUSE_NONE,
	RULES_CAUSE_ELEMENT,
	RULES_CAUSE_RULE, /* or a chain, a set, an object */
	RULES_CAUSE_TABLE,
	RULES_CAUSE_LOST,    /* unknown: the kernel had more to tell than fits the buffer */
	RULES_CAUSE_REFUSED, /* unknown: a transaction of ours met another state than we thought */
	RULES_CAUSES,
};
#define RULES_PROCESS 16
struct rules_change {
	enum rules_cause cause;
	uint32_t pid; /* who it was, 0: the kernel did not say */
	char process[RULES_PROCESS];
	uint32_t removed; /* see struct rules_mended */
};
const char *rules_cause_text(enum rules_cause cause);
/* Two are one: the worse cause, the newer process. */
void rules_change_add(struct rules_change *change, const struct rules_change *more);

struct rules_features {
	bool persist; /* the table is ours (OWNER) and survives us (PERSIST): Linux 6.9 */
	bool refresh; /* adding an element again begins its timeout anew: Linux 6.12 */
};

struct rules;

/*
 * Opens the netlink sockets, and makes the table or adopts the one that an earlier relayd left.
 * *adopted says which. Needs CAP_NET_ADMIN. On error the text says what is missing.
 */
int rules_open(struct rules **out, bool *adopted, struct rules_error *error);
/* Closes the sockets; table and flows stay as they are. */
void rules_close(struct rules *rules);
const struct rules_features *rules_features(const struct rules *rules);

/*
 * Applies count (1 to RULES_OPS_MAX) operations in one transaction: all or none. When it returns 0
 * the kernel has committed and the flows of every CLIENT, UNCLIENT, FLUSH, PEER and UNPEER are
 * gone; those that it could not delete, as when it has no memory, go with a later rules_tick.
 */
int rules_apply(
	struct rules *rules, const struct rules_op *ops, size_t count, struct rules_error *error);

/*
 * A packet that was on its way through another CPU during rules_apply may have confirmed a flow of
 * the state before. Call this when rules_due (monotonic milliseconds, or -1) has passed.
 */
int64_t rules_due(const struct rules *rules);
void rules_tick(struct rules *rules, int64_t now_ms);

/*
 * Where the next reading will find elements: the `listen` of streams, with their clients if they
 * are known. It is only for speed, where there are very many; what is not among them is found too.
 * count 0: none yet.
 */
#define RULES_HINTS_MAX (1024 * 1024)
int rules_hint(struct rules *rules, const struct rules_spot *spots, size_t count);
/*
 * Reads the counters of these spots (up to RULES_OPS_MAX, of either family) through `listening` and
 * `client` of the reader. What one client has at several spots is added up if they stand side by
 * side; of one without consent nothing comes, and its `punch` is not told. 0 or -errno.
 */
int rules_sample(struct rules *rules, const struct rules_spot *spots, size_t count,
	const struct rules_reader *reader);
/* Reads table and flows through the callbacks; 0 or -errno. */
int rules_read(struct rules *rules, const struct rules_reader *reader);

/*
 * Where the table has no owner (no `persist`): a socket that is readable when somebody may have
 * changed it, else -1; and what was done, RULES_CAUSE_NONE: nothing to our table.
 */
int rules_changes_fd(const struct rules *rules);
int rules_changes(struct rules *rules, struct rules_change *change);
struct rules_mended {
	bool changed;	  /* something was not as it should be */
	uint32_t removed; /* chains, sets, flowtables and objects that were not ours */
};
/*
 * Makes the table, its chains, rules and sets as they should be, without its elements. When the
 * table is somebody else's: -EEXIST, -EBUSY.
 */
int rules_mend(struct rules *rules, struct rules_mended *mended, struct rules_error *error);

/*
 * Reads as rules_read, and looks whether the elements that belong together are there: tells of
 * those that lack some, perhaps twice, and deletes those that belong to none.
 */
int rules_check(struct rules *rules, const struct rules_reader *reader,
	void (*torn)(void *data, const struct rules_torn *torn));

/* The log group's socket, readable when there are events; reads up to 64, calls back for each. */
int rules_watch_fd(const struct rules *rules);
int rules_watch(struct rules *rules, void (*event)(void *data, const struct rules_event *event),
	void *data);

/* 0 or -errno. */
int rules_health(struct rules *rules, struct rules_health *health);

/* What was removed by rules_remove. */
struct rules_removed {
	bool table;
	unsigned int flows;
};
/*
 * Removes table and flows that carry our tag, and nothing else; no relayd may be running:
 * -EBUSY when the table has an owner. A table of our name without our tag is left: -EEXIST.
 */
int rules_remove(struct rules_removed *removed, struct rules_error *error);

#endif
