/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sender_bed: a stream of two ports, and what the kernel tells of its senders. */
#ifndef TESTS_SENDER_BED_H
#define TESTS_SENDER_BED_H

#include <check.h>

#include "relayd/stream.h"
#include "tests/endpoint.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW	     ((int64_t)1000000)
#define A	     "198.51.100.1:7000"
#define A2	     "198.51.100.1:7001"
#define B	     "198.51.100.2:7000"

extern struct stream_table table;
extern struct stream *stream;
extern struct slot *slot; /* the first of its two */
extern char events[1024]; /* since the last look, "sender refused " */
extern char text[128];	  /* of the last one that had any */
extern unsigned int probes;

/* Both ports are punched, and anybody may send to them; nothing is dirty. */
void set_up(void);
void tear_down(void);
/* Nothing else has happened since the last look. */
void assert_events(const char *expected);
/* As sync does, when the kernel has all of it. */
void settle(void);
size_t dirty_count(void);

void punch(struct slot *of, const char *client);
/* The kernel tells of one to the first port. */
void packet(const char *from, bool refused, int64_t now_ms);
void assert_sender(const char *from);

#endif
