/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stream_bed: a table of streams, its events, and a kernel that takes everything. */
#ifndef TESTS_STREAM_BED_H
#define TESTS_STREAM_BED_H

#include <check.h>

#include "relayd/stream.h"
#include "tests/endpoint.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW	     ((int64_t)1000000)
#define CONSENT_MS   45000
#define KEY	     "MDEyMzQ1Njc4OWFiY2RlZg=="

extern struct stream_table table;
extern char why[SPEC_WHY]; /* of what was refused last */
extern bool moved;	   /* by the last claim */
/* Since the last look, "added:cam1 ". */
extern char events[1024];

void set_up(void);
void tear_down(void);
/* Nothing else has happened since the last look. */
void assert_events(const char *expected);

struct spec make(const char *name, const char *listen);
struct stream *add_spec(const struct spec *spec);
struct stream *add(const char *name, const char *listen);

struct hole hole(const char *client, const char *punch);
int claim(struct slot *slot, const char *client, int64_t now_ms);
/* As sync does, when the kernel has all of it. */
void settle(void);
size_t dirty_count(void);

#endif
