/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lane: one session of one peer, from its hole at the relay to a direct path and back: registers,
 * is paired, searches as the relay's broker says, checks consent, falls back. A state machine:
 * datagrams and the time go in, datagrams and events come out. Times are monotonic milliseconds.
 */
#ifndef PUNCHCTL_LANE_H
#define PUNCHCTL_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/nat.h"
#include "common/peer.h"
#include "common/stun.h"
#include "punchctl/proof.h"

#define LANE_KEY      129
#define LANE_CHECK_MS 400   /* between consent checks while data flow (RFC 7675) */
#define LANE_DEAD_MS  1500  /* without an answered check: the direct path is lost */
#define LANE_DOUBT_MS 200   /* a check waits so long, or two round trips: data go by the relay */
#define LANE_IDLE_MS  15000 /* between checks while no data flow, +-20 % */

enum lane_event_type {
	LANE_WAITING, /* known to the relay, nobody has called (service), or nobody serves (client)
		       */
	LANE_PAIRED,  /* data flow through the relay: mapped, peer */
	LANE_DIRECT,  /* data go the direct path now: peer, plan, ms (of the search), probes */
	LANE_LOST,    /* the direct path is lost, back to the relay: peer */
	LANE_NO_PATH, /* a round has found nothing: plan */
	LANE_CLOSED,  /* the other has gone: a client wants a new lane, a service's lane is used up
		       */
	LANE_SILENT,  /* the relay does not answer: ms */
	LANE_BACK,    /* it does again */
	LANE_REFUSED, /* code, reason; tried again */
	LANE_FAILED,  /* code, reason; not tried again */
};

struct lane_event {
	enum lane_event_type type;
	uint16_t code;
	enum peer_plan plan;
	int64_t ms;
	unsigned int probes;
	struct endpoint mapped, peer;
	char reason[64];
};

/* All pointers are the caller's; texts are copied. */
struct lane_config {
	enum peer_role role;
	const char *name;
	const char *key;
	struct endpoint relay;
	uint64_t sequence; /* microseconds of the wall clock */
	bool shared;	   /* of a service: socket 0 is its program's, which no data pass us from */
	/*
	 * Socket 0 is the lane's own. ttl 0: the system's. 0 or -errno. Only from lane_tick(),
	 * lane_input(), lane_output() and lane_set_relayed().
	 */
	int (*send)(void *arg, unsigned int socket, const struct endpoint *to, uint8_t ttl,
		const void *data, size_t len);
	/*
	 * Sockets 1 to count shall exist, fresh ones; those of before are closed, but `keep` (0:
	 * none), which becomes number 1. Returns how many there are now, which may be fewer.
	 */
	unsigned int (*sockets)(void *arg, unsigned int keep, unsigned int count);
	/* May call lane_set_nat() and nothing else of the lane. */
	void (*event)(void *arg, const struct lane_event *event);
	void *arg;
};

/* Where data came from, or go. */
struct lane_path {
	unsigned int socket;
	struct endpoint peer; /* the relay, or the other */
	bool direct;
};

enum lane_verdict {
	LANE_DATA,    /* of the program: hand it on */
	LANE_TAKEN,   /* the lane's own */
	LANE_FOREIGN, /* of a stranger: drop it */
};

struct lane;

/* -EINVAL: a text too long; -ENOMEM. */
int lane_open(const struct lane_config *config, int64_t now_ms, struct lane **out);
/* Says goodbye to the relay, once; wipes the keys. */
void lane_close(struct lane *lane, int64_t now_ms);

/* What is known of our NAT, and the host's addresses with the port of socket 0; may come at any
 * time. */
void lane_set_nat(struct lane *lane, const struct nat_report *nat);
void lane_set_hosts(struct lane *lane, const struct endpoint *hosts, unsigned int count);
/* A port that the gateway maps to socket 0. */
void lane_set_gateway(struct lane *lane, const struct endpoint *mapped);
/*
 * Only the relay, or not any more: no direct path is looked for or said to be possible, and data
 * leave one that is there at once; the other side follows when its checks are not answered.
 */
void lane_set_relayed(struct lane *lane, bool relayed, int64_t now_ms);
/* Of a client: it carries nothing yet, and may lose its place to a lane that does. */
void lane_set_spare(struct lane *lane, bool spare, int64_t now_ms);
/* The network has changed: punch anew, and what was hopeless may not be any more. */
void lane_network(struct lane *lane, int64_t now_ms);

void lane_tick(struct lane *lane, int64_t now_ms);
int64_t lane_deadline(const struct lane *lane); /* INT64_MAX: never */

/* What to do with a datagram. Cheap for data: no more than two comparisons of addresses. */
enum lane_verdict lane_input(struct lane *lane, unsigned int socket, const struct endpoint *from,
	const uint8_t *data, size_t len, int64_t now_ms);
/* `count` datagrams of data are about to go out at once: where to. False: not paired yet. */
bool lane_output(struct lane *lane, unsigned int count, int64_t now_ms, struct lane_path *out);

/*
 * How data stand: of a client whose other is shared, PAIRED only when it has been seen whether
 * there is a direct path, for its data stay where they begin.
 */
enum peer_state lane_state(const struct lane *lane);
/* The other side's datagrams do not pass a lane there: they are as its program sends them. */
bool lane_is_pinned(const struct lane *lane);
/* More punch ports of the relay for lanes of a shared socket; false: none that we know of. */
bool lane_share(const struct lane *lane, uint16_t *low, uint16_t *high);
bool lane_is_direct(const struct lane *lane);
/* A direct path is being looked for. */
bool lane_is_searching(const struct lane *lane);
/* When data last came or went; 0: never. */
int64_t lane_used_ms(const struct lane *lane);

#endif
