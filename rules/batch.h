/* SPDX-License-Identifier: GPL-2.0-or-later */
/* batch: nftables messages that the kernel applies all together or not at all. */
#ifndef RULES_BATCH_H
#define RULES_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/nl.h"

struct batch_msg {
	size_t at;     /* offset of its header */
	int op;	       /* the operation it belongs to, -1: none */
	bool optional; /* a deletion of what may not be there */
};

/* Messages lie one behind the other; memory that could not be had shows at the end. */
struct batch {
	char *data;
	size_t len, size;
	struct batch_msg *msgs;
	size_t count, room;
	bool failed;
	char scratch[NL_REQUEST]; /* written to when memory is short */
};

void batch_init(struct batch *batch);
void batch_fini(struct batch *batch);
/* Forgets the messages and keeps the memory. */
void batch_clear(struct batch *batch);

/*
 * A new message NFT_MSG_<type> with NL_REQUEST bytes of room, never NULL. It is finished by what it
 * says as its length when the next one begins.
 */
struct nlmsghdr *batch_add(struct batch *batch, uint16_t type, uint16_t flags, int op);
/* The message just added deletes something, and is left out when the kernel says ENOENT. */
void batch_optional(struct batch *batch);

/* The last message ends here: for who wants to read what was written. */
void batch_finish(struct batch *batch);

/*
 * One transaction. No acknowledgement is asked for: all errors are queued when sendmsg returns, so
 * silence is success. An empty batch succeeds.
 */
int batch_commit(struct batch *batch, struct nl *nl, struct rules_error *error);

#endif
