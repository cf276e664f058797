/* SPDX-License-Identifier: GPL-2.0-or-later */
/* internal: the state behind struct rules, for the files of this folder. */
#ifndef RULES_INTERNAL_H
#define RULES_INTERNAL_H

#include "rules/batch.h"
#include "rules/flush.h"
#include "rules/nl.h"
#include "rules/rules.h"
#include "rules/skeleton.h"

struct rules {
	struct nl nl;  /* owns the table; everything but the log */
	struct nl log; /* packets of the log group */
	struct kernel kernel;
	struct rules_features features;
	struct batch batch;
	struct flush flush;
};

/* rules_open as on a kernel that lacks what `limit` lacks, for tests; NULL: as it is. */
int rules_open_limited(
	struct rules **out, const struct kernel *limit, bool *adopted, struct rules_error *error);

/* Finds out what the kernel can do, by trying it in a table of its own. */
int kernel_probe(struct kernel *out, struct rules_error *error);

/* Who has the table. */
enum table_state { TABLE_NONE, TABLE_OURS, TABLE_OLD, TABLE_FOREIGN, TABLE_OWNED };
int table_examine(struct nl *nl, enum table_state *out);

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
