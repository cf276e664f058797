/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions, and facts that answer them. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/ipc_bed.h"
#include "tests/suite.h"

#define ASK_BODY 6 /* kind, id, kind of question */

static const struct foreign_packet packet = {.way = FOREIGN_ANSWER,
	.source = {{AF_INET, {192, 0, 2, 9}}, 5004},
	.dest = {{AF_INET, {203, 0, 113, 7}}, 9099},
	.to = {{AF_INET6, {0x20, 1, 0xd, 0xb8, [15] = 7}}, 40123},
	.from = {{AF_INET, {203, 0, 113, 7}}, 3478},
	.mark = 0x52000007,
	.first = true,
	.in = "eth0",
	.out = "wg-0123456789ab"};

static void asks_make(struct ipc_ask out[static IPC_ASK_TRACE])
{
	memset(out, 0, IPC_ASK_TRACE * sizeof *out);
	for (int i = 0; i < IPC_ASK_TRACE; i++)
		out[i].kind = (enum ipc_ask_kind)(i + 1);
	out[1].resolve = true;
	out[1].mark = 5;
	for (int i = 1; i <= 2; i++) {
		out[i].source = packet.source;
		out[i].dest = packet.dest;
	}
	out[IPC_ASK_TRACE - 1].source = packet.source;
	out[IPC_ASK_TRACE - 1].dest = packet.dest;
	out[IPC_ASK_TRACE - 1].any = true;
	out[IPC_ASK_WALK - 1].packet = packet;
}

START_TEST(test_ask)
{
	struct ipc_ask asks[IPC_ASK_TRACE];
	size_t len;

	asks_make(asks);
	for (size_t i = 0; i < COUNT(asks); i++) {
		len = ipc_encode_ask(message, 0x80000001, &asks[i]);
		assert_whole(len);
		ck_assert_int_eq(decode(message, len), 0);
		ck_assert_int_eq(ipc.kind, IPC_ASK);
		ck_assert_uint_eq(ipc.id, 0x80000001);
		ck_assert_int_eq(ipc.ask.kind, asks[i].kind);
		ck_assert(endpoint_equal(&ipc.ask.source, &asks[i].source));
		ck_assert(endpoint_equal(&ipc.ask.dest, &asks[i].dest));
		ck_assert_uint_eq(ipc_encode_ask(again, ipc.id, &ipc.ask), len);
		ck_assert_mem_eq(again, message, len);
	}
	ck_assert(ipc.ask.any);
	len = ipc_encode_ask(message, 1, &asks[IPC_ASK_WALK - 1]);
	ck_assert_int_eq(decode(message, len), 0);
	ck_assert_int_eq(ipc.ask.packet.way, FOREIGN_ANSWER);
	ck_assert(endpoint_equal(&ipc.ask.packet.to, &packet.to));
	ck_assert(endpoint_equal(&ipc.ask.packet.from, &packet.from));
	ck_assert_uint_eq(ipc.ask.packet.mark, packet.mark);
	ck_assert(ipc.ask.packet.first);
	ck_assert_str_eq(ipc.ask.packet.in, packet.in);
	ck_assert_str_eq(ipc.ask.packet.out, packet.out);
	message[ASK_BODY] = FOREIGN_ANSWER + 1;
	ck_assert_int_eq(decode(message, len), -EPROTO);
	message[ASK_BODY] = FOREIGN_MEDIA;
	message[len - 1] = 'x';
	ck_assert_int_eq(decode(message, len), -EPROTO);
}
END_TEST

/* A route is asked for two addresses of one family. */
START_TEST(test_ask_spoilt)
{
	struct ipc_ask ask = {.kind = IPC_ASK_ROUTE, .source = packet.source, .dest = packet.to};
	size_t len;

	ck_assert_int_eq(decode(message, ipc_encode_ask(message, 1, &ask)), -EPROTO);
	ask.dest = ask.source;
	len = ipc_encode_ask(message, 1, &ask);
	ck_assert_int_eq(decode(message, len), 0);
	message[len - 1] = 2;
	ck_assert_int_eq(decode(message, len), -EPROTO);
	ask = (struct ipc_ask){.kind = IPC_ASK_FLOW};
	ck_assert_int_eq(decode(message, ipc_encode_ask(message, 1, &ask)), -EPROTO);
	ask.kind = IPC_ASK_HOST;
	ck_assert_int_eq(decode(message, ipc_encode_ask(message, 1, &ask)), 0);
	message[ASK_BODY - 1] = IPC_ASK_TRACE + 1;
	ck_assert_int_eq(decode(message, ASK_BODY), -EPROTO);
}
END_TEST

static void facts_make(struct ipc_fact out[static IPC_TRACE])
{
	memset(out, 0, IPC_TRACE * sizeof *out);
	out[0].kind = IPC_HOST;
	out[0].host = (struct path_host){true, false, true};
	out[1].kind = IPC_ROUTE;
	out[1].route = (struct path_route){-ENETUNREACH, true, "eth0", "eth1", true, false,
		packet.source.addr, 1420, true, 0x40};
	out[2].kind = IPC_ENTRY;
	out[2].entry = (struct path_flow){packet.source, packet.dest, packet.to, packet.from,
		packet.mark, 0x19e, 29, true, 1, 2, 3, 1ULL << 40};
	out[3].kind = IPC_CHAIN;
	out[3].chain = (struct foreign_chain){2, "filter", "FORWARD", "filter", "forward", -10,
		FOREIGN_NFTABLES, FOREIGN_UNKNOWN, "ufw-user-forward", 1ULL << 33, "drop", 5};
	out[4].kind = IPC_TRACE;
	out[4].trace = (struct trace_event){TRACE_POLICY, 1, "fw", "forward", 1ULL << 34, -5,
		"next", 7, 8, 9, packet.source, packet.dest, true, false};
}

START_TEST(test_facts)
{
	struct ipc_fact sent[IPC_TRACE];
	const struct ipc_room none = {.ops = ops, .records = records, .room = RULES_OPS_MAX};
	size_t len;

	facts_make(sent);
	len = ipc_encode_facts(message, 9, sent, COUNT(sent));
	assert_whole(len);
	ck_assert_int_eq(decode(message, len), 0);
	ck_assert_int_eq(ipc.kind, IPC_FACTS);
	ck_assert_uint_eq(ipc.count, COUNT(sent));
	ck_assert_uint_eq(ipc_encode_facts(again, 9, facts, ipc.count), len);
	ck_assert_mem_eq(again, message, len);
	ck_assert(facts[0].host.persist && !facts[0].host.refresh && facts[0].host.legacy);
	ck_assert_int_eq(facts[1].route.error, -ENETUNREACH);
	ck_assert_str_eq(facts[1].route.out, "eth1");
	ck_assert_uint_eq(facts[1].route.neighbour, 0x40);
	ck_assert(endpoint_equal(&facts[2].entry.reply_src, &packet.to));
	ck_assert_uint_eq(facts[2].entry.reply_bytes, 1ULL << 40);
	ck_assert_int_eq(facts[3].chain.priority, -10);
	ck_assert_str_eq(facts[3].chain.at_chain, "ufw-user-forward");
	ck_assert_uint_eq(facts[3].chain.handle, 1ULL << 33);
	ck_assert_str_eq(facts[3].chain.why, "drop");
	ck_assert_uint_eq(facts[3].chain.mark, 5);
	ck_assert_int_eq(facts[4].trace.verdict, -5);
	ck_assert_str_eq(facts[4].trace.target, "next");
	ck_assert(endpoint_equal(&facts[4].trace.dest, &packet.dest));
	ck_assert(facts[4].trace.probe && !facts[4].trace.ours);
	ck_assert_int_eq(ipc_decode(message, len, &none, &ipc), -EPROTO);
	message[LIST_HEAD] = 0;
	ck_assert_int_eq(decode(message, len), -EPROTO);
	message[LIST_HEAD] = IPC_TRACE + 1;
	ck_assert_int_eq(decode(message, len), -EPROTO);
}
END_TEST

/* As many of the largest as a message may have. */
START_TEST(test_facts_most)
{
	static struct ipc_fact most[IPC_FACTS_MAX + 1];
	size_t len;

	for (size_t i = 0; i < COUNT(most); i++)
		most[i].kind = IPC_CHAIN;
	len = ipc_encode_facts(message, 1, most, IPC_FACTS_MAX);
	ck_assert_int_eq(decode(message, len), 0);
	ck_assert_uint_eq(ipc.count, IPC_FACTS_MAX);
	len = ipc_encode_facts(message, 1, most, COUNT(most));
	ck_assert_int_eq(decode(message, len), -EPROTO);
}
END_TEST

static Suite *ipc_ask_suite(void)
{
	Suite *suite = suite_create("ipc_ask");
	TCase *tcase = tcase_create("ipc_ask");

	tcase_add_test(tcase, test_ask);
	tcase_add_test(tcase, test_ask_spoilt);
	tcase_add_test(tcase, test_facts);
	tcase_add_test(tcase, test_facts_most);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(ipc_ask_suite());
}
