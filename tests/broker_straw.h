/* SPDX-License-Identifier: GPL-2.0-or-later */
/* broker_straw: the broker with a clock, a kernel and peers of straw. */
#ifndef TESTS_BROKER_STRAW_H
#define TESTS_BROKER_STRAW_H

#include <check.h>

#include "relayd/broker.h"
#include "tests/endpoint.h"

#define CONSENT_MS 40000
#define PEERS	   32

/* A peer. */
struct straw {
	struct peer_hello hello;
	struct hole hole;
	struct stream *stream;
	uint64_t sequence;
	bool deaf, known, news;
	int64_t said_ms;
	struct peer_word word; /* the newest, */
	int64_t word_ms;       /* and when it came */
	unsigned int pushed;
	uint8_t key[16];
};
extern struct straw straws[PEERS];

extern struct stream_table table;
extern struct stream *stream, *other_stream;
extern struct broker *broker;
extern int64_t now_ms;

/* The kernel: what it is to answer, whether it waits with that, and what it has been told. */
extern int kernel_error;
extern bool kernel_waits;
extern char told[65536];
/* What it must be told of each client. */
extern uint32_t consent_is;
extern uint64_t rate_is;

extern struct endpoint alternate_is;
/* The relay's end of the hole of the peer with this port. */
extern uint16_t port_of_1002;

void set_up(void);
void tear_down(void);
void broker_start(void);

void commit(void);
/* All that it was told since, and all events. */
void assert_told(const char *expected);
void assert_events(const char *expected);

/* Peers have the addresses 192.0.2.1, ... and the ports 1001, ... */
struct straw *straw_make(enum peer_role role, unsigned int number);
int hello_send(struct straw *straw, uint64_t sequence, struct peer_word *word);
/* Nothing in it is of the straw's own doing when it is deaf. */
int try_say(struct straw *straw);
void say(struct straw *straw);
/* So much time passes; who has heard something new says so at once, the others every 15 s. */
void run(int64_t ms);
void pair_of(struct straw **client, struct straw **service);

void nat_set(struct straw *straw, enum nat_mapping mapping, enum nat_allocation allocation,
	int32_t step);
void report(struct straw *straw, enum peer_progress progress, uint16_t last);
void adopt(const struct straw *a, const struct straw *b, uint32_t number);

#endif
