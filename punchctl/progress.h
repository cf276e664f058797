/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * progress: the last line of a terminal, which says what is going on now and is written anew; or,
 * where there is none, the status of a unit of systemd.
 */
#ifndef PUNCHCTL_PROGRESS_H
#define PUNCHCTL_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/log.h"

#define PROGRESS_MS 1000 /* between looks at what changes by itself, such as a rate */

/* What is logged stands above the line. Zeros: there is none. */
struct progress {
	bool live; /* there is such a line; else changes are told by what is logged */
	bool unit; /* systemd is told instead, whenever the words change: they are to last */
	char told[LOG_STATUS]; /* to systemd */
};

/* There is a line if stderr is a terminal that can, and `plain` does not forbid it. */
void progress_begin(struct progress *progress, bool plain);
/* Else there is no need for words. */
bool progress_is_seen(const struct progress *progress);
/* Does nothing where nobody sees it, or the terminal is another job's just now. */
void progress_show(struct progress *progress, const char *words);
/* The line goes for good, as a program that we start writes to the terminal. */
void progress_share(struct progress *progress);
/* The line goes for good. */
void progress_end(struct progress *progress);

/* So many columns of the words, and no byte that could do more than be seen. */
void progress_cut(const char *words, size_t columns, char *out, size_t size);

#endif
