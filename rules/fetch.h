/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fetch: reads large sets by their keys. For each 32 KiB of a dump the kernel walks over everything
 * that it has told already, so the dump of 100,000 elements takes seconds; asked for them by name
 * it takes tenths.
 */
#ifndef RULES_FETCH_H
#define RULES_FETCH_H

#include "rules/elem.h"

/* Elements of a set, with those whose time is over and that still lie there. -ENODATA: the kernel
 * does not say (Linux 6.16 does). */
int fetch_count(struct nl *nl, enum set_id set, uint8_t family, uint32_t *out);
/* A set with a size that has as many; false where the kernel does not tell. */
bool fetch_is_full(struct nl *nl, enum set_id set, uint8_t family);
/* Reads those that are there of the elements with these sets and keys; one set, one family. */
int fetch_elems(struct nl *nl, const struct elem *keys, size_t count, struct elems *out);

#endif
