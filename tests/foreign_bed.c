/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/foreign_bed.h"

#include <linux/netfilter/nfnetlink.h>

struct ruleset ruleset;
struct batch batch;
int lookups;
struct foreign_elem lookup_elem;
struct foreign_chain got[16];
size_t got_count;

static int stub_lookup(
	void *data, const struct ruleset_set *set, const uint8_t *key, struct foreign_elem *out)
{
	(void)data;
	(void)set;
	(void)key;
	*out = lookup_elem;
	return lookups;
}

static int stub_route(
	void *data, const struct addr *addr, uint32_t mark, uint8_t *type, uint32_t *oif)
{
	(void)data;
	(void)addr;
	(void)mark;
	*type = 2; /* RTN_LOCAL */
	*oif = 1;
	return 1;
}

const struct foreign_host host = {NULL, stub_lookup, stub_route};

void setup(void)
{
	batch_init(&batch);
	ruleset = (struct ruleset){0};
	got_count = 0;
	lookups = 0;
	lookup_elem = (struct foreign_elem){.verdict = NFT_CONTINUE};
}

void teardown(void)
{
	ruleset_fini(&ruleset);
	batch_fini(&batch);
}

void take(void)
{
	const struct nlmsghdr *nlh;
	int left;

	ck_assert(!batch.failed);
	batch_add(&batch, NFT_MSG_DELTABLE, 0, -1); /* ends the last message */
	nlh = (const struct nlmsghdr *)batch.data;
	left = (int)batch.len;
	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		ruleset_add(&ruleset, nlh);
	ck_assert_int_eq(ruleset.err, 0);
	batch_clear(&batch);
}

void message_start(uint16_t type, const char *table, const char *name)
{
	struct nlmsghdr *nlh = batch_add(&batch, type, 0, -1);

	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, table);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, name);
}

void base_in(const char *table, const char *name, const char *type, uint32_t hook, int32_t priority,
	uint32_t policy)
{
	struct nlmsghdr *nlh = batch_add(&batch, NFT_MSG_NEWCHAIN, 0, -1);
	struct nlattr *nest;

	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, table);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, name);
	nest = mnl_attr_nest_start(nlh, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(nlh, NFTA_HOOK_HOOKNUM, htonl(hook));
	mnl_attr_put_u32(nlh, NFTA_HOOK_PRIORITY, htonl((uint32_t)priority));
	mnl_attr_nest_end(nlh, nest);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_TYPE, type);
	mnl_attr_put_u32(nlh, NFTA_CHAIN_POLICY, htonl(policy));
}

void base(uint32_t policy)
{
	base_in(TABLE, "base", "filter", NF_INET_FORWARD, 0, policy);
}

void rule_start(struct expr_rule *rule, const char *chain)
{
	expr_begin(rule, chain);
	nftnl_rule_set_str(rule->rule, NFTNL_RULE_TABLE, TABLE);
}

void put_unknown(struct expr_rule *rule)
{
	static const uint32_t five = 5;

	expr_meta(rule, NFT_META_LEN);
	expr_cmp(rule, NFT_CMP_EQ, &five, sizeof(five));
}

void put_verdict(const char *chain, bool maybe, int verdict, const char *target)
{
	struct expr_rule rule;

	rule_start(&rule, chain);
	if (maybe)
		put_unknown(&rule);
	expr_verdict(&rule, verdict, target);
	expr_end(&rule, &batch);
}

void chain_keep(void *data, const struct foreign_chain *chain)
{
	(void)data;
	ck_assert_uint_lt(got_count, sizeof(got) / sizeof(got[0]));
	got[got_count++] = *chain;
}

struct foreign_packet media(void)
{
	struct foreign_packet packet = {.way = FOREIGN_MEDIA, .first = true, .mark = 0x52000001};

	endpoint_parse("198.51.100.175:6000", 0, &packet.source);
	endpoint_parse("203.0.113.7:9099", 0, &packet.dest);
	endpoint_parse("192.0.2.9:4000", 0, &packet.to);
	endpoint_parse("203.0.113.7:3478", 0, &packet.from);
	return packet;
}

enum foreign_verdict walk(void)
{
	struct foreign_packet packet = media();

	take();
	ck_assert_int_eq(foreign_walk_ruleset(&ruleset, &host, &packet, chain_keep, NULL), 0);
	ck_assert_uint_ge(got_count, 1);
	return got[0].verdict;
}
