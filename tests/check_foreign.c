/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "rules/expr.h"
#include "rules/foreign_walk.h"
#include "rules/trace.h"

#define TABLE "t"

static struct ruleset ruleset;
static struct batch batch;
static int lookups; /* what the next lookups answer */
static struct foreign_elem lookup_elem;
static struct foreign_chain got[16];
static size_t got_count;

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

static const struct foreign_host host = {NULL, stub_lookup, stub_route};

static void setup(void)
{
	batch_init(&batch);
	ruleset = (struct ruleset){0};
	got_count = 0;
	lookups = 0;
	lookup_elem = (struct foreign_elem){.verdict = NFT_CONTINUE};
}

static void teardown(void)
{
	ruleset_fini(&ruleset);
	batch_fini(&batch);
}

/* Whatever was batched becomes the ruleset. */
static void take(void)
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

static void message_start(uint16_t type, const char *table, const char *name)
{
	struct nlmsghdr *nlh = batch_add(&batch, type, 0, -1);

	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, table);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, name);
}

static void base_in(const char *table, const char *name, const char *type, uint32_t hook,
	int32_t priority, uint32_t policy)
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

static void base(uint32_t policy)
{
	base_in(TABLE, "base", "filter", NF_INET_FORWARD, 0, policy);
}

static void rule_start(struct expr_rule *rule, const char *chain)
{
	expr_begin(rule, chain);
	nftnl_rule_set_str(rule->rule, NFTNL_RULE_TABLE, TABLE);
}

/* An expression that nobody knows, or whose value is not known. */
static void put_unknown(struct expr_rule *rule)
{
	static const uint32_t five = 5;

	expr_meta(rule, NFT_META_LEN);
	expr_cmp(rule, NFT_CMP_EQ, &five, sizeof(five));
}

static void put_mark(struct expr_rule *rule, uint32_t value)
{
	struct nftnl_expr *imm = nftnl_expr_alloc("immediate"), *meta = nftnl_expr_alloc("meta");

	nftnl_expr_set_u32(imm, NFTNL_EXPR_IMM_DREG, EXPR_REG);
	nftnl_expr_set_data(imm, NFTNL_EXPR_IMM_DATA, &value, sizeof(value));
	nftnl_expr_set_u32(meta, NFTNL_EXPR_META_KEY, NFT_META_MARK);
	nftnl_expr_set_u32(meta, NFTNL_EXPR_META_SREG, EXPR_REG);
	nftnl_rule_add_expr(rule->rule, imm);
	nftnl_rule_add_expr(rule->rule, meta);
}

static void put_verdict(const char *chain, bool maybe, int verdict, const char *target)
{
	struct expr_rule rule;

	rule_start(&rule, chain);
	if (maybe)
		put_unknown(&rule);
	expr_verdict(&rule, verdict, target);
	expr_end(&rule, &batch);
}

static void chain_keep(void *data, const struct foreign_chain *chain)
{
	(void)data;
	ck_assert_uint_lt(got_count, sizeof(got) / sizeof(got[0]));
	got[got_count++] = *chain;
}

static struct foreign_packet media(void)
{
	struct foreign_packet packet = {.way = FOREIGN_MEDIA, .first = true, .mark = 0x52000001};

	endpoint_parse("198.51.100.175:6000", 0, &packet.source);
	endpoint_parse("203.0.113.7:9099", 0, &packet.dest);
	endpoint_parse("192.0.2.9:4000", 0, &packet.to);
	endpoint_parse("203.0.113.7:3478", 0, &packet.from);
	return packet;
}

static enum foreign_verdict walk(void)
{
	struct foreign_packet packet = media();

	take();
	ck_assert_int_eq(foreign_walk_ruleset(&ruleset, &host, &packet, chain_keep, NULL), 0);
	ck_assert_uint_ge(got_count, 1);
	return got[0].verdict;
}

START_TEST(test_truth)
{
	ck_assert_int_eq(truth_and(MAYBE, NO), NO);
	ck_assert_int_eq(truth_and(MAYBE, YES), MAYBE);
	ck_assert_int_eq(truth_or(MAYBE, YES), YES);
	ck_assert_int_eq(truth_or(MAYBE, NO), MAYBE);
	ck_assert_int_eq(truth_not(MAYBE), MAYBE);
	/* Of bits that are not known one can still say what they are not. */
	ck_assert_int_eq(fact_is((struct fact){0x1, 0x3}, 0x3, 0x1), YES);
	ck_assert_int_eq(fact_is((struct fact){0x1, 0x3}, 0xf, 0x2), NO);
	ck_assert_int_eq(fact_is((struct fact){0x1, 0x3}, 0xf, 0x5), MAYBE);
	ck_assert_int_eq(fact_is((struct fact){0x1, 0x3}, 0x1, 0x3), NO);
}
END_TEST

START_TEST(test_fact_set)
{
	struct fact fact = {5, UINT32_MAX};

	fact_set(&fact, 5, UINT32_MAX, true);
	ck_assert_uint_eq(fact.known, UINT32_MAX);
	fact_set(&fact, 4, UINT32_MAX, true);
	ck_assert_uint_eq(fact.known, UINT32_MAX - 1);
	fact_set(&fact, 7, UINT32_MAX, false);
	ck_assert_uint_eq(fact.known, UINT32_MAX);
	ck_assert_uint_eq(fact.value, 7);
}
END_TEST

START_TEST(test_policy)
{
	base(NF_DROP);
	ck_assert_int_eq(walk(), FOREIGN_DROPS);
	ck_assert_str_eq(got[0].why, "policy drop");
	ck_assert_uint_eq(got[0].handle, 0);
}
END_TEST

/* Where both possibilities come to the same, nothing is in doubt. */
START_TEST(test_maybe_same)
{
	base(NF_DROP);
	put_verdict("base", true, NF_DROP, NULL);
	ck_assert_int_eq(walk(), FOREIGN_DROPS);
}
END_TEST

START_TEST(test_maybe_accepts)
{
	base(NF_ACCEPT);
	message_start(NFT_MSG_NEWCHAIN, TABLE, "sub");
	put_verdict("base", true, NFT_JUMP, "sub");
	put_verdict("base", true, NFT_RETURN, NULL);
	put_verdict("base", false, NF_ACCEPT, NULL);
	put_verdict("base", false, NF_DROP, NULL);
	put_verdict("sub", true, NF_ACCEPT, NULL);
	ck_assert_int_eq(walk(), FOREIGN_PASSES);
}
END_TEST

START_TEST(test_maybe_differs)
{
	base(NF_ACCEPT);
	put_verdict("base", true, NF_DROP, NULL);
	ck_assert_int_eq(walk(), FOREIGN_UNKNOWN);
	ck_assert_str_eq(got[0].why, "rule 1: meta length 0x5 drop (not known: meta)");
}
END_TEST

START_TEST(test_maybe_return)
{
	base(NF_DROP);
	message_start(NFT_MSG_NEWCHAIN, TABLE, "sub");
	put_verdict("base", false, NFT_JUMP, "sub");
	put_verdict("sub", true, NFT_RETURN, NULL);
	put_verdict("sub", false, NF_ACCEPT, NULL);
	ck_assert_int_eq(walk(), FOREIGN_UNKNOWN);
	ck_assert_str_eq(got[0].at_chain, "sub");
}
END_TEST

/* A goto does not come back: the rule behind it is not asked. */
START_TEST(test_goto)
{
	base(NF_DROP);
	message_start(NFT_MSG_NEWCHAIN, TABLE, "sub");
	put_verdict("base", false, NFT_GOTO, "sub");
	put_verdict("base", false, NF_ACCEPT, NULL);
	ck_assert_int_eq(walk(), FOREIGN_DROPS);
	ck_assert_str_eq(got[0].at_chain, "base");
}
END_TEST

START_TEST(test_not_understood)
{
	struct expr_rule rule;

	base(NF_ACCEPT);
	rule_start(&rule, "base");
	nftnl_rule_add_expr(rule.rule, nftnl_expr_alloc("osf"));
	expr_verdict(&rule, NF_DROP, NULL);
	expr_end(&rule, &batch);
	ck_assert_int_eq(walk(), FOREIGN_UNKNOWN);
	ck_assert_ptr_nonnull(strstr(got[0].why, "not understood: osf"));
}
END_TEST

/* What is not understood may have loaded anything: what lay in a register before does not count. */
START_TEST(test_not_understood_loads)
{
	static const uint8_t tcp = 6;
	struct expr_rule rule;

	base(NF_ACCEPT);
	rule_start(&rule, "base");
	expr_meta(&rule, NFT_META_L4PROTO);
	nftnl_rule_add_expr(rule.rule, nftnl_expr_alloc("osf"));
	expr_cmp(&rule, NFT_CMP_EQ, &tcp, sizeof(tcp));
	expr_verdict(&rule, NF_DROP, NULL);
	expr_end(&rule, &batch);
	ck_assert_int_eq(walk(), FOREIGN_UNKNOWN);
}
END_TEST

/* A mark that may have been set is not known; one that is set to what it is, is. */
START_TEST(test_maybe_mark)
{
	static const uint32_t seven = 7, zero;
	struct expr_rule rule;

	base(NF_ACCEPT);
	rule_start(&rule, "base");
	put_unknown(&rule);
	put_mark(&rule, 7);
	expr_end(&rule, &batch);
	rule_start(&rule, "base");
	expr_meta(&rule, NFT_META_MARK);
	expr_cmp(&rule, NFT_CMP_EQ, &seven, sizeof(seven));
	expr_verdict(&rule, NF_DROP, NULL);
	expr_end(&rule, &batch);
	ck_assert_int_eq(walk(), FOREIGN_UNKNOWN);

	teardown();
	setup();
	base(NF_ACCEPT);
	rule_start(&rule, "base");
	put_unknown(&rule);
	put_mark(&rule, 0);
	expr_end(&rule, &batch);
	rule_start(&rule, "base");
	expr_meta(&rule, NFT_META_MARK);
	expr_cmp(&rule, NFT_CMP_NEQ, &zero, sizeof(zero));
	expr_verdict(&rule, NF_DROP, NULL);
	expr_end(&rule, &batch);
	ck_assert_int_eq(walk(), FOREIGN_PASSES);
}
END_TEST

/* Chains that jump to each other, which no kernel takes, come to an end. */
START_TEST(test_loop)
{
	base(NF_ACCEPT);
	message_start(NFT_MSG_NEWCHAIN, TABLE, "one");
	for (int i = 0; i < 4; i++)
		put_verdict("base", false, NFT_JUMP, "one");
	for (int i = 0; i < 8; i++)
		put_verdict("one", true, NFT_JUMP, "one");
	ck_assert_int_eq(walk(), FOREIGN_UNKNOWN);
}
END_TEST

static void put_set(const char *name, uint32_t flags, uint32_t key_len)
{
	struct nlmsghdr *nlh = batch_add(&batch, NFT_MSG_NEWSET, 0, -1);

	mnl_attr_put_strz(nlh, NFTA_SET_TABLE, TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_NAME, name);
	mnl_attr_put_u32(nlh, NFTA_SET_FLAGS, htonl(flags));
	mnl_attr_put_u32(nlh, NFTA_SET_KEY_LEN, htonl(key_len));
}

static void put_lookup(bool verdict)
{
	struct expr_rule rule;
	struct nftnl_expr *lookup = nftnl_expr_alloc("lookup");

	rule_start(&rule, "base");
	expr_load_key(&rule, AF_INET, EXPR_DST);
	nftnl_expr_set_u32(lookup, NFTNL_EXPR_LOOKUP_SREG, EXPR_REG);
	nftnl_expr_set_str(lookup, NFTNL_EXPR_LOOKUP_SET, "s");
	if (verdict)
		nftnl_expr_set_u32(lookup, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
	nftnl_rule_add_expr(rule.rule, lookup);
	if (!verdict)
		expr_verdict(&rule, NF_DROP, NULL);
	expr_end(&rule, &batch);
}

START_TEST(test_lookup)
{
	static const enum foreign_verdict wants[] = {
		FOREIGN_UNKNOWN, FOREIGN_PASSES, FOREIGN_DROPS};

	lookups = _i - 1; /* an error, no, yes */
	base(NF_ACCEPT);
	put_set("s", 0, 8);
	put_lookup(false);
	ck_assert_int_eq(walk(), wants[_i]);
	if (_i)
		return;
	ck_assert_str_eq(got[0].why,
		"rule 1: @nh,72,8 0x11 ip daddr . th dport @s drop (not known: payload)");
}
END_TEST

START_TEST(test_verdict_map)
{
	lookups = 1;
	lookup_elem.verdict = NFT_JUMP;
	snprintf(lookup_elem.chain, sizeof(lookup_elem.chain), "sub");
	base(NF_ACCEPT);
	message_start(NFT_MSG_NEWCHAIN, TABLE, "sub");
	put_set("s", NFT_SET_MAP, 8);
	put_lookup(true);
	put_verdict("sub", false, NF_DROP, NULL);
	ck_assert_int_eq(walk(), FOREIGN_DROPS);
	ck_assert_str_eq(got[0].at_chain, "sub");
}
END_TEST

/* nat chains are asked at -100 and by their own priority among each other; of two with the same
 * priority the newer one. */
START_TEST(test_order)
{
	static const char *const want[] = {"early", "newer", "older", "nat1", "nat2", "late"};

	base_in(TABLE, "late", "filter", NF_INET_PRE_ROUTING, -99, NF_ACCEPT);
	base_in(TABLE, "nat2", "nat", NF_INET_PRE_ROUTING, 7, NF_ACCEPT);
	base_in(TABLE, "nat1", "nat", NF_INET_PRE_ROUTING, -300, NF_ACCEPT);
	base_in(TABLE, "older", "filter", NF_INET_PRE_ROUTING, -120, NF_ACCEPT);
	base_in(TABLE, "newer", "filter", NF_INET_PRE_ROUTING, -120, NF_ACCEPT);
	base_in(TABLE, "early", "filter", NF_INET_PRE_ROUTING, -301, NF_ACCEPT);
	walk();
	ck_assert_uint_eq(got_count, 6);
	for (size_t i = 0; i < got_count; i++)
		ck_assert_str_eq(got[i].chain, want[i]);
}
END_TEST

START_TEST(test_owner)
{
	base_in("firewalld", "filter_FORWARD", "filter", NF_INET_FORWARD, 0, NF_ACCEPT);
	base_in("relayd", "relayed", "filter", NF_INET_FORWARD, 1, NF_ACCEPT);
	base_in(TABLE, "base", "filter", NF_INET_FORWARD, 2, NF_ACCEPT);
	message_start(NFT_MSG_NEWCHAIN, TABLE, "DOCKER-USER");
	put_verdict("base", false, NFT_JUMP, "DOCKER-USER");
	base_in(TABLE, "other", "filter", NF_INET_FORWARD, 3, NF_ACCEPT);
	message_start(NFT_MSG_NEWCHAIN, TABLE, "ufw-before-forward");
	put_verdict("other", false, NFT_JUMP, "ufw-before-forward");
	base_in(TABLE, "last", "filter", NF_INET_FORWARD, 4, NF_ACCEPT);
	walk();
	ck_assert_int_eq(got[0].owner, FOREIGN_FIREWALLD);
	ck_assert_int_eq(got[1].owner, FOREIGN_OURS);
	ck_assert_int_eq(got[2].owner, FOREIGN_DOCKER);
	ck_assert_int_eq(got[3].owner, FOREIGN_UFW);
	ck_assert_int_eq(got[4].owner, FOREIGN_NFTABLES);
}
END_TEST

/* A rule longer than the line ends in dots. */
START_TEST(test_words_long)
{
	struct foreign_packet packet = media();
	struct expr_rule rule;

	base(NF_DROP);
	rule_start(&rule, "base");
	for (int i = 0; i < 12; i++) {
		expr_payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, 12, 4, EXPR_REG);
		expr_cmp(&rule, NFT_CMP_EQ, packet.source.addr.bytes, 4);
	}
	expr_verdict(&rule, NF_DROP, NULL);
	expr_end(&rule, &batch);
	ck_assert_int_eq(walk(), FOREIGN_DROPS);
	ck_assert_uint_eq(strlen(got[0].why), sizeof(got[0].why) - 1);
	ck_assert_str_eq(got[0].why + strlen(got[0].why) - 3, "...");
}
END_TEST

/* The state at each place of the way. */
START_TEST(test_state)
{
	static const struct {
		uint32_t hook;
		int32_t priority;
		const char *dest;
		uint32_t state;
	} places[] = {
		{NF_INET_PRE_ROUTING, -300, "203.0.113.7", CT_STATE_INVALID},
		{NF_INET_PRE_ROUTING, -150, "203.0.113.7", 8},
		{NF_INET_PRE_ROUTING, -50, "192.0.2.9", 8},
		{NF_INET_FORWARD, 0, "192.0.2.9", 8},
		{NF_INET_POST_ROUTING, 0, "192.0.2.9", 8},
	};
	struct expr_rule rule;
	struct addr dest;

	base_in(TABLE, "base", "filter", places[_i].hook, places[_i].priority, NF_ACCEPT);
	addr_parse(places[_i].dest, &dest);
	rule_start(&rule, "base");
	expr_payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, 16, 4, EXPR_REG);
	expr_cmp(&rule, NFT_CMP_EQ, dest.bytes, 4);
	expr_ct(&rule, NFT_CT_STATE);
	expr_cmp(&rule, NFT_CMP_EQ, &places[_i].state, sizeof(uint32_t));
	expr_verdict(&rule, NF_DROP, NULL);
	expr_end(&rule, &batch);
	ck_assert_int_eq(walk(), FOREIGN_DROPS);
}
END_TEST

START_TEST(test_packet_refused)
{
	struct foreign_packet packet = media();

	packet.source.addr.family = AF_INET6;
	ck_assert_int_eq(foreign_walk_ruleset(&ruleset, &host, &packet, chain_keep, NULL), -EINVAL);
	packet.source.addr.family = packet.dest.addr.family = 0;
	ck_assert_int_eq(foreign_walk_ruleset(&ruleset, &host, &packet, chain_keep, NULL), -EINVAL);
}
END_TEST

static struct nlmsghdr *trace_message(char out[static NL_REQUEST])
{
	static const uint8_t network[20] = {
		0x45, 0, 0, 40, 0, 0, 0, 0, 64, 17, 0, 0, 10, 1, 0, 2, 10, 1, 0, 1};
	static const uint8_t transport[] = {0x17, 0x70, 0x23, 0x8b};
	struct nlmsghdr *nlh =
		nl_request(out, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_TRACE, NFPROTO_IPV4);
	struct nlattr *nest;

	mnl_attr_put_strz(nlh, NFTA_TRACE_TABLE, "filter");
	mnl_attr_put_strz(nlh, NFTA_TRACE_CHAIN, "FORWARD");
	mnl_attr_put_u64(nlh, NFTA_TRACE_RULE_HANDLE, htobe64(7));
	mnl_attr_put_u32(nlh, NFTA_TRACE_TYPE, htonl(NFT_TRACETYPE_RULE));
	mnl_attr_put_u32(nlh, NFTA_TRACE_ID, htonl(99));
	nest = mnl_attr_nest_start(nlh, NFTA_TRACE_VERDICT);
	mnl_attr_put_u32(nlh, NFTA_VERDICT_CODE, htonl((uint32_t)NFT_JUMP));
	mnl_attr_put_strz(nlh, NFTA_VERDICT_CHAIN, "DOCKER-USER");
	mnl_attr_nest_end(nlh, nest);
	mnl_attr_put(nlh, NFTA_TRACE_NETWORK_HEADER, sizeof(network), network);
	mnl_attr_put(nlh, NFTA_TRACE_TRANSPORT_HEADER, sizeof(transport), transport);
	return nlh;
}

START_TEST(test_trace_parse)
{
	char request[NL_REQUEST], text[ENDPOINT_TEXT];
	struct nlmsghdr *nlh = trace_message(request);
	struct trace_event event;
	uint32_t id;

	ck_assert(trace_parse(nlh, &event, &id));
	ck_assert_uint_eq(id, 99);
	ck_assert_int_eq(event.kind, TRACE_RULE);
	ck_assert_uint_eq(event.handle, 7);
	ck_assert_int_eq(event.verdict, NFT_JUMP);
	ck_assert_str_eq(event.target, "DOCKER-USER");
	ck_assert_str_eq(endpoint_format(&event.source, text), "10.1.0.2:6000");
	ck_assert_str_eq(endpoint_format(&event.dest, text), "10.1.0.1:9099");
	nlh->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE;
	ck_assert(!trace_parse(nlh, &event, &id));
}
END_TEST

/* However short it is cut, nothing is read behind it. */
START_TEST(test_trace_torn)
{
	char request[NL_REQUEST];
	struct nlmsghdr *nlh = trace_message(request);
	const uint32_t whole = nlh->nlmsg_len;
	struct trace_event event;
	uint32_t id;

	for (uint32_t len = sizeof(*nlh); len < whole; len++) {
		/* What is received is, as the buffers are, a multiple of four. */
		struct nlmsghdr *cut = malloc(MNL_ALIGN(len));

		memcpy(cut, nlh, len);
		cut->nlmsg_len = len;
		trace_parse(cut, &event, &id);
		free(cut);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("foreign");
	TCase *tcase = tcase_create("foreign");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_truth);
	tcase_add_test(tcase, test_fact_set);
	tcase_add_test(tcase, test_policy);
	tcase_add_test(tcase, test_maybe_same);
	tcase_add_test(tcase, test_maybe_accepts);
	tcase_add_test(tcase, test_maybe_differs);
	tcase_add_test(tcase, test_maybe_return);
	tcase_add_test(tcase, test_goto);
	tcase_add_test(tcase, test_not_understood);
	tcase_add_test(tcase, test_not_understood_loads);
	tcase_add_test(tcase, test_maybe_mark);
	tcase_add_test(tcase, test_loop);
	tcase_add_loop_test(tcase, test_lookup, 0, 3);
	tcase_add_test(tcase, test_verdict_map);
	tcase_add_test(tcase, test_order);
	tcase_add_test(tcase, test_owner);
	tcase_add_test(tcase, test_words_long);
	tcase_add_loop_test(tcase, test_state, 0, 5);
	tcase_add_test(tcase, test_packet_refused);
	tcase_add_test(tcase, test_trace_parse);
	tcase_add_test(tcase, test_trace_torn);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
