/* SPDX-License-Identifier: GPL-2.0-or-later */
/* expr: one rule as bytecode, built from small expressions; a lack of memory shows at the end. */
#ifndef RULES_EXPR_H
#define RULES_EXPR_H

#include <stdbool.h>
#include <stdint.h>

#include <libnftnl/rule.h>

#include "rules/batch.h"

/* Registers: keys lie in the 32-bit ones from the first on. */
#define EXPR_REG 1

struct expr_rule {
	struct nftnl_rule *rule;
	bool failed;
};

void expr_begin(struct expr_rule *rule, const char *chain);
/* Appends the rule to its chain and frees it. */
void expr_end(struct expr_rule *rule, struct batch *batch);

void expr_meta(struct expr_rule *rule, uint32_t key);
void expr_payload(
	struct expr_rule *rule, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg);
void expr_cmp(struct expr_rule *rule, uint32_t op, const void *data, uint32_t len);
void expr_bitwise(struct expr_rule *rule, const void *mask, uint32_t len);
void expr_ct(struct expr_rule *rule, uint32_t key);
/*
 * Where the flow's first packet went to, before any translation; a key like EXPR_DST, or with
 * `source` like EXPR_SRC_AND_DST.
 */
void expr_ct_original(struct expr_rule *rule, uint8_t family, bool source);
void expr_ct_set(struct expr_rule *rule, uint32_t key);
/* reg |-> element; with `map` the element's data replaces the key in the registers. */
void expr_lookup(struct expr_rule *rule, const char *set, bool map);
/* reg |-> verdict of the element */
void expr_lookup_verdict(struct expr_rule *rule, const char *set);
void expr_verdict(struct expr_rule *rule, int verdict, const char *chain);
/* Address and port lie where a lookup in a map of this family leaves them. */
void expr_nat(struct expr_rule *rule, uint32_t type, uint8_t family);
void expr_notrack(struct expr_rule *rule);
void expr_timeout(struct expr_rule *rule, const char *object);
void expr_log(struct expr_rule *rule, const char *prefix);
/* Packets a second, as many at once. */
void expr_limit(struct expr_rule *rule, uint32_t rate);
/* What is more than so many bytes a second, as many at once. */
void expr_limit_over(struct expr_rule *rule, uint64_t rate);
void expr_counter(struct expr_rule *rule);
/* The same limit as expr_limit's, or a counter, for each key of a dynamic set. */
void expr_limit_each(struct expr_rule *rule, const char *set, uint32_t rate);
void expr_count_each(struct expr_rule *rule, const char *set);

/* Which addresses of the packet are a key; ports are those of the same side. */
enum expr_key { EXPR_DST, EXPR_SRC, EXPR_DST_AND_SADDR, EXPR_SRC_AND_DST };
/*
 * "ip daddr . udp dport" and the like, with the tests that it is UDP of this family. Of IPv4 the
 * protocol is read from the header, which is the cheapest test.
 */
void expr_load_key(struct expr_rule *rule, uint8_t family, enum expr_key key);
/*
 * As EXPR_DST_AND_SADDR of IPv4, after one test instead of two: without options, and of whatever
 * protocol that has a port there.
 */
void expr_load_plain(struct expr_rule *rule);
/*
 * In an ICMP error, the source of the UDP packet that it tells of, as EXPR_SRC; one with IP options
 * is not looked at.
 */
void expr_load_erring(struct expr_rule *rule, uint8_t family);
void expr_is_family(struct expr_rule *rule, uint8_t family);
void expr_is_proto(struct expr_rule *rule, uint8_t proto);
/* The conntrack entry carries our mark, or (equal false) does not. */
void expr_is_marked(struct expr_rule *rule, bool equal);

#endif
