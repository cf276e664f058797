/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * behaviour: plain STUN and the discovery of a NAT's behaviour (RFC 8489, 5780 and 3489):
 * datagrams and facts in, answers and the socket that they leave from out, no I/O.
 *
 * OTHER-ADDRESS is said only while answers do leave from there: from a second address of this host
 * or, while it answers, by the partner. What cannot be done is met with silence, because clients
 * take every answer, an error too, for one from the other address.
 */
#ifndef RELAYD_BEHAVIOUR_H
#define RELAYD_BEHAVIOUR_H

#include "common/stun.h"
#include "relayd/config.h"
#include "relayd/limit.h"
#include "relayd/partner.h"

#define BEHAVIOUR_ANSWER_MAX 256

/* What became of a datagram; each is a metric. */
enum behaviour_count {
	BEHAVIOUR_ANSWERED,  /* from where it was asked to who asked */
	BEHAVIOUR_ELSEWHERE, /* from another socket, or to another port */
	BEHAVIOUR_FORWARDED, /* the partner is to answer */
	BEHAVIOUR_EMITTED,   /* answered for the partner */
	BEHAVIOUR_UNPADDED,  /* no answer: larger than the request, and the prefix had its share */
	BEHAVIOUR_LIMITED,   /* no answer: elsewhere, and the prefix had its share */
	BEHAVIOUR_SILENT,    /* no answer: there is no such address or port */
	BEHAVIOUR_REFUSED,   /* 400 */
	BEHAVIOUR_MALFORMED, /* neither a request of RFC 3489 */
	BEHAVIOUR_HELLO,     /* the partner lives */
	BEHAVIOUR_STRANGER,  /* not the partner's, though it says so */
	BEHAVIOUR_STALE,     /* of an earlier session, or sent again */
	BEHAVIOUR_COUNTS,
};

struct behaviour {
	const struct config *config; /* NULL: one address and one port */
	struct limit *unpadded;	     /* answers that are larger than their question */
	struct limit elsewhere;	     /* answers that go elsewhere */
	struct partner partner;
	uint64_t counts[BEHAVIOUR_COUNTS];
};

/* A datagram: bytes that came, and where. */
struct behaviour_packet {
	const uint8_t *data;
	size_t len;
	struct endpoint source, local;
};

struct behaviour_answer {
	struct endpoint from, to; /* from: the local socket */
	size_t len;		  /* 0: no answer */
	uint8_t *data;		  /* the caller's BEHAVIOUR_ANSWER_MAX bytes */
};

void behaviour_init(struct behaviour *behaviour, struct limit *unpadded);
/* Takes the addresses, ports and partner of the configuration, which has to stay; session: as
 * partner_init() has it. */
void behaviour_configure(
	struct behaviour *behaviour, const struct config *config, uint64_t session);
/* The port is for plain STUN only, or for RFC 3489 only. */
bool behaviour_is_alternate(const struct behaviour *behaviour, uint16_t port);
bool behaviour_is_rfc3489(const struct behaviour *behaviour, uint16_t port);
/* A Binding request without credentials. */
enum behaviour_count behaviour_request(struct behaviour *behaviour,
	const struct behaviour_packet *packet, const struct stun *stun, int64_t now_ms,
	struct behaviour_answer *answer);
/* Any datagram to a port for RFC 3489. */
enum behaviour_count behaviour_rfc3489(struct behaviour *behaviour,
	const struct behaviour_packet *packet, int64_t now_ms, struct behaviour_answer *answer);
/* An indication with PUNCH-PARTNER. */
enum behaviour_count behaviour_partner(struct behaviour *behaviour,
	const struct behaviour_packet *packet, const struct stun *stun, int64_t now_ms,
	struct behaviour_answer *answer);
/* Once or more a second; the answer is what the partner is to be told, if anything. */
void behaviour_tick(struct behaviour *behaviour, int64_t now_ms, struct behaviour_answer *answer);
const char *behaviour_count_text(enum behaviour_count count);

#endif
