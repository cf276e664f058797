/* SPDX-License-Identifier: GPL-2.0-or-later */
/* foreign_bed: rulesets of others, written as the kernel sends them, and walked. */
#ifndef TESTS_FOREIGN_BED_H
#define TESTS_FOREIGN_BED_H

#include <arpa/inet.h>
#include <check.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>

#include <libnftnl/expr.h>

#include "rules/expr.h"
#include "rules/foreign_walk.h"

#define TABLE "t"

extern struct ruleset ruleset;
extern struct batch batch;
extern int lookups; /* what the next lookups answer */
extern struct foreign_elem lookup_elem;
extern const struct foreign_host host;
/* What the walk has left. */
extern struct foreign_chain got[16];
extern size_t got_count;

void setup(void);
void teardown(void);

void message_start(uint16_t type, const char *table, const char *name);
void base_in(const char *table, const char *name, const char *type, uint32_t hook, int32_t priority,
	uint32_t policy);
void base(uint32_t policy);
void rule_start(struct expr_rule *rule, const char *chain);
/* An expression that nobody knows, or whose value is not known. */
void put_unknown(struct expr_rule *rule);
void put_verdict(const char *chain, bool maybe, int verdict, const char *target);

/* Whatever was batched becomes the ruleset. */
void take(void);
void chain_keep(void *data, const struct foreign_chain *chain);
struct foreign_packet media(void);
enum foreign_verdict walk(void);

#endif
