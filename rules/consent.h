/* SPDX-License-Identifier: GPL-2.0-or-later */
/* consent: for how long, from whom and how fast media may pass to a port; elements of several sets.
 */
#ifndef RULES_CONSENT_H
#define RULES_CONSENT_H

#include "rules/elem.h"

struct consent {
	struct endpoint listen;
	struct prefix source;
	char name[RULES_NAME];
	uint32_t timeout_ms;
	uint64_t rate; /* bytes a second, 0: no limit */
	uint64_t packets, bytes;
};

/* Replaces what there is for this source, counters included. */
void consent_open(
	struct batch *batch, const struct kernel *kernel, int op, const struct consent *consent);
void consent_close(struct batch *batch, const struct kernel *kernel, int op,
	const struct endpoint *listen, const struct prefix *source);
/*
 * Its time begins anew, counters and rate stay. A kernel that does not refresh keeps the time of an
 * element, so it is made anew from what was read: what passes in between goes uncounted.
 */
int consent_refresh(struct batch *batch, const struct kernel *kernel, struct nl *nl, int op,
	const struct consent *consent);
/* What there is for out's listening endpoint and source; -ENOENT. */
int consent_read(struct nl *nl, struct consent *out);

/* Whether consent of such a source may stand in this set; and whether RATE counts for it. */
bool consent_is_of(enum set_id set, const struct prefix *source);
bool consent_is_apart(enum set_id set);

/* The sets in which consent stands, ended by SET_COUNT. */
extern const enum set_id consent_sets[];

#endif
