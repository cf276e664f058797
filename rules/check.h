/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check: whether elements that belong together are there; for the reading of the table. */
#ifndef RULES_CHECK_H
#define RULES_CHECK_H

#include "rules/elem.h"
#include "rules/rules.h"

struct check;

/* For free(). */
struct check *check_new(
	struct rules *rules, void (*torn)(void *data, const struct rules_torn *torn), void *data);
/* Whoever asks knows to whom ports lead: what a port with consent has lost need not be found. */
void check_owners(struct check *check, bool known);
/* The next calls are about this family. */
void check_family(struct check *check, uint8_t family);
/* Everything at once, and at its end: whole sets are read. */
int check_whole(struct check *check);

/* What there is of some listening endpoints, each in order of its key. */
struct check_part {
	const struct elems *listening, *ingress, *consents, *rates;
};
/* Or what is of peers, and then part after part. */
int check_peers(struct check *check);
int check_part(struct check *check, const struct check_part *part);
/*
 * Everything has been seen that is not in a check_part, but for so many elements, and it was enough
 * to judge by.
 */
bool check_is_complete(const struct check *check, uint64_t slack);

/* Deletes what belongs to nothing, as far as it was seen; before anything else is committed. */
int check_end(struct check *check);

#endif
