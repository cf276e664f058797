/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verdicts, and what is said of those that are not certain. */
#include <string.h>

#include "tests/foreign_bed.h"
#include "tests/suite.h"

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

static Suite *foreign_walk_suite(void)
{
	Suite *suite = suite_create("foreign_walk");
	TCase *tcase = tcase_create("foreign_walk");

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
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(foreign_walk_suite());
}
