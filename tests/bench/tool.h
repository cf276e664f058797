/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tool: what the programs of the bench share; every error of theirs ends them. */
#ifndef BENCH_TOOL_H
#define BENCH_TOOL_H

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NSEC 1000000000LL

static inline _Noreturn void fail(const char *what, const char *of, int error)
{
	fprintf(stderr, "%s: %s %s: %s\n", program_invocation_short_name, what, of,
		strerror(error));
	exit(1);
}

/* Nanoseconds. */
static inline long long now(clockid_t clock)
{
	struct timespec at;

	if (clock_gettime(clock, &at))
		fail("clock", "", errno);
	return at.tv_sec * NSEC + at.tv_nsec;
}

/* A whole number that is not negative. */
static inline long number(const char *text)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < 0)
		fail("number", text, EINVAL);
	return value;
}

static inline void pin(const char *core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(number(core), &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("core", core, errno);
}

#endif
