/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent: keeps one hole open for each port of a stream: punches, proves, repeats, notices what
 * changes. A state machine: datagrams and the time go in, datagrams and events come out. Times are
 * monotonic milliseconds.
 */
#ifndef PUNCHCTL_AGENT_H
#define PUNCHCTL_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/stun.h"
#include "punchctl/proof.h"

#define AGENT_HOLES	   PORTS_MAX
#define AGENT_KEY	   129 /* a key as text, with the zero */
#define AGENT_REASON	   64
#define AGENT_KEEPALIVE_MS 15000 /* +-20 %; a third of the consent when that is less */
#define AGENT_SILENT_MS	   3000	 /* without an answer, before it is said */
#define AGENT_REJECT_MS	   5000	 /* of nothing but 401, before it is believed */
#define AGENT_RETRY_MS	   5000	 /* the longest pause between requests while something is wrong */

enum agent_event_type {
	AGENT_PUNCHED,	   /* the kernel forwards: hole, mapped */
	AGENT_MOVED,	   /* the NAT has another mapping: hole, mapped, old */
	AGENT_SILENT,	   /* no answer that helps yet; code: of an answer that did not, or 0 */
	AGENT_LOST,	   /* it had answered, and does no longer: ms */
	AGENT_BACK,	   /* it answers again */
	AGENT_UNREACHABLE, /* sending fails: error, a positive errno */
	AGENT_REFUSED,	   /* hole, code, reason; tried again */
	AGENT_CONFLICT,	   /* the mapping carries another port: the hole wants a new socket, now */
	AGENT_FAILED, /* hole, code, reason; not tried again. 401: wrong key or unknown stream */
};

struct agent_event {
	enum agent_event_type type;
	unsigned int hole; /* index into the ports */
	uint16_t port;	   /* the hole's, at the relay */
	uint16_t code;
	int error;
	int64_t ms;
	struct endpoint mapped, old;
	char reason[AGENT_REASON]; /* the relay's words, printable ASCII */
};

/* All pointers are the caller's; name, key and ports are copied. */
struct agent_config {
	const char *name;
	const char *key;
	const struct ports *ports;
	struct endpoint relay;
	uint64_t sequence; /* microseconds of the wall clock: grows from run to run */
	bool fixed;	   /* the sockets cannot be changed: no AGENT_CONFLICT, but patience */
	/* 0 or -errno. Called from agent_tick() and agent_input(). */
	int (*send)(void *arg, unsigned int hole, const void *data, size_t len);
	/* May call agent_set_key(), and nothing else of the agent. */
	void (*event)(void *arg, const struct agent_event *event);
	void *arg;
};

struct agent_hole {
	uint16_t port;
	struct proof proof;
	bool failed, paused;

	/* The transaction; while waiting, next_ms is when it is sent again, or renewed. */
	uint8_t request[STUN_MAX];
	size_t request_len;
	uint8_t tid[STUN_TID];
	bool waiting, proven, renew;
	unsigned int sends;
	int64_t began_ms, next_ms;

	/* What came of it. */
	struct endpoint mapped; /* family 0: not punched yet */
	int64_t answered_ms, keepalive_ms;
	bool overdue;
	uint16_t strange; /* code of the newest error that proved nothing */
	unsigned int hurries, conflicts, rejections, refusals;
	int64_t rejected_ms;
	uint16_t refused; /* code that was said */

	/* The media: packets in a steady row, and what its silence is answered with. */
	unsigned int streak;
	int64_t media_ms, gap_ms; /* the last, and the longest pause of late */
	int64_t repunch_ms;	  /* after media_ms comes the next punch */
	int64_t repunched_ms;
};

struct agent {
	struct agent_config config; /* its name, key and ports are not used after agent_init() */
	char key[AGENT_KEY];
	uint64_t sequence;
	bool lost, unreachable;
	unsigned int count;
	struct agent_hole holes[AGENT_HOLES];
};

struct agent_datagram {
	unsigned int hole; /* at whose socket it came */
	struct endpoint from;
	const uint8_t *data;
	size_t len;
};

/* All holes are due at once. -EINVAL: name or key too long, or no port. */
int agent_init(struct agent *agent, const struct agent_config *config, int64_t now_ms);
/* Wipes the keys. */
void agent_fini(struct agent *agent);
/* Another key: failed holes are tried again with it. */
void agent_set_key(struct agent *agent, const char *key);

/* There is no socket for the hole now; it keeps its proof and stands still. */
void agent_pause(struct agent *agent, unsigned int hole);
/* There is one, again or another: it punches at once. */
void agent_resume(struct agent *agent, unsigned int hole, int64_t now_ms);

/* Does all that is due. */
void agent_tick(struct agent *agent, int64_t now_ms);
/* When agent_tick() is to be called next; INT64_MAX: never. */
int64_t agent_deadline(const struct agent *agent);
/* True: it was an answer of the relay, heeded or not; false: it is not for the agent. */
bool agent_input(struct agent *agent, const struct agent_datagram *datagram, int64_t now_ms);
/* So many datagrams of media have come at once. */
void agent_media(struct agent *agent, unsigned int hole, unsigned int count, int64_t now_ms);
/* All holes have been punched at least once. */
bool agent_is_open(const struct agent *agent);

#endif
