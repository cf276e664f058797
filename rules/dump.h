/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dump: reading the table back, whole or part after part; what the files of this subject share. */
#ifndef RULES_DUMP_H
#define RULES_DUMP_H

#include "rules/check.h"
#include "rules/elem.h"
#include "rules/internal.h"

/* Below so many elements, or where the kernel does not count them, sets are dumped. */
#define FETCH_MIN 4096

/* Of a family that is read part after part: elements that there are, and that were read. */
struct dump_sizes {
	uint32_t counts[SET_COUNT], seen[SET_COUNT];
	uint64_t resized; /* what it was then */
};

struct dump {
	struct nl *nl;
	struct rules *rules;
	const struct rules_reader *reader;
	struct check *check;	  /* or NULL */
	const struct hint *hints; /* where streams listen */
	size_t hint_count;
	struct elems listening, ingress; /* of the family that is being read, in order */
	struct elems limited;		 /* the same */
	struct dump_sizes *part;	 /* NULL: it is read at once */
};

/* dump.c: between two parts. */
int dump_pause(const struct dump *dump);

/* dump_keys.c: what there is of some keys. A set of which there is nothing is not asked. */
int dump_part(struct dump *dump, enum set_id set, const struct elems *keys, struct elems *out);
/* Sets whose keys are endpoints to which senders send. */
int dump_listen_set(struct dump *dump, enum set_id set, uint8_t family, struct elems *out);
/* Holes of the clients to which ports lead. */
int dump_holes(struct dump *dump, uint8_t family, struct elems *out);
/* Consent or rates of ports; of one without a client it matters to nobody but a check. */
int dump_consent_set(struct dump *dump, enum set_id set, uint8_t family, struct elems *out);

/* dump_clients.c: tells of holes with all that belongs to them, */
int dump_clients(struct dump *dump, uint8_t family);
/* and of those of peers that the relay carries, by what lets them pass. */
int dump_lanes(struct dump *dump, uint8_t family);

/* dump_streams.c: tells of ports and clients everywhere at once, */
int dump_whole(struct dump *dump, uint8_t family);
/* or part after part, if the table is large and the kernel counts: fills sizes; */
bool dump_parts_begin(const struct dump *dump, uint8_t family, struct dump_sizes *sizes);
/* pauses behind each; *complete is false when they were not all. */
int dump_parts(struct dump *dump, uint8_t family, bool *complete);

#endif
