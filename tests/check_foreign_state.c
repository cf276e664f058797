/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets, order, owners and what a packet carries. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/foreign_bed.h"
#include "tests/suite.h"

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

static Suite *foreign_state_suite(void)
{
	Suite *suite = suite_create("foreign_state");
	TCase *tcase = tcase_create("foreign_state");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_lookup, 0, 3);
	tcase_add_test(tcase, test_verdict_map);
	tcase_add_test(tcase, test_order);
	tcase_add_test(tcase, test_owner);
	tcase_add_test(tcase, test_words_long);
	tcase_add_loop_test(tcase, test_state, 0, 5);
	tcase_add_test(tcase, test_packet_refused);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(foreign_state_suite());
}
