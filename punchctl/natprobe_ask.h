/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natprobe_ask: the probe's sockets, and questions to the relay that are repeated until answered.
 */
#ifndef PUNCHCTL_NATPROBE_ASK_H
#define PUNCHCTL_NATPROBE_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/stun.h"
#include "punchctl/natprobe.h"

#define ASK_TRIES  4   /* of a question that is answered unless all are lost */
#define ASK_PADDED 256 /* bytes of a request, so that no answer is larger */

/* CHANGE-REQUEST, RFC 5780, section 7.2 */
#define ASK_CHANGE_ADDRESS 0x4u
#define ASK_CHANGE_PORT	   0x2u

struct ask_socket {
	bool open;
	int number;
	uint16_t port;
};

/* One Binding request and what came of it. What a test sets before ask_start() comes first. */
struct ask {
	int socket;	 /* index of the socket that sends */
	int ear;	 /* and of the one where the answer arrives */
	uint8_t limit;	 /* tries; 0: ASK_TRIES */
	uint32_t change; /* CHANGE-REQUEST */
	uint16_t response_port;
	struct endpoint to;
	uint8_t ttl;	    /* of the request; 0: the system's */
	uint8_t opener_ttl; /* before each try an indication goes to the opener, if not 0 */
	struct endpoint opener;
	bool patient; /* waits longer with each try, as the round trip is not known yet */

	bool started, done, answered;
	uint8_t tries;
	int64_t first_ms, last_ms;
	uint8_t tid[STUN_TID];
	uint16_t error; /* of an error that was the answer, 0: success */
	struct endpoint from, mapped, other;
	uint16_t alternate;
};

struct natprobe;

/* The index of a fresh socket, or -errno. */
int probe_socket_open(struct natprobe *probe);
/* -1 or below is no socket. */
void probe_socket_close(struct natprobe *probe, int socket);

/* An indication, which nobody answers; tid NULL: any. ttl 0: the system's. */
void probe_indicate(struct natprobe *probe, int socket, const struct endpoint *to, uint8_t ttl,
	const uint8_t *tid);

/* Sends for the first time. */
void ask_start(struct natprobe *probe, struct ask *ask, int64_t now_ms);
/* The same, to the relay from a fresh socket; without one it is done and not answered. */
void ask_start_fresh(struct natprobe *probe, struct ask *ask, int64_t now_ms);
/* Repeats, or gives up. */
void ask_tick(struct natprobe *probe, struct ask *ask, int64_t now_ms);
/* INT64_MAX when it waits for nothing. */
int64_t ask_deadline(const struct natprobe *probe, const struct ask *ask);
/* True: it was its answer. */
bool ask_input(struct natprobe *probe, struct ask *ask, int socket, const struct endpoint *from,
	const struct stun *stun, int64_t now_ms);
/* A success, not an error. */
bool ask_succeeded(const struct ask *ask);

#endif
