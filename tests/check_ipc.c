/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "relayd/ipc.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OP_SIZE	     195
#define RECORDS	     7 /* one of each kind */
#define LIST_HEAD    7 /* kind, id, count */
#define ASK_BODY     6 /* kind, id, kind of question */

static uint8_t message[IPC_MAX + 8], again[IPC_MAX];
static struct rules_op ops[RULES_OPS_MAX];
static struct ipc_record records[IPC_RECORDS_MAX];
static struct ipc_fact facts[IPC_FACTS_MAX];
static const struct ipc_room room = {.ops = ops,
	.records = records,
	.room = RULES_OPS_MAX,
	.facts = facts,
	.fact_room = IPC_FACTS_MAX};
static struct ipc ipc;

static struct endpoint endpoint(const char *text)
{
	struct endpoint out = {0};

	if (text)
		ck_assert_int_eq(endpoint_parse(text, 0, &out), 0);
	return out;
}

static struct prefix prefix(const char *text)
{
	struct prefix out;

	ck_assert_int_eq(prefix_parse(text, &out), 0);
	return out;
}

/* In memory that has not a byte more, so that ASan sees each read behind it. */
static int decode(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	int ret;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, data, len);
	memset(ops, 0x55, sizeof(ops));
	memset(records, 0x55, sizeof(records));
	memset(facts, 0x55, sizeof(facts));
	ret = ipc_decode(copy, len, &room, &ipc);
	free(copy);
	return ret;
}

/* No other length of it is a message. */
static void assert_whole(size_t len)
{
	ck_assert_uint_gt(len, 0);
	for (size_t cut = 0; cut < len; cut++)
		ck_assert_int_eq(decode(message, cut), -EPROTO);
	message[len] = 0;
	ck_assert_int_eq(decode(message, len + 1), -EPROTO);
	ck_assert_int_eq(decode(message, len), 0);
}

static struct rules_op op_full(void)
{
	struct rules_op op = {.kind = RULES_CLIENT,
		.name = "cam1",
		.number = 0x123456,
		.raw = true,
		.consent_ms = 45000,
		.rate = 0x123456789abcdef0};

	op.listen = endpoint("203.0.113.7:9099");
	op.source = prefix("198.51.100.0/24");
	op.client = endpoint("[2001:db8::9]:40123");
	op.punch = endpoint("[2001:db8::7]:3478");
	op.peer = endpoint("192.0.2.10:6000");
	return op;
}

static void assert_op(const struct rules_op *a, const struct rules_op *b)
{
	ck_assert_int_eq(a->kind, b->kind);
	ck_assert_str_eq(a->name, b->name);
	ck_assert(endpoint_equal(&a->listen, &b->listen));
	ck_assert_uint_eq(a->number, b->number);
	ck_assert(addr_equal(&a->source.addr, &b->source.addr));
	ck_assert_uint_eq(a->source.bits, b->source.bits);
	ck_assert(endpoint_equal(&a->client, &b->client));
	ck_assert(endpoint_equal(&a->punch, &b->punch));
	ck_assert(endpoint_equal(&a->peer, &b->peer));
	ck_assert_int_eq(a->raw, b->raw);
	ck_assert_uint_eq(a->consent_ms, b->consent_ms);
	ck_assert_uint_eq(a->rate, b->rate);
}

START_TEST(test_apply)
{
	struct rules_op sent[] = {op_full(), {.kind = RULES_LISTEN}, {.kind = RULES_FLUSH}};
	size_t len;

	memset(sent[2].name, 'a', RULES_NAME - 1);
	len = ipc_encode_apply(message, 0xdeadbeef, sent, COUNT(sent));
	ck_assert_uint_eq(len, LIST_HEAD + COUNT(sent) * OP_SIZE);
	assert_whole(len);
	ck_assert_int_eq(ipc.kind, IPC_APPLY);
	ck_assert_uint_eq(ipc.id, 0xdeadbeef);
	ck_assert_uint_eq(ipc.count, COUNT(sent));
	for (size_t i = 0; i < COUNT(sent); i++)
		assert_op(&ops[i], &sent[i]);
	ck_assert_uint_eq(ipc_encode_apply(again, ipc.id, ops, ipc.count), len);
	ck_assert_mem_eq(again, message, len);
}
END_TEST

START_TEST(test_apply_kinds)
{
	for (int kind = RULES_LISTEN; kind <= RULES_UNPEER; kind++) {
		struct rules_op op = {.kind = (enum rules_op_kind)kind};

		ck_assert_int_eq(decode(message, ipc_encode_apply(message, 1, &op, 1)), 0);
		ck_assert_int_eq(ops[0].kind, kind);
	}
	message[LIST_HEAD] = RULES_UNPEER + 1;
	ck_assert_int_eq(decode(message, LIST_HEAD + OP_SIZE), -EPROTO);
	message[LIST_HEAD] = 0xff;
	ck_assert_int_eq(decode(message, LIST_HEAD + OP_SIZE), -EPROTO);
}
END_TEST

/* As many as a transaction may have, and the room that the receiver gave. */
START_TEST(test_apply_most)
{
	static struct rules_op sent[RULES_OPS_MAX];
	struct ipc_room small = {.ops = ops, .records = records, .room = RULES_OPS_MAX - 1};
	struct ipc_room none = {.records = records, .room = RULES_OPS_MAX};
	size_t len;

	for (size_t i = 0; i < COUNT(sent); i++) {
		sent[i] = op_full();
		sent[i].number = (uint32_t)i;
	}
	len = ipc_encode_apply(message, 1, sent, COUNT(sent));
	ck_assert_uint_eq(len, LIST_HEAD + COUNT(sent) * OP_SIZE);
	ck_assert_int_eq(decode(message, len), 0);
	ck_assert_uint_eq(ops[RULES_OPS_MAX - 1].number, RULES_OPS_MAX - 1);
	ck_assert_int_eq(ipc_decode(message, len, &small, &ipc), -EPROTO);
	ck_assert_int_eq(ipc_decode(message, len, &none, &ipc), -EPROTO);
}
END_TEST

/* What does not fit into a message is no message. */
START_TEST(test_encode_large)
{
	static struct rules_op many[IPC_MAX / OP_SIZE + 1];
	static struct ipc_record most[2 * IPC_RECORDS_MAX];

	memset(many, 0, sizeof(many));
	ck_assert_uint_eq(ipc_encode_apply(message, 1, many, COUNT(many)), 0);
	for (size_t i = 0; i < COUNT(most); i++)
		most[i] = (struct ipc_record){.kind = IPC_CLIENT};
	ck_assert_uint_gt(ipc_encode_records(message, 1, most, IPC_RECORDS_MAX), 0);
	for (size_t i = 0; i < IPC_RECORDS_MAX; i++)
		most[i].kind = IPC_LISTENING;
	ck_assert_int_eq(decode(message, ipc_encode_records(message, 1, most, IPC_RECORDS_MAX)), 0);
	ck_assert_uint_eq(ipc.count, IPC_RECORDS_MAX);
}
END_TEST

START_TEST(test_list_empty)
{
	ck_assert_int_eq(decode(message, ipc_encode_apply(message, 1, ops, 0)), -EPROTO);
	ck_assert_int_eq(decode(message, ipc_encode_records(message, 1, records, 0)), -EPROTO);
}
END_TEST

/* Where in an operation, which byte, and why it is not one that an encoder writes. */
static const struct {
	size_t at;
	uint8_t value;
} spoilt[] = {
	{1 + 63, 'x'},			   /* the name is not terminated */
	{1 + 20, 'x'},			   /* something behind the zero */
	{1 + 64, 5},			   /* an IP version */
	{1 + 64 + 1 + 4, 1},		   /* an IPv4 address of more than 4 bytes */
	{1 + 64 + 1 + 15, 1}, {1 + 64, 0}, /* no address, but bytes of one */
	{88 + 17, 33},			   /* more bits than IPv4 has */
	{106, 7},			   /* the client's IP version */
	{144, 2},			   /* no boolean */
};

START_TEST(test_apply_spoilt)
{
	struct rules_op op = op_full();
	size_t len = ipc_encode_apply(message, 1, &op, 1);

	ck_assert_int_eq(decode(message, len), 0);
	ck_assert_uint_ne(message[LIST_HEAD + spoilt[_i].at], spoilt[_i].value);
	message[LIST_HEAD + spoilt[_i].at] = spoilt[_i].value;
	ck_assert_int_eq(decode(message, len), -EPROTO);
}
END_TEST

/* A name that fills its place has no end. */
START_TEST(test_apply_name)
{
	struct rules_op op = op_full();
	size_t len = ipc_encode_apply(message, 1, &op, 1);

	memset(message + LIST_HEAD + 1, 'a', RULES_NAME - 1);
	ck_assert_int_eq(decode(message, len), 0);
	ck_assert_uint_eq(strlen(ops[0].name), RULES_NAME - 1);
	message[LIST_HEAD + RULES_NAME] = 'a';
	ck_assert_int_eq(decode(message, len), -EPROTO);
}
END_TEST

START_TEST(test_read)
{
	size_t len = ipc_encode_read(message, 77);

	ck_assert_uint_eq(len, 5);
	assert_whole(len);
	ck_assert_int_eq(ipc.kind, IPC_READ);
	ck_assert_uint_eq(ipc.id, 77);
}
END_TEST

static const struct rules_error errors[] = {
	{0, -1, ""},
	{-EPERM, 0, "the kernel side refuses"},
	{-4095, RULES_OPS_MAX - 1, "x"},
};

START_TEST(test_result)
{
	enum ipc_kind kind = _i % 2 ? IPC_DONE : IPC_END;
	const struct rules_error *error = &errors[_i / 2];
	size_t len = ipc_encode_result(message, kind, 5, error);

	assert_whole(len);
	ck_assert_int_eq(ipc.kind, kind);
	ck_assert_uint_eq(ipc.id, 5);
	ck_assert_int_eq(ipc.error.code, error->code);
	ck_assert_int_eq(ipc.error.op, error->op);
	ck_assert_str_eq(ipc.error.text, error->text);
	ck_assert_uint_eq(ipc_encode_result(again, kind, 5, &ipc.error), len);
	ck_assert_mem_eq(again, message, len);
}
END_TEST

START_TEST(test_result_spoilt)
{
	static const struct {
		size_t at;
		uint8_t value;
	} rows[] = {
		{5, 1}, {5, 0x80}, {7, 0x10}, {9, 0xff}, {11, 4}, {13 + 127, 'x'}, {13 + 3, 'x'}};
	struct rules_error error = {-1, 0, ""};
	size_t len;

	for (size_t i = 0; i < COUNT(rows); i++) {
		len = ipc_encode_result(message, IPC_DONE, 1, &error);
		message[rows[i].at] = rows[i].value;
		ck_assert_msg(decode(message, len) == -EPROTO, "row %zu", i);
	}
}
END_TEST

/* A text that fills its place is cut, not run over. */
START_TEST(test_result_long)
{
	struct rules_error error = {.code = -1};

	memset(error.text, 'x', sizeof(error.text));
	ck_assert_int_eq(decode(message, ipc_encode_result(message, IPC_DONE, 1, &error)), 0);
	ck_assert_uint_eq(strlen(ipc.error.text), sizeof(error.text) - 1);
}
END_TEST

static size_t records_make(struct ipc_record *out)
{
	struct endpoint v4 = endpoint("192.0.2.9:40123"), v6 = endpoint("[2001:db8::7]:3478");

	memset(out, 0, RECORDS * sizeof(*out));
	out[0].kind = IPC_LISTENING;
	out[0].listening = (struct rules_listening){v4, 7, prefix("2001:db8::/32"), "cam1", 8, 9};
	out[1].kind = IPC_PUNCH;
	out[1].punch.at = v6;
	out[1].punch.raw = true;
	out[2].kind = IPC_INGRESS;
	out[2].ingress = (struct rules_ingress){v6, v4};
	out[3].kind = IPC_CLIENT;
	out[3].client = (struct rules_client){v4, v6, 45000, 0, 1ULL << 40, 1ULL << 50, "cam1"};
	out[4].kind = IPC_FLOW;
	out[4].flow = (struct rules_flow){0xffffff, v4, v6, v6, v4};
	out[5].kind = IPC_PEER;
	out[5].peer = (struct rules_peer){v4, v6, v4, 0xfffffe, "cam2", v6};
	out[6].kind = IPC_HEALTH;
	out[6].health = (struct rules_health){7, 8, 1ULL << 40};
	return RECORDS;
}

START_TEST(test_records)
{
	struct ipc_record sent[RECORDS];
	size_t count = records_make(sent), len = ipc_encode_records(message, 9, sent, count);

	assert_whole(len);
	ck_assert_int_eq(ipc.kind, IPC_RECORDS);
	ck_assert_uint_eq(ipc.count, count);
	for (size_t i = 0; i < count; i++)
		ck_assert_int_eq(records[i].kind, sent[i].kind);
	ck_assert(endpoint_equal(&records[0].listening.listen, &sent[0].listening.listen));
	ck_assert_uint_eq(records[0].listening.number, 7);
	ck_assert_uint_eq(records[0].listening.source.bits, 32);
	ck_assert_str_eq(records[0].listening.name, "cam1");
	ck_assert_uint_eq(records[0].listening.refused_packets, 8);
	ck_assert_uint_eq(records[0].listening.refused_bytes, 9);
	ck_assert(endpoint_equal(&records[1].punch.at, &sent[1].punch.at));
	ck_assert(records[1].punch.raw);
	ck_assert(endpoint_equal(&records[2].ingress.listen, &sent[2].ingress.listen));
	ck_assert(endpoint_equal(&records[2].ingress.client, &sent[2].ingress.client));
	ck_assert(endpoint_equal(&records[3].client.client, &sent[3].client.client));
	ck_assert(endpoint_equal(&records[3].client.punch, &sent[3].client.punch));
	ck_assert_uint_eq(records[3].client.consent_ms, 45000);
	ck_assert_uint_eq(records[3].client.packets, 1ULL << 40);
	ck_assert_uint_eq(records[3].client.bytes, 1ULL << 50);
	ck_assert_str_eq(records[3].client.name, "cam1");
	ck_assert_uint_eq(records[4].flow.number, 0xffffff);
	ck_assert(endpoint_equal(&records[4].flow.sender, &sent[4].flow.sender));
	ck_assert(endpoint_equal(&records[4].flow.listen, &sent[4].flow.listen));
	ck_assert(endpoint_equal(&records[4].flow.client, &sent[4].flow.client));
	ck_assert(endpoint_equal(&records[4].flow.punch, &sent[4].flow.punch));
	ck_assert(endpoint_equal(&records[5].peer.client, &sent[5].peer.client));
	ck_assert(endpoint_equal(&records[5].peer.punch, &sent[5].peer.punch));
	ck_assert(endpoint_equal(&records[5].peer.peer, &sent[5].peer.peer));
	ck_assert_uint_eq(records[5].peer.number, 0xfffffe);
	ck_assert_str_eq(records[5].peer.name, "cam2");
	ck_assert_uint_eq(records[6].health.flows, 7);
	ck_assert_uint_eq(records[6].health.flows_max, 8);
	ck_assert_uint_eq(records[6].health.lost, 1ULL << 40);
	ck_assert_uint_eq(ipc_encode_records(again, 9, records, count), len);
	ck_assert_mem_eq(again, message, len);
}
END_TEST

START_TEST(test_record_kinds)
{
	struct ipc_record sent[RECORDS];
	struct ipc_room none = {.ops = ops, .room = RULES_OPS_MAX};
	size_t len;

	records_make(sent);
	len = ipc_encode_records(message, 9, sent + 1, 1);
	ck_assert_int_eq(decode(message, len), 0);
	ck_assert_int_eq(ipc_decode(message, len, &none, &ipc), -EPROTO);
	message[LIST_HEAD] = 0;
	ck_assert_int_eq(decode(message, len), -EPROTO);
	message[LIST_HEAD] = IPC_PART + 1;
	ck_assert_int_eq(decode(message, len), -EPROTO);
}
END_TEST

START_TEST(test_event)
{
	struct rules_event event = {
		true, 3, endpoint("198.51.100.1:7000"), endpoint("203.0.113.7:9099")};
	size_t len;

	for (int refused = 0; refused <= 1; refused++) {
		event.refused = refused;
		len = ipc_encode_event(message, &event);
		assert_whole(len);
		ck_assert_int_eq(ipc.kind, IPC_EVENT);
		ck_assert_int_eq(ipc.event.refused, refused);
		ck_assert_uint_eq(ipc.event.number, 3);
		ck_assert(endpoint_equal(&ipc.event.sender, &event.sender));
		ck_assert(endpoint_equal(&ipc.event.listen, &event.listen));
	}
	message[5] = 2;
	ck_assert_int_eq(decode(message, len), -EPROTO);
}
END_TEST

/* Events answer nothing, so no encoder gives them an id. */
START_TEST(test_event_id)
{
	struct rules_event event = {.sender = endpoint("198.51.100.1:7000")};
	size_t len = ipc_encode_event(message, &event);

	ck_assert_int_eq(decode(message, len), 0);
	message[4] = 1;
	ck_assert_int_eq(decode(message, len), -EPROTO);
}
END_TEST

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
		FOREIGN_NFTABLES, FOREIGN_UNKNOWN, "ufw-user-forward", 1ULL << 33, "drop"};
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

START_TEST(test_changed)
{
	const struct rules_change change = {RULES_CAUSE_TABLE, 1234, "nft"};
	size_t len = ipc_encode_changed(message, &change, 123456);

	assert_whole(len);
	ck_assert_int_eq(ipc.kind, IPC_CHANGED);
	ck_assert_int_eq(ipc.change.cause, RULES_CAUSE_TABLE);
	ck_assert_uint_eq(ipc.change.pid, 1234);
	ck_assert_str_eq(ipc.change.process, "nft");
	ck_assert_int_eq(ipc.since_ms, 123456);
	message[5] = RULES_CAUSES;
	ck_assert_int_eq(decode(message, len), -EPROTO);
	message[5] = RULES_CAUSE_NONE;
	ck_assert_int_eq(decode(message, len), -EPROTO);
}
END_TEST

START_TEST(test_kinds)
{
	size_t len = ipc_encode_read(message, 1);

	for (int kind = 0; kind < 256; kind++) {
		message[0] = (uint8_t)kind;
		ck_assert_int_eq(
			decode(message, len), kind == IPC_READ || kind == IPC_CHECK ? 0 : -EPROTO);
	}
}
END_TEST

static Suite *ipc_suite(void)
{
	Suite *suite = suite_create("ipc");
	TCase *tcase = tcase_create("ipc");

	tcase_add_test(tcase, test_apply);
	tcase_add_test(tcase, test_apply_kinds);
	tcase_add_test(tcase, test_apply_most);
	tcase_add_test(tcase, test_encode_large);
	tcase_add_test(tcase, test_list_empty);
	tcase_add_loop_test(tcase, test_apply_spoilt, 0, COUNT(spoilt));
	tcase_add_test(tcase, test_apply_name);
	tcase_add_test(tcase, test_read);
	tcase_add_loop_test(tcase, test_result, 0, 2 * COUNT(errors));
	tcase_add_test(tcase, test_result_spoilt);
	tcase_add_test(tcase, test_result_long);
	tcase_add_test(tcase, test_records);
	tcase_add_test(tcase, test_record_kinds);
	tcase_add_test(tcase, test_event);
	tcase_add_test(tcase, test_event_id);
	tcase_add_test(tcase, test_ask);
	tcase_add_test(tcase, test_ask_spoilt);
	tcase_add_test(tcase, test_facts);
	tcase_add_test(tcase, test_facts_most);
	tcase_add_test(tcase, test_changed);
	tcase_add_test(tcase, test_kinds);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(ipc_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
