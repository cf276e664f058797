/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign_eval: a packet and a rule of anybody in three-valued logic: what is not known of the one
 * or not understood of the other makes a rule match "maybe".
 */
#ifndef RULES_FOREIGN_EVAL_H
#define RULES_FOREIGN_EVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>

#include "common/addr.h"
#include "rules/foreign.h"
#include "rules/ruleset.h"

/* As nft_ct tells them (linux/netfilter/nf_conntrack_common.h); not in all headers. */
#define NF_CT_STATE_BIT_OF(info) (1u << ((info) % IP_CT_IS_REPLY + 1))
#define CT_STATE_INVALID	 1u
#define CT_STATE_UNTRACKED	 (1u << 6)
#define CT_STATUS_SNAT		 0x10u
#define CT_STATUS_DNAT		 0x20u

enum truth { NO, YES, MAYBE };

/* The registers, and which of their bits are known. */
#define REGS_SIZE 64
struct regs {
	uint8_t value[REGS_SIZE], known[REGS_SIZE];
};

/* A number of which only some bits may be known. */
struct fact {
	uint32_t value, known;
};

/* Headers as far as we look into a packet: IPv6, UDP, and the beginning of what UDP carries. */
#define HEADER_NETWORK	 40
#define HEADER_TRANSPORT 24
struct foreign_bytes {
	uint8_t value[HEADER_NETWORK + HEADER_TRANSPORT];
	uint8_t known[HEADER_NETWORK + HEADER_TRANSPORT];
	size_t network, len; /* of the network header, of all */
};

struct foreign_elem {
	uint8_t data[REGS_SIZE];
	size_t len;
	int32_t verdict; /* of a verdict map: NF_*, NFT_*; else NFT_CONTINUE */
	char chain[NFT_CHAIN_MAXNAMELEN];
};

/* What the host knows; each answers 1, 0, or -errno when that cannot be told. */
struct foreign_host {
	void *data;
	/* The set's element that a packet with this key finds. */
	int (*lookup)(void *data, const struct ruleset_set *set, const uint8_t *key,
		struct foreign_elem *out);
	/* RTN_* of the address, and over which interface it is reached. */
	int (*route)(
		void *data, const struct addr *addr, uint32_t mark, uint8_t *type, uint32_t *oif);
};

/* Where on its way the packet is, and what has become of it. */
struct foreign_state {
	const struct foreign_packet *packet;
	const struct foreign_host *host;
	uint8_t family; /* NFPROTO_IPV4, NFPROTO_IPV6 */
	uint8_t hook;	/* NF_INET_*; NF_INET_INGRESS */
	struct endpoint source, dest;
	struct foreign_bytes bytes;
	struct fact mark;
	struct fact iif, oif;
	const char *iifname, *oifname; /* NULL: not known; "": none at this hook */
	enum truth entry;	       /* it has a conntrack entry */
	enum truth untracked;	       /* it was exempted from tracking */
	bool doubtful; /* whether the packet comes here at all; what is set is not sure to be set */
	struct fact ct_mark, ct_status;
};

/* What the state is at a hook; the addresses are those before or behind translation. */
void foreign_state_move(struct foreign_state *state, uint8_t hook);
void foreign_state_rewrite(
	struct foreign_state *state, const struct endpoint *source, const struct endpoint *dest);
/* Sets a fact, or forgets what no longer is sure. */
void fact_set(struct fact *fact, uint32_t value, uint32_t known, bool doubtful);

/* What a rule decides. */
enum foreign_step {
	STEP_CONTINUE,
	STEP_ACCEPT,
	STEP_DROP,
	STEP_CHANGE,  /* addresses, or that it is tracked at all */
	STEP_UNKNOWN, /* somebody else decides */
	STEP_JUMP,
	STEP_GOTO,
	STEP_RETURN,
};

struct foreign_match {
	enum truth truth; /* whether the rule comes to its decision */
	enum foreign_step step;
	const char *doubt; /* the expression for whose sake it is MAYBE or UNKNOWN, else NULL */
	char doubt_text[32];
	char chain[NFT_CHAIN_MAXNAMELEN]; /* where to jump */
};

/* One rule as it is being evaluated. */
struct foreign_rule {
	const struct ruleset *ruleset;
	const struct ruleset_chain *chain;
	struct foreign_state *state;
	struct regs regs;
	struct foreign_match *match;
};

/* Evaluates the rule; what it sets is set in the state. */
void foreign_rule_eval(const struct ruleset *ruleset, const struct ruleset_chain *chain,
	const struct ruleset_rule *rule, struct foreign_state *state, struct foreign_match *out);

/* Expressions, one file per kind; each says whether the rule goes on. */
enum truth foreign_meta(struct foreign_rule *rule, const struct nlattr *expr);
enum truth foreign_ct(struct foreign_rule *rule, const struct nlattr *expr);
enum truth foreign_fib(struct foreign_rule *rule, const struct nlattr *expr);
enum truth foreign_xt_match(struct foreign_rule *rule, const struct nlattr *expr);
enum truth foreign_xt_target(struct foreign_rule *rule, const struct nlattr *expr);
struct fact foreign_ct_state(const struct foreign_state *state);
bool foreign_ct_tuple(const struct foreign_state *state, bool reply, struct endpoint *source,
	struct endpoint *dest);
bool foreign_is_reply(const struct foreign_state *state);

/* Offset of a register, or -1 unless len bytes fit there. */
int reg_offset(uint32_t reg, size_t len);
void reg_set(struct foreign_rule *rule, uint32_t reg, const void *data, size_t len);
void reg_forget(struct foreign_rule *rule, uint32_t reg, size_t len);
/* The number in a fact, in host order, as kernel registers hold them. */
void reg_set_fact(struct foreign_rule *rule, uint32_t reg, struct fact fact);
struct fact reg_fact(const struct foreign_rule *rule, uint32_t reg);
/* Whether (fact & mask) == value. */
enum truth fact_is(struct fact fact, uint32_t mask, uint32_t value);
enum truth truth_not(enum truth truth);
enum truth truth_and(enum truth a, enum truth b);
enum truth truth_or(enum truth a, enum truth b);

/* What all the rules of a base chain come to. */
struct foreign_place {
	const struct ruleset_chain *chain;
	const struct ruleset_rule *rule; /* NULL: the policy */
	size_t number;			 /* of the rule in its chain, from 1 */
};
struct foreign_result {
	enum foreign_verdict verdict;
	struct foreign_place at;
	char doubt[32];	 /* UNKNOWN: the expression */
	bool translated; /* a rule that translates: of any table */
};
/* *budget: how many rules may still be evaluated. */
void foreign_chain_eval(const struct ruleset *ruleset, const struct ruleset_chain *chain,
	struct foreign_state *state, size_t *budget, struct foreign_result *out);

/* The place in short words, e.g. "rule 12: ct state invalid drop". */
void foreign_words(
	const struct ruleset *ruleset, const struct foreign_result *result, char *out, size_t size);

#endif
