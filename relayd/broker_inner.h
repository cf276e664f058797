/* SPDX-License-Identifier: GPL-2.0-or-later */
/* broker_inner: what the files of the broker share: lanes, pairs, crowds, and their timers. */
#ifndef RELAYD_BROKER_INNER_H
#define RELAYD_BROKER_INNER_H

#include "relayd/broker.h"

#define BROKER_BUCKETS	 4096		    /* of each hash table */
#define BROKER_PAIRS	 (BROKER_LANES / 2) /* those that wait for the kernel included */
#define BROKER_LINGER	 120000		    /* ms that a lane that is closed is remembered */
#define BROKER_QUEUED	 8		    /* searches that one stream may have in the queue */
#define BROKER_LIFE_MIN	 (1u << 20)	    /* serials: more than one lane is ever told */
#define BROKER_OPS_RATE	 200		    /* new lanes and moves of one stream a second; */
#define BROKER_OPS_BURST 500

/* In the heap of what is due; the first member of a lane and of a pair. */
struct broker_timer {
	int64_t due_ms;
	size_t place; /* in the heap, from 1; 0: in none */
	bool is_pair;
};

struct broker_heap {
	struct broker_timer **entries; /* from 1 */
	size_t count;
};

struct lane;
struct pair;
TAILQ_HEAD(lane_list, lane);

/* All that is of one stream. */
struct crowd {
	struct stream *stream;
	unsigned int lanes;	      /* that are not closed */
	unsigned int offers, callers; /* that wait */
	unsigned int pairs, queued;
	uint64_t refused;	     /* hellos */
	int64_t full_ms;	     /* when its allowance of operations is whole again */
	struct lane_list waiting[2]; /* by role; the newest first */
	LIST_HEAD(, pair) paired;
	LIST_ENTRY(crowd) link;
};

struct lane {
	struct broker_timer timer;
	uint8_t id[PEER_LANE];
	enum peer_role role;
	struct crowd *crowd; /* NULL: closed, and the stream has gone */
	struct hole hole;
	uint8_t key[STUN_KEY_MAX];
	size_t key_len;
	uint64_t sequence;
	struct peer_hello hello; /* the newest */
	int64_t hello_ms;
	struct pair *pair; /* NULL: it waits, or is closed */
	bool waiting, closed, unserved;
	bool claims; /* it was paired before we began; with whom says its hello */
	bool fresh;  /* it began after us: its first hello had heard of no relayd */
	int64_t closed_ms, refreshed_ms;
	int64_t doubted_ms;  /* when it was last asked whether it still lives; 0: never */
	int64_t doubt_ms;    /* when it is to be asked; 0: not */
	bool doubted;	     /* it was asked, and has not answered */
	int64_t patience_ms; /* a client's that waits: then it takes the service of a spare one */

	/* The word. */
	uint32_t serial;
	struct peer_round round;
	int64_t fire_ms;
	int64_t push_ms; /* INT64_MAX: nothing to push */
	unsigned int pushes;

	bool sampled; /* what the kernel has counted to this socket: */
	uint64_t packets, bytes;

	bool hashed; /* its hole leads to it */
	LIST_ENTRY(lane) id_link, hole_link, free_link;
	TAILQ_ENTRY(lane) wait_link, closed_link;
};

/* Where a pair's search for a direct path is. */
enum search {
	SEARCH_IDLE,   /* not before due */
	SEARCH_QUEUED, /* behind another one of the same public address */
	SEARCH_PREPARING,
	SEARCH_FIRING,
	SEARCH_PAUSING, /* between two rounds */
	SEARCH_DIRECT,
	SEARCH_HOPELESS, /* until something changes */
};

struct pair {
	struct broker_timer timer;
	struct broker *broker;
	struct crowd *crowd;
	struct lane *lane[2]; /* by role; NULL when it is dissolved */
	struct hole told[2];  /* what the kernel has been told */
	struct hole before;   /* of the last one that has moved */
	char name[SPEC_NAME]; /* of the stream, */
	uint32_t number;      /* which may have gone */
	bool dissolved;	      /* only the kernel's answers are waited for */
	unsigned int pending;
	bool committed;
	int64_t since_ms;   /* committed */
	uint32_t serial[2]; /* of the words that said so */
	bool heard[2];

	/* Is the service still there? Its client doubts it. */
	bool doubted;		    /* it was asked, and has said nothing since */
	int64_t asked_ms, doubt_ms; /* when; and when it is taken to be gone */

	enum search search;
	int64_t search_ms; /* when it goes on */
	int64_t reset_ms;  /* when a change was last reason for a new search */
	int64_t changed_ms;
	unsigned int resets;
	uint32_t round;
	enum peer_plan plan, known;
	bool holds; /* the public addresses, */
	uint16_t busy[2];
	bool said[2]; /* READY, FAILED or DIRECT, by phase */
	int64_t direct_ms;
	bool mutual; /* both have said that it is direct */
	unsigned int failures, losses;
	struct plan_side side[2];
	struct plan_history history;
	TAILQ_ENTRY(pair) queue_link;
	LIST_ENTRY(pair) link;
};

/* One direction of what an earlier relayd has left in the kernel. */
struct adopted {
	struct rules_peer peer;
	LIST_ENTRY(adopted) link;
};

struct broker {
	struct broker_config config;
	int64_t now_ms;
	int64_t started_ms; /* -1: not yet */
	bool rescan;	    /* a search may begin that had to wait */
	uint32_t seed;
	uint32_t life; /* added to what a lane has heard, for the first serial that it is told */
	struct broker_heap heap;
	struct lane *lanes; /* pools */
	struct pair *pairs;
	LIST_HEAD(, lane) free_lanes, ids[BROKER_BUCKETS], holes[BROKER_BUCKETS];
	LIST_HEAD(, pair) free_pairs;
	LIST_HEAD(, crowd) crowds[BROKER_BUCKETS];
	LIST_HEAD(, adopted) adopted;
	size_t adopted_count;
	struct lane_list closed; /* the oldest first */
	TAILQ_HEAD(, pair) queue;
	uint8_t busy[BROKER_BUCKETS]; /* searches by public address */
	struct plan_memory memory;
	uint64_t counts[BROKER_COUNTS];
};

/* broker_heap.c */
int heap_init(struct broker_heap *heap, size_t room);
void heap_fini(struct broker_heap *heap);
/* INT64_MAX: never. */
void heap_set(struct broker_heap *heap, struct broker_timer *timer, int64_t due_ms);
struct broker_timer *heap_first(const struct broker_heap *heap);

/* broker_lane.c: the table of lanes. */
struct crowd *crowd_find(const struct broker *broker, const struct stream *stream);
struct crowd *crowd_make(struct broker *broker, struct stream *stream);
/* Takes one operation from the stream's allowance. */
bool crowd_take(struct crowd *crowd, int64_t now_ms);
struct lane *lane_find(const struct broker *broker, const uint8_t id[static PEER_LANE]);
/*
 * For a lane that has heard that much, maybe from an earlier relayd: newer than all that one said,
 * also what this lane heard after it sent the hello.
 */
static inline uint32_t serial_first(const struct broker *broker, uint32_t heard)
{
	uint32_t serial = heard + broker->life;

	return serial ? serial : 1;
}

/* A socket that is shared has several lanes, each with a punch endpoint of its own. */
struct lane *lane_by_hole(const struct broker *broker, const struct hole *hole);
/* Any that is not closed. */
struct lane *lane_by_client(const struct broker *broker, const struct endpoint *client);
/* The socket is used by a pair other than this one too. */
bool client_is_used(
	const struct broker *broker, const struct endpoint *client, const struct pair *pair);
/* NULL: the table is full. */
struct lane *lane_make(struct broker *broker, struct crowd *crowd, const struct peer_hello *hello,
	const struct hole *hole);
void lane_set_hole(struct broker *broker, struct lane *lane, const struct hole *hole);
void lane_wait(struct lane *lane);
void lane_unwait(struct lane *lane);
/* A service's new lane: do those that it had before still live? */
void lane_doubt_others(struct broker *broker, const struct lane *fresh);
/* Its pair, if it has one, is dissolved, and the other lane closed too. */
void lane_end(struct broker *broker, struct lane *lane, const char *why);
/* For good. */
void lane_free(struct broker *broker, struct lane *lane);
void lane_schedule(struct broker *broker, struct lane *lane);
void lane_due(struct broker *broker, struct lane *lane);

/* broker_word.c: what a lane is told. */
void word_fill(const struct broker *broker, const struct lane *lane, struct peer_word *out);
/* Something in it is new: it is pushed until it is heard. */
void word_changed(struct broker *broker, struct lane *lane);
void word_push(struct broker *broker, struct lane *lane);

/* broker_pair.c: who is paired with whom, and what the kernel is told. */
/* Pairs whom it can, the callers of longest standing first. */
void pair_all(struct broker *broker, struct crowd *crowd);
/*
 * A client that has no use for its lane yet gives its place to one that has, and its service, which
 * waits then. False: there is none. family 0: any.
 */
bool pair_make_room(struct broker *broker, struct crowd *crowd, uint8_t family);
/* Both were paired before we began: the kernel may relay already. */
void pair_again(struct broker *broker, struct lane *a, struct lane *b);
void pair_move(struct broker *broker, struct lane *lane, const struct hole *hole);
void pair_refresh(struct broker *broker, struct lane *lane);
void pair_dissolve(struct broker *broker, struct pair *pair, const char *why);
void pair_heard(struct broker *broker, struct lane *lane);
/* The client says that nothing comes back. */
void pair_doubt(struct broker *broker, struct pair *pair);
/*
 * Of a lane that claims, and whose other one has not come back to be asked. A client to which
 * nothing comes goes to the service that has begun in that one's place, and does not wait until
 * consent ends.
 */
void claim_heard(struct broker *broker, struct lane *lane);
/* The kernel has answered. */
void pair_settled(struct broker *broker, struct pair *pair, int error);
/* The kernel has refused: both lanes are closed. */
void pair_fail(struct broker *broker, struct pair *pair);
void pair_schedule(struct pair *pair);
void pair_tick(struct broker *broker, struct pair *pair);

/* broker_kernel.c: the operations of pairs. */
int kernel_pair(struct broker *broker, struct pair *pair);
int kernel_move(
	struct broker *broker, struct pair *pair, unsigned int which, const struct hole *hole);
void kernel_unpair(struct broker *broker, const struct pair *pair);
/* A hole that the pair may have had. */
void kernel_forget(struct broker *broker, const struct pair *pair, const struct hole *hole);
void kernel_consent(struct broker *broker, const struct lane *lane);
/* One operation, PEER or of the client, for a side of a pair. */
void kernel_side(const struct broker *broker, const struct pair *pair, unsigned int which,
	enum rules_op_kind kind, uint32_t consent_ms, struct rules_op *out);
void kernel_apply(struct broker *broker, const struct rules_op *ops, size_t count);
/*
 * True: an earlier relayd has left just what this pair needs. What else it has left of these holes
 * is removed.
 */
bool adopted_take(struct broker *broker, const struct pair *pair);
void adopted_expire(struct broker *broker);
bool adopted_has_hole(const struct broker *broker, const struct endpoint *client);
/* To whom an earlier relayd had the hole lead; false: to nobody. */
bool adopted_peer(const struct broker *broker, const struct hole *hole, struct endpoint *out);

/* broker_search.c, broker_round.c: the search of a pair. */
void search_hello(struct broker *broker, struct pair *pair, struct lane *lane);
/* A network or what is known of a NAT is another. */
void search_reset(struct broker *broker, struct pair *pair, bool moved);
void search_stop(struct broker *broker, struct pair *pair);
int64_t search_due_ms(const struct pair *pair);
void search_tick(struct broker *broker, struct pair *pair);
/* The next of those that wait. */
void search_queue(struct broker *broker);
void search_end(struct broker *broker, struct pair *pair, bool failed);
bool search_wanted(const struct pair *pair);
void round_begin(struct broker *broker, struct pair *pair);
void round_failed(struct broker *broker, struct pair *pair);
void round_hello(struct broker *broker, struct pair *pair, struct lane *lane);
void round_due(struct broker *broker, struct pair *pair);

/* broker_target.c: where `lane` may send to reach `other`; returns how many. */
uint8_t target_fill(const struct broker *broker, const struct lane *lane, const struct lane *other,
	struct endpoint out[static PEER_TARGETS]);

/* What is done from now on is done at this time. */
void broker_set_time(struct broker *broker, int64_t now_ms);
void broker_tell(
	const struct broker *broker, const char *what, const struct pair *pair, const char *text);

#endif
