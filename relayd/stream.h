/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stream: the table of streams, their ports and who has punched for them.
 *
 * A slot is one port of one stream in one family. What changes only marks the slot dirty; sync
 * walks the dirty slots once per turn of the loop and tells the kernel. Times are monotonic
 * milliseconds, passed in.
 */
#ifndef RELAYD_STREAM_H
#define RELAYD_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/addr.h"
#include "common/stun.h"
#include "relayd/spec.h"

#define STREAM_FAMILIES 2 /* index 0: IPv4, 1: IPv6 */
/* Media that pauses no longer than this is live. */
#define STREAM_LIVE_MS 5000

enum stream_origin { STREAM_CONFIG, STREAM_RUNTIME };
enum stream_state { STREAM_WAITING, STREAM_READY, STREAM_LIVE, STREAM_STALE, STREAM_SPENT };

/* A client's hole: its public side, and the relay's end; family 0: none. */
struct hole {
	struct endpoint client, punch;
};

struct stream;

struct slot {
	struct stream *stream;
	struct addr at;	   /* of the relay's addresses the one that it listens at; family 0: all */
	uint16_t port;	   /* that senders send to */
	uint16_t raw_port; /* that is punched without proof, 0: none */
	uint8_t family;	   /* AF_INET or AF_INET6 */
	bool gone;	   /* its stream has it no more; freed when the kernel has forgotten it */
	bool raw_listed;   /* it is among the table's raws */

	/* What should be, and what the kernel has been told and has accepted. */
	struct hole want, have;
	struct hole doing; /* what the transaction under way makes of it */
	struct prefix doing_source;
	uint64_t doing_rate;
	uint32_t doing_number;
	uint16_t doing_raw;
	bool doing_gone, doing_flush;
	bool listening; /* the kernel has our listen elements, with this source and number: */
	struct prefix listening_source;
	uint32_t listening_number;
	uint16_t raw_open;   /* the raw punch port that it has, 0: none */
	uint64_t have_rate;  /* of the client, in bytes per second */
	bool refresh, flush; /* consent is to begin anew; the flow is to be deleted */
	bool dirty, busy;    /* in the dirty list; in the transaction that is under way */
	uint32_t seen;	     /* the part of a comparison in which the kernel last had it */
	TAILQ_ENTRY(slot) dirty_link;
	struct slot *port_next; /* another with the same port: at another address, or newer */
	LIST_ENTRY(slot) raw_link;

	/* The punch. */
	bool raw, stale; /* by an unproven datagram; consent ran out */
	int64_t punched_ms;
	uint64_t nonce_ms; /* when the nonce of the newest accepted punch was issued */
	uint64_t sequence; /* of the newest accepted punch, 0: it had none */
	uint8_t tid[STUN_TID];
	uint64_t moves;
	TAILQ_ENTRY(slot) consent_link; /* by punched_ms, while there is a hole */

	/* The media. */
	struct addr holder;	/* whom it is kept for while media flows; family 0: nobody */
	struct endpoint sender; /* who has the flow; family 0: nobody yet */
	struct endpoint rival;	/* who lost it last, and when */
	int64_t handed_ms;
	int64_t free_ms;    /* since then it is kept for nobody */
	int64_t unheard_ms; /* media flow since, or a flow was deleted, and no sender is known; 0 */
	int64_t opened_ms;  /* it has wanted to open a flow, and nothing was deleted since; or 0 */
	int64_t media_ms;   /* the last time that the counters had moved; 0: never */
	int64_t sampled_ms;
	bool live; /* as last told to those who watch */
	uint64_t packets, bytes, byte_rate;
	uint32_t consent_ms; /* left at sampled_ms, as the kernel says */
	uint64_t refused;    /* packets, of the kernel's counters */
	uint64_t limited;    /* over the rate */
	struct endpoint refused_sender;
	int64_t refused_ms; /* when it was last refused */

	/* See loop.h; times are 0 for never. */
	uint8_t probe[STUN_TID];
	int64_t probe_ms;     /* when it was sent */
	struct endpoint loop; /* a client whose hole was closed for it */
	int64_t loop_ms;
};

/* What the relay has carried between peers. */
struct stream_carried {
	uint64_t packets, bytes, byte_rate;
	uint64_t rated_bytes; /* what there was when the rate was reckoned last, */
	int64_t rated_ms;     /* and when that was */
	int64_t media_ms;     /* the last time that there was more; 0: never */
};

struct stream {
	struct spec spec;
	uint32_t number; /* of the name with this key */
	enum stream_origin origin;
	int64_t expires;  /* wall clock seconds, 0: never */
	bool gone;	  /* removed; freed with its last slot */
	bool marked;	  /* for reload's mark and sweep */
	struct addr lock; /* SPEC_FIRST: the address that it is locked to; family 0: nobody's */
	int64_t lock_ms;
	uint64_t lock_packets; /* of media since the lock */
	uint64_t used;	       /* of the quota, in bytes, */
	int64_t used_since;    /* in the period that began then, by the wall clock in seconds */
	bool used_news;	       /* the registry does not know yet */
	struct stream_carried carried;
	size_t slot_count;
	struct slot **slots; /* owned */
	size_t leaving;	     /* slots that it has no more, and that are not freed yet */
	LIST_ENTRY(stream) link;
};

TAILQ_HEAD(slot_list, slot);
LIST_HEAD(slot_raws, slot);
LIST_HEAD(stream_list, stream);

/* What the table tells those who watch. */
struct stream_event {
	const char *what; /* an event of control.h */
	const struct stream *stream;
	const struct slot *slot; /* NULL: the stream as a whole */
	const char *text;	 /* may be NULL */
};

struct stream_table {
	struct stream_list streams;
	struct stream *cursor; /* of who walks over all streams in steps; new ones may be missed */
	struct stream_list graves; /* removed, but somebody still has a pointer */
	unsigned int pins;
	struct slot_raws raws; /* those with raw punch ports, those that go included */
	size_t count;
	size_t holes; /* slots with a hole */
	struct slot_list dirty;
	uint32_t round;	       /* parts that were compared with the kernel */
	uint64_t marks, plans; /* slots that ever came into the dirty list, and that left it */
	struct slot_list consents;
	bool families[STREAM_FAMILIES]; /* those that the relay has an address of */
	uint32_t consent_ms;
	bool draining;	  /* who has no hole yet does not get one */
	size_t holes_max; /* nor with so many; 0: no limit */
	bool used_news;	  /* of some stream */
	void *names;	  /* tsearch trees */
	void *clients;
	/* By port, each with its port_next; one that goes comes before who has the port next. */
	struct slot **listens[STREAM_FAMILIES];
	void (*event)(void *data, const struct stream_event *event);
	void (*probe)(void *data, const struct slot *slot); /* sends loop_probe to its client */
	void *event_data;				    /* of both */
};

int stream_table_init(struct stream_table *table, const bool families[static STREAM_FAMILIES],
	uint32_t consent_ms);
void stream_table_fini(struct stream_table *table);

/* -EEXIST: the name or a port is taken, and `why` by whom. */
int stream_check(
	const struct stream_table *table, const struct spec *spec, char why[static SPEC_WHY]);
/* As stream_check; or -ENOMEM. */
int stream_add(struct stream_table *table, const struct spec *spec, uint32_t number,
	struct stream **out, char why[static SPEC_WHY]);
/* Its holes and elements go with the next sync; then it is freed, without ports at once. */
void stream_remove(struct stream_table *table, struct stream *stream);
/* The ports that the spec has not go with the next sync, before another stream may have them. */
void stream_shrink(struct stream_table *table, struct stream *stream, const struct spec *spec);
/*
 * Takes over a spec of its name, and the number that goes with it. Who has punched for a port that
 * stays keeps the hole, unless it could not be had again as it was. -ENOMEM: nothing is changed.
 */
int stream_change(struct stream_table *table, struct stream *stream, const struct spec *spec,
	uint32_t number);
/* Frees a slot that is gone, once the kernel has nothing of it any more; and a stream that is. */
void slot_reap(struct stream_table *table, struct slot *slot);
/* Between these two no stream is freed; those that go have `gone` set and no slots. */
void stream_table_pin(struct stream_table *table);
void stream_table_unpin(struct stream_table *table);
struct stream *stream_find(const struct stream_table *table, const char *name);
enum stream_state stream_state(const struct stream *stream, int64_t now_ms);
/* Its quota is used up. */
bool stream_is_spent(const struct stream *stream);
const char *stream_state_text(enum stream_state state);

bool hole_equal(const struct hole *a, const struct hole *b);
enum stream_state slot_state(const struct slot *slot, int64_t now_ms);
/* The slot of a listen port, whatever the stream; one that goes, as long as it is there. */
struct slot *slot_by_listen(const struct stream_table *table, const struct endpoint *listen);
/* The slot that may be punched without proof there, or NULL. */
struct slot *slot_by_raw(const struct stream_table *table, const struct endpoint *local);
/* The slot that has the hole of this client's socket, or NULL. */
struct slot *slot_by_client(const struct stream_table *table, const struct endpoint *client);
/* Is this address of the relay one that the slot listens at? */
bool slot_is_at(const struct slot *slot, const struct addr *local);
/* Who may send to it now: bits 0 is anybody. */
struct prefix slot_source(const struct slot *slot);
/* May this address send there now? */
bool slot_admits(const struct slot *slot, const struct addr *sender);

/*
 * A punch was accepted: the hole is the slot's from the next sync on. -EADDRINUSE: this hole is
 * another slot's; -ESHUTDOWN: the relay is draining; -EUSERS: it has as many holes as it may;
 * -EDQUOT: the stream's quota is used up. *moved says that the slot had another hole before.
 */
int slot_claim(struct stream_table *table, struct slot *slot, const struct hole *hole,
	int64_t now_ms, bool *moved);
/* The hole is closed with the next sync. */
void slot_release(struct stream_table *table, struct slot *slot);
/* Closes the holes whose consent has run out. */
void slot_expire(struct stream_table *table, int64_t now_ms);
/* Into the dirty list, once; _first: it goes again before all that has come since. */
void slot_mark(struct stream_table *table, struct slot *slot);
void slot_mark_first(struct stream_table *table, struct slot *slot);
/* At a start: the kernel has this hole already. When all are adopted, slots_order. */
void slot_adopt(
	struct stream_table *table, struct slot *slot, const struct hole *hole, int64_t punched_ms);
/* Puts those with a hole in order of their punches; -ENOMEM. */
int slots_order(struct stream_table *table);

/* Something happened that those who watch want to hear of: to a slot, or to all of a stream. */
void stream_tell_all(const struct stream_table *table, const char *what,
	const struct stream *stream, const char *text);
void stream_tell(const struct stream_table *table, const char *what, const struct slot *slot,
	const char *text);

/* The kernel counted so much for the hole. */
void slot_sample(struct stream_table *table, struct slot *slot, uint64_t packets, uint64_t bytes,
	int64_t now_ms);

#endif
