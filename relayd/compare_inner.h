/* SPDX-License-Identifier: GPL-2.0-or-later */
/* compare_inner: what the files of compare share. */
#ifndef RELAYD_COMPARE_INNER_H
#define RELAYD_COMPARE_INNER_H

#include "relayd/compare.h"

/* Orders of the records: by what the kernel finds them by, and INGRESS by its client too. */
enum compare_index {
	BY_LISTENING,
	BY_PUNCH,
	BY_RAW,
	BY_INGRESS,
	BY_CLIENT,
	BY_PEER,
	BY_TARGET,
	BY_TORN,
	INDEXES
};

struct compare_entry {
	struct endpoint key;
	const struct ipc_record *record;
};

struct compare_list {
	struct compare_entry *entries;
	size_t count;
};

struct compare {
	struct net *net;
	struct sync_snapshot part;
	bool *wanted; /* of each record: it should be there, or is being replaced */
	struct compare_list lists[INDEXES];
	uint32_t first; /* round of the table */
	struct compare_count count;
	int error;
};

/* The first of this key, or NULL. */
const struct compare_entry *compare_find(
	const struct compare *compare, enum compare_index at, const struct endpoint *key);
const struct ipc_record *compare_record(
	const struct compare *compare, enum compare_index at, const struct endpoint *key);
/* Of one socket there may be several. */
const struct ipc_record *compare_peer(const struct compare *compare, const struct hole *hole);
/* Some of what belongs to it is missing; `to` is NULL but for peers. */
bool compare_is_torn(const struct compare *compare, enum rules_torn_kind kind,
	const struct endpoint *at, const struct endpoint *to);
/* It should be there; NULL is passed over. */
void compare_want(struct compare *compare, const struct ipc_record *record);
void compare_queue(struct compare *compare, const struct rules_op *op);
/* Has all that is there and not wanted taken away, and flows that lead astray. */
void compare_orphans(struct compare *compare);

#endif
