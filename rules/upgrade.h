/* SPDX-License-Identifier: GPL-2.0-or-later */
/* upgrade: takes the streams of a table of the version before into one of ours. */
#ifndef RULES_UPGRADE_H
#define RULES_UPGRADE_H

#include "rules/consent.h"
#include "rules/internal.h"

/* Elements of the sets that have not changed, and what has become of the others. */
struct upgrade {
	struct elems elems;
	struct consent *consents;
	size_t consent_count;
};

/* Reads the table of version 1: there consent was a client's, and each packet's source looked up.
 */
int upgrade_read(struct nl *nl, struct upgrade *out);
/* Writes all into the table that the batch makes, in as many transactions as it takes. */
int upgrade_commit(struct rules *rules, const struct upgrade *upgrade, struct rules_error *error);
void upgrade_fini(struct upgrade *upgrade);

#endif
