/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lane_inner: what the files of the lane share; nobody else includes it. */
#ifndef PUNCHCTL_LANE_INNER_H
#define PUNCHCTL_LANE_INNER_H

#include "common/mac.h"
#include "punchctl/lane.h"

#define LANE_PAIRS     8
#define LANE_CHECKS    64 /* of a round's probes, kept for who has shown himself */
#define LANE_STRAYS    32 /* datagrams of a round to addresses that the relay has not named */
#define LANE_NAME      PROOF_USER
#define LANE_PACE_MIN  2    /* ms between two probes, whatever the relay says */
#define LANE_TTL_GUESS 4    /* of an opener while our NATs are unknown */
#define LANE_BUSY_MS   2000 /* so long after data the direct path is checked closely */
#define LANE_HOLD_MS   1000 /* that a shared service's client waits for a direct path */
#define LANE_HOT_MS    500  /* so long after a sign of the other no more ports are searched */

/* The exchange with the relay: one transaction at a time, and what came of those before. */
struct lane_exchange {
	uint8_t request[STUN_MAX];
	size_t request_len;
	uint8_t tid[STUN_TID];
	uint32_t said; /* `heard` of the request that waits */
	bool waiting, proven;
	bool renew; /* next_ms is when a new request is made, not the old one repeated */
	bool known; /* a hello has been accepted */
	bool overdue;
	bool dirty; /* there is something new to say */
	unsigned int sends, hurries, rejections, refusals;
	uint16_t refused;
	int64_t began_ms; /* of waiting, */
	int64_t sent_ms;  /* and when this request first left */
	int64_t next_ms, answered_ms, rejected_ms, keepalive_ms;
	struct endpoint mapped;
};

/* An address of the other that has shown itself: it has sent a valid check, or answered one. */
struct lane_pair {
	bool used;
	bool answered;	/* a check of ours */
	bool nominated; /* by the client */
	unsigned int socket;
	struct endpoint peer;
	unsigned int tries;
	int64_t seen_ms, next_ms, rtt_ms;
};

/* A round, from its word to its end. */
struct lane_search {
	struct peer_round round;
	enum peer_progress progress;
	uint16_t last;
	bool sampling, firing;
	unsigned int sockets; /* fresh ones that exist */
	uint8_t sample_tid[2][STUN_TID];
	unsigned int sample_sends;
	unsigned int pass, index, probes, strays;
	uint16_t shuffle[4];
	uint32_t drawn; /* of the permutation */
	int64_t began_ms, go_ms, fire_ms, end_ms, next_ms;
};

/* The direct path. `peer` stays when it is lost, for what is still on its way. */
struct lane_direct {
	bool active;
	unsigned int socket;
	struct endpoint peer;
	int64_t answered_ms;
	int64_t unanswered_ms; /* of the first check that was sent since; 0: none */
	int64_t next_ms;
	int64_t rtt_ms; /* the longest of late */
};

/* Data of both directions, to know whether a search is worth it. */
struct lane_flow {
	unsigned int in, out;
	int64_t began_ms, used_ms;
};

/* Data of a client whose service shares its socket: its program must not see them move. */
enum lane_pin {
	LANE_FREE,    /* they may move */
	LANE_HELD,    /* the search has just begun: they wait */
	LANE_OPEN,    /* they may go, and have not yet */
	LANE_RELAYED, /* they stay on the relay */
	LANE_PINNED,  /* they stay on the direct path until it is lost */
};

struct lane {
	struct lane_config config; /* its name and key are not used after lane_open() */
	char key[LANE_KEY];
	struct proof proof;
	uint64_t sequence;
	uint64_t floor; /* of the sequence: below it, it was not ours */
	int64_t base_ms;
	uint8_t secret[MAC_SHA256]; /* of the transactions with the other */
	bool failed;
	bool relayed; /* only */
	enum peer_state state;
	bool has_word;
	struct peer_hello hello; /* what stays from one to the next */
	struct peer_word word;	 /* the newest; its round is the search's to keep */
	uint8_t key_own[MAC_SHA256], key_peer[MAC_SHA256];
	struct lane_exchange exchange;
	struct lane_search search;
	struct lane_pair pairs[LANE_PAIRS];
	struct lane_direct direct;
	struct lane_flow flow;
	enum lane_pin pin;
	int64_t held_ms; /* until then */
};

/* Its data have no use for a direct path. */
static inline bool lane_stays(const struct lane *lane)
{
	return lane->relayed || lane->pin == LANE_RELAYED;
}

static inline int64_t lane_min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static inline int64_t lane_max(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* lane.c */
struct lane_event lane_event(const struct lane *lane, enum lane_event_type type);
void lane_emit(struct lane *lane, const struct lane_event *event);
/* +-20 %, so that many lanes do not speak at once. */
int64_t lane_jitter(int64_t ms);

/* lane_pin.c: data that stay where they began */
void lane_pin_begin(struct lane *lane, bool pinned, int64_t now_ms);
/* The search has ended, in one way or the other. */
void lane_pin_release(struct lane *lane);
void lane_pin_lost(struct lane *lane);
/* Data are about to go. */
void lane_pin_output(struct lane *lane);
void lane_pin_tick(struct lane *lane, int64_t now_ms);
int64_t lane_pin_deadline(const struct lane *lane);

/* lane_relay.c: hellos, and answers to them */
void lane_relay_open(struct lane *lane, int64_t now_ms);
void lane_relay_bye(struct lane *lane);
/* Something has changed that the relay should know. */
void lane_relay_tell(struct lane *lane);
void lane_relay_hasten(struct lane *lane, int64_t now_ms);
void lane_relay_tick(struct lane *lane, int64_t now_ms);
int64_t lane_relay_deadline(const struct lane *lane);
/* False: nothing that the relay has said. */
bool lane_relay_input(struct lane *lane, const struct stun *stun, int64_t now_ms);
/* lane_word.c: what the relay says */
void lane_word_take(struct lane *lane, struct stun_bytes bytes, bool answer, int64_t now_ms);

/* lane_search.c: rounds */
void lane_search_round(struct lane *lane, const struct peer_round *round, int64_t now_ms);
void lane_search_end(struct lane *lane, enum peer_progress progress);
/* What is looked for is not wanted any more. */
void lane_search_leave(struct lane *lane, int64_t now_ms);
void lane_search_reset(struct lane *lane);
void lane_search_tick(struct lane *lane, int64_t now_ms);
int64_t lane_search_deadline(const struct lane *lane);
/* True: an answer to a sample. */
bool lane_search_input(
	struct lane *lane, unsigned int socket, const struct stun *stun, int64_t now_ms);

/* lane_fire.c: the datagrams of a round */
void lane_fire_start(struct lane *lane, int64_t now_ms);
void lane_fire_tick(struct lane *lane, int64_t now_ms);
uint8_t lane_fire_ttl(const struct lane *lane);

/* lane_check.c: checks between the two */
void lane_check_send(struct lane *lane, unsigned int socket, const struct endpoint *to, uint8_t ttl,
	bool nominate, int64_t now_ms);
/* True: it was the other's, proven. */
bool lane_check_input(struct lane *lane, unsigned int socket, const struct endpoint *from,
	const struct stun *stun, int64_t now_ms);
void lane_check_tick(struct lane *lane, int64_t now_ms);
int64_t lane_check_deadline(const struct lane *lane);
bool lane_check_knows(const struct lane *lane, unsigned int socket, const struct endpoint *from);
bool lane_check_is_hot(const struct lane *lane, int64_t now_ms);
void lane_check_forget(struct lane *lane);

/* lane_direct.c: the path that was found */
void lane_direct_begin(struct lane *lane, const struct lane_pair *pair, int64_t now_ms);
/* A check was answered, age_ms after it was sent. */
void lane_direct_answered(struct lane *lane, unsigned int socket, const struct endpoint *from,
	int64_t age_ms, int64_t now_ms);
void lane_direct_lost(struct lane *lane, int64_t now_ms);
void lane_direct_hasten(struct lane *lane, int64_t now_ms);
void lane_direct_tick(struct lane *lane, int64_t now_ms);
int64_t lane_direct_deadline(const struct lane *lane);
bool lane_direct_is_fresh(const struct lane *lane, int64_t now_ms);
bool lane_direct_is_open(const struct lane *lane, int64_t now_ms);
bool lane_flow_is_on(const struct lane *lane, int64_t now_ms);

#endif
