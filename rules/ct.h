/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ct: entries of the connection tracking table, read and deleted. */
#ifndef RULES_CT_H
#define RULES_CT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/nl.h"

struct ct_tuple {
	struct endpoint src, dst;
};

struct ct {
	struct ct_tuple orig, reply;
	uint8_t proto;
	uint32_t mark;
	uint32_t status;  /* enum ip_conntrack_status */
	uint32_t timeout; /* seconds */
	bool counts;	  /* the kernel counts; then, original and reply: */
	uint64_t packets[2], bytes[2];
};

/* What a dump is limited to; the kernel may ignore what it does not know, so check again. */
struct ct_filter {
	uint32_t mark, mask;	    /* mask 0: any */
	const struct endpoint *dst; /* of UDP senders; NULL: any; port 0: any port */
};

int ct_dump(struct nl *nl, const struct ct_filter *filter, void (*cb)(void *, const struct ct *),
	void *data);
/* The entry that has this UDP tuple in either direction; -ENOENT. */
int ct_get(struct nl *nl, const struct ct_tuple *tuple, struct ct *out);
/*
 * Deletes the entries that have these UDP tuples in either direction; *deleted may be NULL. One
 * that cannot be deleted keeps none of the others; the first error is returned.
 */
int ct_delete(struct nl *nl, const struct ct_tuple *tuples, size_t count, size_t *deleted);

#endif
