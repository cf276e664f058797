/* SPDX-License-Identifier: GPL-2.0-or-later */
/* behaviour_bed: a relay with addresses, and what it is to answer plain STUN. */
#ifndef TESTS_BEHAVIOUR_BED_H
#define TESTS_BEHAVIOUR_BED_H

#include <check.h>

#include "relayd/behaviour.h"
#include "tests/endpoint.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW	     ((int64_t)100000000)
#define HOME	     "192.0.2.9:40123"
#define A	     "203.0.113.7"
#define B	     "203.0.113.8"
#define SIX	     "2001:db8::7"

extern struct config config;
extern struct limit unpadded;
extern struct behaviour behaviour;
extern struct behaviour_answer answer;
extern uint8_t room[BEHAVIOUR_ANSWER_MAX]; /* for answer */

void set_up(void);
/* One address of a family. */
void set_up_one(void);
/* As configured. */
void start(void);
void add_address(const char *text);

void assert_endpoint(const struct endpoint *got, const char *wanted);

#endif
