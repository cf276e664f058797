/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tally: events that are too many for a line each are counted, and told in one line a second. */
#ifndef RELAYD_TALLY_H
#define RELAYD_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TALLY_LINES 50 /* a second */
#define TALLY_KINDS 24 /* as many as there are events, and some */
#define TALLY_TEXT  512

struct tally {
	unsigned int told;
	uint64_t held;
	struct {
		const char *what;
		uint64_t count;
	} kinds[TALLY_KINDS];
	size_t kind_count;
};

/* Whether the event may have a line; otherwise it is counted. `what` is a constant. */
bool tally_take(struct tally *tally, const char *what);
/* At the end of a second: "12 more: 10 punched, 2 moved", or NULL when each had its line. */
const char *tally_end(struct tally *tally, char out[static TALLY_TEXT]);

#endif
