/* SPDX-License-Identifier: GPL-2.0-or-later */
/* discover_bed: a relay behind 1:1 NAT, and whoever may tell it how it is seen. */
#ifndef TESTS_DISCOVER_BED_H
#define TESTS_DISCOVER_BED_H

#include <check.h>

#include "relayd/discover.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LOCAL	     "10.0.0.4"
#define SECOND	     "10.0.0.5"
#define SIX	     "fd00::4"
#define PUBLIC	     "203.0.113.7"
#define SERVER	     "198.51.100.2:3479"
#define SERVER6	     "[2001:db8::2]:3479"
#define SILENT	     SERVER " does not answer: "
#define UNKNOWN	     SILENT "how the others see this relay is not known"
#define LEARNT	     SILENT "what was learnt before stays"
#define AGAIN	     SERVER " answers again"

extern struct config config;
extern struct discover discover;
extern int64_t now;
/* A question on its way. */
extern struct question {
	struct endpoint from, to;
	size_t len;
	uint8_t data[DISCOVER_ASK_MAX];
	struct stun stun;
} question;

void add_address(const char *text);
void configure(void);
void set_up(void);
bool asks(void);
bool answers_as(uint16_t type, const char *from, const char *mapped);
bool answers(const char *mapped);
void learn(const char *mapped);
void advertise(const char *public);
void cloud_says(const char *local, const char *public);
/* What is advertised for the address of this index, "" for nothing. */
void assert_public(size_t i, const char *wanted);
void assert_doubt(const char *wanted);
/* What is said of the server now, "" for nothing. */
void assert_silence(const char *wanted);
/* As many questions without an answer as it takes. */
void fall_silent(void);

#endif
