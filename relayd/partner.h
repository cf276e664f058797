/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * partner: what two relays with one address each say to one another, so that each can answer from
 * the other's address (RFC 5780, section 6.1). Messages in, messages out, no I/O.
 *
 * A message is a Binding indication with RESPONSE-ORIGIN (whose it is), PUNCH-PARTNER and
 * MESSAGE-INTEGRITY-SHA256 by the text of partner-key, from punch port to punch port. In it stand
 * the sender's session, the session of the other that it has heard of, and a counter. One is
 * accepted if it names our session, and is newer than all that were: no recorded one is, from
 * before or after a start of either. Sessions only have to grow from start to start, so the two
 * clocks need not agree.
 */
#ifndef RELAYD_PARTNER_H
#define RELAYD_PARTNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/stun.h"

#define PARTNER_HELLO_MS 2000
#define PARTNER_ALIVE_MS 7000  /* three hellos, and a moment */
#define PARTNER_DEAD_MS	 30000 /* then a new session begins, should its clock have gone back */
#define PARTNER_MAX	 256   /* bytes of a message */

/* The forms of plain STUN, each with its two ports: the main one and the other. */
enum partner_form { PARTNER_STUN, PARTNER_RFC3489, PARTNER_FORMS };

struct partner_ports {
	uint16_t port[PARTNER_FORMS][2]; /* 0: none */
};

/* An answer that is to leave from the other relay. */
struct partner_emit {
	enum partner_form form;
	uint8_t arrived, leaves; /* 0: the main port of the form, 1: the other one */
	uint32_t magic;		 /* RFC3489: the first 4 bytes of the id */
	uint8_t tid[STUN_TID];
	struct endpoint to, mapped;
};

struct partner {
	struct endpoint local, at;   /* our end and the other's punch port; family 0: no partner */
	const char *key;	     /* text, of the configuration */
	uint64_t mine, theirs, seen; /* sessions; theirs: accepted, seen: the newest */
	uint64_t sent, heard;	     /* counters */
	int64_t heard_ms, hello_ms, reset_ms;
	struct partner_ports ports; /* theirs */
};

enum partner_verdict {
	PARTNER_HEARD,	 /* a hello */
	PARTNER_ASKED,	 /* an answer is to leave from here: *emit */
	PARTNER_REFUSED, /* not the partner's, or not whole */
	PARTNER_OLD,	 /* the partner's, but not for this session, or sent again */
};

/* session: a number that grows with every start, such as the wall clock in microseconds. */
void partner_init(struct partner *partner, const struct endpoint *local, const struct endpoint *at,
	const char *key, uint64_t session);
bool partner_is_alive(const struct partner *partner, int64_t now_ms);
/* Is a hello due? Once or more a second. */
bool partner_tick(struct partner *partner, int64_t now_ms);
/* Writers of PARTNER_MAX bytes, which return the length; origin is our end as the other sees it. */
size_t partner_hello(struct partner *partner, const struct endpoint *origin,
	const struct partner_ports *ours, uint8_t *out);
size_t partner_emit(struct partner *partner, const struct endpoint *origin,
	const struct partner_emit *emit, uint8_t *out);
/* An indication with PUNCH-PARTNER that came to `local` from `source`. */
enum partner_verdict partner_read(struct partner *partner, const struct stun *stun,
	const struct endpoint *source, int64_t now_ms, struct partner_emit *emit);

#endif
