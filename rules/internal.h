/* SPDX-License-Identifier: GPL-2.0-or-later */
/* internal: the state behind struct rules, for the files of this folder. */
#ifndef RULES_INTERNAL_H
#define RULES_INTERNAL_H

#include "rules/batch.h"
#include "rules/flush.h"
#include "rules/nl.h"
#include "rules/rules.h"
#include "rules/skeleton.h"

/* Where a stream listens, and its client, family 0: not known. */
struct hint {
	struct endpoint listen, client;
};

struct rules {
	struct nl nl;		    /* owns the table; everything but the log */
	struct nl log;		    /* packets of the log group */
	struct nl events;	    /* what others do to tables; closed where nobody can to ours */
	struct rules_change change; /* of the transaction that is being read */
	bool owner;		    /* of the table, which nobody else can change then */
	bool fresh;		    /* the table was made, and had no elements */
	struct kernel kernel;
	struct rules_features features;
	struct batch batch;
	struct flush flush;
	struct hint *hints; /* for the next reading */
	size_t hint_count, hint_room;
	uint64_t resized; /* elements that transactions may have added to a set, or removed */
	struct skeleton_extra extra;
	uint64_t lost; /* times that events were */
};

/* rules_open as on a kernel that lacks what `limit` lacks, for tests; NULL: as it is. */
int rules_open_limited(
	struct rules **out, const struct kernel *limit, bool *adopted, struct rules_error *error);

/* NULL, or what is wrong with the operation. */
const char *op_check(const struct rules_op *op);

/* Finds out what the kernel can do, by trying it in a table of its own. */
int kernel_probe(struct kernel *out, struct rules_error *error);

/* Who has the table. */
enum table_state {
	TABLE_NONE,
	TABLE_OURS,
	TABLE_BEFORE, /* of the version before */
	TABLE_OLD,    /* of another one */
	TABLE_FOREIGN,
	TABLE_OWNED,
};
int table_examine(struct nl *nl, enum table_state *out);
/* There are pairs. */
int table_has_peers(struct nl *nl, bool *out);
/* Which chains the table should have besides those that it always has. */
int table_extra(struct nl *nl, struct skeleton_extra *out);

/*
 * Whether chains and rules of the table are those of the skeleton, in their order; the batch is
 * used for it. -ENOENT: not even the sets.
 */
int skeleton_verify(struct rules *rules, bool *same);

/*
 * Adds to the batch that chains, sets, flowtables and objects of the table go that are not the
 * skeleton's: behind the messages that delete the rules of all chains. How many they are.
 */
int strangers_delete(struct rules *rules, uint32_t *count);

/* Joins nf_tables' events, but for those that `own` causes. */
int changes_open(struct nl *events, const struct nl *own);
/*
 * True for what was done to our table, and for the end of a transaction: then the cause is NONE and
 * the process may be named.
 */
bool change_parse(const struct nlmsghdr *nlh, struct rules_change *out);

/*
 * Binds the socket to the log group; -EBUSY: another process has it. The kernel says EPERM then,
 * so make sure of CAP_NET_ADMIN before.
 */
int log_bind(struct nl *log);
/* What a rule has logged a packet for. */
enum log_kind { LOG_KIND_NONE, LOG_KIND_OPEN, LOG_KIND_REFUSED, LOG_KIND_EARLY };
/* A message of the log group; NONE when it is not a UDP packet that one of our rules has logged. */
enum log_kind log_parse(const struct nlmsghdr *nlh, struct rules_event *event);

#endif
