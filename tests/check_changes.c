/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "rules/internal.h"
#include "tests/suite.h"

static char request[NL_REQUEST];
static struct rules_change change;

static struct nlmsghdr *message(uint16_t type, uint8_t family)
{
	memset(request, 0, sizeof(request));
	return nl_request(request, NFNL_SUBSYS_NFTABLES << 8 | type, family);
}

static bool of_table(uint16_t type, uint8_t family, const char *table)
{
	struct nlmsghdr *nlh = message(type, family);

	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, table);
	return change_parse(nlh, &change);
}

static const struct {
	uint16_t type;
	enum rules_cause cause;
} causes[] = {
	{NFT_MSG_NEWTABLE, RULES_CAUSE_TABLE},
	{NFT_MSG_DELTABLE, RULES_CAUSE_TABLE},
	{NFT_MSG_NEWCHAIN, RULES_CAUSE_RULE},
	{NFT_MSG_DELCHAIN, RULES_CAUSE_RULE},
	{NFT_MSG_NEWRULE, RULES_CAUSE_RULE},
	{NFT_MSG_DELRULE, RULES_CAUSE_RULE},
	{NFT_MSG_NEWSET, RULES_CAUSE_RULE},
	{NFT_MSG_DELSET, RULES_CAUSE_RULE},
	{NFT_MSG_NEWOBJ, RULES_CAUSE_RULE},
	{NFT_MSG_DELOBJ, RULES_CAUSE_RULE},
	{NFT_MSG_NEWSETELEM, RULES_CAUSE_ELEMENT},
	{NFT_MSG_DELSETELEM, RULES_CAUSE_ELEMENT},
};

START_TEST(test_causes)
{
	ck_assert(of_table(causes[_i].type, NFPROTO_INET, RULES_TABLE));
	ck_assert_int_eq(change.cause, causes[_i].cause);
	ck_assert(!of_table(causes[_i].type, NFPROTO_INET, "relay"));
	ck_assert(!of_table(causes[_i].type, NFPROTO_INET, "relayd2"));
	ck_assert(!of_table(causes[_i].type, NFPROTO_IPV4, RULES_TABLE));
	ck_assert_int_eq(change.cause, RULES_CAUSE_NONE);
}
END_TEST

START_TEST(test_others)
{
	struct nlmsghdr *nlh;

	ck_assert(!of_table(NFT_MSG_GETTABLE, NFPROTO_INET, RULES_TABLE));
	ck_assert(!of_table(NFT_MSG_NEWFLOWTABLE, NFPROTO_INET, RULES_TABLE));
	nlh = message(NFT_MSG_DELTABLE, NFPROTO_INET);
	ck_assert(!change_parse(nlh, &change));
	/* A name without its end. */
	mnl_attr_put(nlh, NFTA_TABLE_NAME, 6, "relayd");
	ck_assert(!change_parse(nlh, &change));
	nlh->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8;
	ck_assert(!change_parse(nlh, &change));
	nlh->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE;
	nlh->nlmsg_len = sizeof(*nlh) + 1;
	ck_assert(!change_parse(nlh, &change));
}
END_TEST

START_TEST(test_process)
{
	struct nlmsghdr *nlh = message(NFT_MSG_NEWGEN, NFPROTO_UNSPEC);

	ck_assert(change_parse(nlh, &change));
	ck_assert_uint_eq(change.pid, 0);
	ck_assert_str_eq(change.process, "");
	mnl_attr_put_u32(nlh, NFTA_GEN_ID, htonl(9));
	mnl_attr_put_u32(nlh, NFTA_GEN_PROC_PID, htonl(1234));
	mnl_attr_put_strz(nlh, NFTA_GEN_PROC_NAME, "nft");
	ck_assert(change_parse(nlh, &change));
	ck_assert_int_eq(change.cause, RULES_CAUSE_NONE);
	ck_assert_uint_eq(change.pid, 1234);
	ck_assert_str_eq(change.process, "nft");
}
END_TEST

START_TEST(test_process_long)
{
	struct nlmsghdr *nlh = message(NFT_MSG_NEWGEN, NFPROTO_UNSPEC);

	mnl_attr_put_strz(nlh, NFTA_GEN_PROC_NAME, "a name that no process has");
	ck_assert(change_parse(nlh, &change));
	ck_assert_str_eq(change.process, "a name that no ");
	nlh = message(NFT_MSG_NEWGEN, NFPROTO_UNSPEC);
	mnl_attr_put(nlh, NFTA_GEN_PROC_NAME, 3, "nft");
	mnl_attr_put(nlh, NFTA_GEN_PROC_PID, 2, "\1\2");
	ck_assert(change_parse(nlh, &change));
	ck_assert_str_eq(change.process, "");
	ck_assert_uint_eq(change.pid, 0);
}
END_TEST

START_TEST(test_add)
{
	struct rules_change sum = {.cause = RULES_CAUSE_NONE};
	const struct rules_change rule = {.cause = RULES_CAUSE_RULE};
	const struct rules_change element = {RULES_CAUSE_ELEMENT, 7, "nft", 0};

	rules_change_add(&sum, &rule);
	rules_change_add(&sum, &element);
	ck_assert_int_eq(sum.cause, RULES_CAUSE_RULE);
	ck_assert_uint_eq(sum.pid, 7);
	rules_change_add(&sum, &rule);
	ck_assert_str_eq(sum.process, "nft");
}
END_TEST

static Suite *changes_suite(void)
{
	Suite *suite = suite_create("changes");
	TCase *tcase = tcase_create("changes");

	tcase_add_loop_test(tcase, test_causes, 0, (int)(sizeof(causes) / sizeof(causes[0])));
	tcase_add_test(tcase, test_others);
	tcase_add_test(tcase, test_process);
	tcase_add_test(tcase, test_process_long);
	tcase_add_test(tcase, test_add);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(changes_suite());
}
