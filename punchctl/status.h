/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * status: what a punch is doing, and what peers are, in words for one line. A state machine: what
 * happens and the time go in, words come out. Times are monotonic milliseconds.
 */
#ifndef PUNCHCTL_STATUS_H
#define PUNCHCTL_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/peer.h"
#include "punchctl/agent.h"

#define STATUS_TEXT	256
#define STATUS_QUIET_MS 5000 /* without media: it does not play any more */

/* Bytes a second, between the last two looks. */
struct status_rate {
	uint64_t bytes;
	int64_t at_ms; /* 0: no look yet */
	uint64_t rate;
};

void status_rate_look(struct status_rate *rate, uint64_t bytes, int64_t now_ms);

/* The first six are the caller's to set. */
struct status_punch {
	const char *stream;
	const struct endpoint *relay;
	unsigned int ports;
	bool lasting;		    /* only words that last: no rates, and not for how long */
	bool shared;		    /* the media do not pass us */
	uint16_t unshared;	    /* a port whose program is waited for; 0: none */
	uint64_t punched;	    /* a bit for each hole */
	struct endpoint mapped;	    /* the newest */
	struct agent_event trouble; /* that lasts: SILENT, LOST, UNREACHABLE or REFUSED; */
	int64_t trouble_ms;	    /* since then; 0: there is none */
	int64_t media_ms;	    /* of the last; 0: none yet */
	bool playing;
	struct status_rate rate;
};

void status_punch_event(
	struct status_punch *status, const struct agent_event *event, int64_t now_ms);
/* Media have come. True: it begins to play. */
bool status_punch_media(struct status_punch *status, int64_t now_ms);
/* A second has passed, bytes of media have come in all. True: it does not play any more. */
bool status_punch_tick(struct status_punch *status, uint64_t bytes, int64_t now_ms);
const char *status_punch_words(
	const struct status_punch *status, int64_t now_ms, char text[static STATUS_TEXT]);

/* How the data of a session go. */
enum status_path {
	STATUS_LOST,	  /* there is no path just now */
	STATUS_RELAYED,	  /* and a direct path is not looked for */
	STATUS_SEARCHING, /* by the relay meanwhile */
	STATUS_BACK,	  /* by the relay again, as the direct path was lost */
	STATUS_DIRECT,
	STATUS_PATHS
};

struct status_peers {
	const char *stream;
	enum peer_role role;
	struct endpoint relay, local;
	bool proven;			  /* the key has been good */
	bool silent;			  /* the relay is */
	bool ready;			  /* of a client: a peer serves */
	bool lasting;			  /* only words that last: no rates */
	bool shared;			  /* the data do not pass us */
	uint16_t unshared;		  /* a port whose program is waited for; 0: none */
	unsigned int paths[STATUS_PATHS]; /* sessions, by how their data go */
	struct status_rate in, out;
};

const char *status_peers_words(const struct status_peers *status, char text[static STATUS_TEXT]);

#endif
