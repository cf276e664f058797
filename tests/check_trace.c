/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel tells of a packet on its way. */
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "rules/nl.h"
#include "rules/trace.h"
#include "tests/suite.h"

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

static Suite *trace_suite(void)
{
	Suite *suite = suite_create("trace");
	TCase *tcase = tcase_create("trace");

	tcase_add_test(tcase, test_trace_parse);
	tcase_add_test(tcase, test_trace_torn);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(trace_suite());
}
