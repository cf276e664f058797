/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ruleset: the chains, rules and sets of every nftables table, as netlink tells them. */
#ifndef RULES_RULESET_H
#define RULES_RULESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

#include "rules/nl.h"

/* Beyond these the ruleset is not read: -E2BIG. */
#define RULESET_RULES_MAX  500000
#define RULESET_CHAINS_MAX 100000
#define RULESET_SETS_MAX   100000

struct ruleset_chain {
	uint8_t family; /* NFPROTO_* */
	const char *table, *name;
	const char *type;   /* NULL: not at a hook */
	const char *device; /* of ingress and egress; NULL: any */
	uint32_t hook;
	int32_t priority;
	uint32_t policy;     /* NF_ACCEPT or NF_DROP */
	size_t first, count; /* its rules */
};

struct ruleset_rule {
	uint64_t handle;
	size_t chain;		    /* its index */
	const struct nlattr *exprs; /* NFTA_RULE_EXPRESSIONS, or NULL */
	const struct nlattr *udata; /* NFTA_RULE_USERDATA, or NULL */
};

struct ruleset_set {
	uint8_t family;
	const char *table, *name;
	uint32_t flags; /* NFT_SET_* */
	uint32_t key_len;
	uint32_t key_type; /* as nft calls it */
};

struct ruleset_chunk; /* memory that names and expressions lie in */

struct ruleset {
	struct ruleset_chain *chains;
	struct ruleset_rule *rules;
	struct ruleset_set *sets;
	size_t chain_count, rule_count, set_count;
	size_t chain_room, rule_room, set_room;
	struct ruleset_chunk *chunks;
	size_t at; /* the chain of the last rule */
	int err;   /* of a message that could not be kept */
};

/*
 * Reads chains, rules and sets, never elements. A ruleset that is changed meanwhile is read again;
 * of one that changes all the time only the elements may differ between two readings. 0 or -errno.
 */
int ruleset_read(struct ruleset *ruleset, struct nl *nl);
void ruleset_fini(struct ruleset *ruleset);
/* Keeps what one message NFT_MSG_NEWCHAIN, NEWRULE or NEWSET tells. */
void ruleset_add(struct ruleset *ruleset, const struct nlmsghdr *nlh);

/* NULL when there is none. */
const struct ruleset_chain *ruleset_chain(
	const struct ruleset *ruleset, uint8_t family, const char *table, const char *name);
const struct ruleset_set *ruleset_set(
	const struct ruleset *ruleset, uint8_t family, const char *table, const char *name);

/* Attributes inside a nest; NULL or the default when absent or too short. */
const struct nlattr *attr_in(const struct nlattr *nest, uint16_t type);
uint32_t attr_in_u32(const struct nlattr *nest, uint16_t type, uint32_t absent);
const char *attr_in_text(const struct nlattr *nest, uint16_t type);

#endif
