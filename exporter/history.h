/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * history: the rings of all streams by name, and one of the whole relay: HISTORY_BYTES at most.
 * Pure; times are monotonic milliseconds.
 */
#ifndef EXPORTER_HISTORY_H
#define EXPORTER_HISTORY_H

#include "exporter/ring.h"

#define HISTORY_STREAMS 1000 /* as many as have series of their own in the metrics */
#define HISTORY_NAME	64   /* with its zero; longer names have no history */
#define HISTORY_BYTES	((HISTORY_STREAMS + 1) * sizeof(struct history_stream))

struct history_stream {
	char name[HISTORY_NAME];
	struct tally last; /* as the relay counted at seen_ms */
	int64_t seen_ms;
	struct ring ring;
};

/* All zero: empty. */
struct history {
	struct ring total;
	int64_t done_ms; /* when all streams were last taken */
	size_t count;
	struct history_stream *streams[HISTORY_STREAMS]; /* owned, by name */
};

void history_fini(struct history *history);
/*
 * The relay's counters of a stream at now_ms. Counters that went back began anew. When
 * all places are taken, a new stream gets that of the one that is gone for longest; -ENOSPC when
 * none is gone, -ENAMETOOLONG, -ENOMEM.
 */
int history_take(
	struct history *history, const char *name, const struct tally *tally, int64_t now_ms);
/* All streams of now_ms have been taken: forgets those that are gone for an hour. */
void history_done(struct history *history, int64_t now_ms);
/* NULL: there is none. */
const struct ring *history_find(const struct history *history, const char *name);

#endif
