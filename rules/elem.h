/* SPDX-License-Identifier: GPL-2.0-or-later */
/* elem: elements of the skeleton's sets as plain values, written to and read from the kernel. */
#ifndef RULES_ELEM_H
#define RULES_ELEM_H

#include <stdbool.h>
#include <stdint.h>

#include "rules/batch.h"
#include "rules/skeleton.h"

/* Which fields count depends on the set; the key always does, its family chooses the set's. */
struct elem {
	enum set_id set;
	struct endpoint key;
	/* EXACT, EXACT_RATE, PREFIX: part of the key. LISTEN: a note for us, as is the number,
	 * that of PEER too. */
	struct prefix source;
	struct endpoint to; /* PEER, PEER_MARK, PEER_FROM: part of the key, the hole's local end */
	uint32_t number;    /* LISTEN, MARK, PEER, PEER_MARK */
	struct endpoint data;	 /* INGRESS, EGRESS, PEER, PEER_FROM */
	uint32_t timeout_ms;	 /* of consent; what is left when it was read */
	uint64_t packets, bytes; /* LISTEN, EXACT, ANY, RATE, LIMITED, CONSENT */
	uint64_t rate;		 /* RATE, CONSENT: bytes a second, 0: no limit */
	char name[RULES_NAME];	 /* comment, may be empty */
};

void elem_add(struct batch *batch, int op, const struct elem *elem);
/* Whether holes are the keys of the set. */
bool elem_is_peer(enum set_id set);
/* Whether a source's address is part of the key. */
bool elem_has_source(enum set_id set);

/* Only set and key count. That it is not there is no error. */
void elem_delete(struct batch *batch, const struct kernel *kernel, int op, const struct elem *elem);

/* Reads the rest of the element that has this set and key; -ENOENT. */
int elem_get(struct nl *nl, const struct elem *key, struct elem *out);

/* Elements that were read, for free(). */
struct elems {
	struct elem *list;
	size_t count, room;
	bool failed;
};
/* What elem_answer needs to read the elements in an answer of this set. */
struct elem_reading {
	enum set_id set;
	uint8_t family;
	struct elems *out;
};
void elem_answer(void *data, const struct nlmsghdr *nlh);
/* Bytes that a key takes in a request for several. */
#define ELEM_KEY_ROOM 64
/* Table, set and keys of one set's elements. */
void elem_put_keys(struct nlmsghdr *nlh, const struct elem *elems, size_t count);

/* All elements of a set, a consistent state of it; -ENOMEM, -ENOENT: no such set. */
int elem_dump(struct nl *nl, enum set_id set, uint8_t family, struct elems *out);

/* Copies what is in more behind what is in elems; false: out of memory. */
bool elems_append(struct elems *elems, const struct elems *more);

/* Order endpoints of one family, and elements by their key or their data. */
int elem_endpoint_compare(const void *a, const void *b);
int elem_key_compare(const void *a, const void *b);
int elem_data_compare(const void *a, const void *b);
void elems_sort(struct elems *elems, int (*compare)(const void *, const void *));
/* The first of those that are equal to the key, or NULL; they are in this order. */
const struct elem *elems_find(const struct elems *elems, const struct elem *key,
	int (*compare)(const void *, const void *));

#endif
