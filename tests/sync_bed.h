/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sync_bed: a table of streams, and a kernel side that is played by the test. */
#ifndef TESTS_SYNC_BED_H
#define TESTS_SYNC_BED_H

#include <check.h>

#include "relayd/sync.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

extern struct stream_table table;
extern struct sync sync_;
/* What the kernel side got last, and how much it got. */
extern struct rules_op ops[RULES_OPS_MAX];
extern struct ipc message;
extern size_t applied, reads;
extern char verdicts[4096]; /* since the last look, "a:0 b:-1 " */

void set_up(void);
void tear_down(void);
struct stream *stream(const char *name, const char *listen);
/* A batch of so many operations, told apart by their names; its verdict is noted. */
void batch(const char *name, size_t count);
/* The kernel side has done what it got; op is the one that failed, or -1. */
void answer(int code, int op);
/* The names of the operations that were sent last. */
void assert_sent(const char *expected);
/* To be passed with a name. */
void note(void *data, int error);
void assert_verdicts(const char *expected);

#endif
