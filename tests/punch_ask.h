/* SPDX-License-Identifier: GPL-2.0-or-later */
/* punch_ask: what clients send, and what they are answered: for the tests of the punch protocol. */
#ifndef TESTS_PUNCH_ASK_H
#define TESTS_PUNCH_ASK_H

#include <check.h>

#include "relayd/punch.h"
#include "tests/endpoint.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW	     ((int64_t)100000000)
#define CONSENT_MS   45000
#define PADDED	     256
#define KEY	     "MDEyMzQ1Njc4OWFiY2RlZg=="
#define RELAY	     "203.0.113.7:3478"
#define HOME	     "192.0.2.9:40123"
#define AWAY	     "198.51.100.9:50000"

/* RFC 8489, section 14.11: what the relay offers. */
extern const uint8_t offer[8];
/* Sources that no client has. */
extern const char *const nowhere[12];

/* A request: what is NULL or 0 is left out. */
struct ask {
	const char *source, *local;
	uint8_t tid; /* repeated */
	uint16_t type;
	const char *user;
	char realm[64], nonce[NONCE_TEXT];
	const uint8_t *algorithms;
	size_t algorithms_len;
	uint16_t algorithm;
	uint64_t sequence;
	uint16_t unknown;
	uint16_t spoilt; /* this attribute has another length */
	size_t spoilt_len;
	bool sha1, sha256;
	enum stun_algorithm hash; /* of the key */
	const char *key;
	size_t padded;
};

/* Two ports in both families; second is the other port's. */
extern struct stream_table table;
extern struct stream *stream;
extern struct slot *slot, *second, *slot6;
extern struct punch punch;
extern int64_t now;

/* Of the last datagram: the answer, what it is, its length, and the counters before it. */
extern struct punch_answer answer;
extern struct stun reply;
extern size_t asked;
extern uint64_t before[PUNCH_COUNTS];

void set_up(void);
void tear_down(void);

/* In memory that has not a byte more, so that ASan sees each read behind it. */
void handle(const uint8_t *data, size_t len, struct punch_packet *packet);
void send_bytes(const char *source, const char *local, const uint8_t *data, size_t len);
size_t client_key(const struct ask *ask, uint8_t out[static STUN_KEY_MAX]);
size_t ask_write(const struct ask *ask, uint8_t out[static STUN_MAX]);
void send_ask(const struct ask *ask);

/* The first request: who, and nothing of a proof. */
struct ask hello(const char *source, size_t padded);
void take_text(struct stun_bytes bytes, char *out, size_t size);
/* What our own client sends after the challenge; the next one has another transaction. */
struct ask prepare(const char *source);
/* The hole is there, and nothing is under way. */
struct ask punched(const char *source);

void assert_counted(enum punch_count count);
/* It was counted and not answered, as the answer would have been larger. */
void assert_unpadded(enum punch_count count);
void assert_no_hole(void);
void assert_hole(const struct slot *of, const char *client);
/* No word of it is signed, so a client of RFC 8489 believes none but 401 and 438. */
void assert_unproven(uint16_t code, enum punch_count count);
void assert_refused(const struct ask *ask, uint16_t code, enum punch_count count);
/* The success, and what is sent instead when the kernel refuses. */
void assert_success(const struct ask *ask, enum punch_count count);

#endif
