/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages between the two sides, whole and spoilt. */
#include <errno.h>
#include <string.h>

#include "tests/ipc_bed.h"
#include "tests/suite.h"

#define OP_SIZE 195
#define RECORDS 7 /* one of each kind */

static struct prefix prefix(const char *text)
{
	struct prefix out;

	ck_assert_int_eq(prefix_parse(text, &out), 0);
	return out;
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
	for (int kind = RULES_LISTEN; kind <= RULES_MAX_RATE; kind++) {
		struct rules_op op = {.kind = (enum rules_op_kind)kind};

		ck_assert_int_eq(decode(message, ipc_encode_apply(message, 1, &op, 1)), 0);
		ck_assert_int_eq(ops[0].kind, kind);
	}
	message[LIST_HEAD] = RULES_MAX_RATE + 1;
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
	out[0].listening =
		(struct rules_listening){v4, 7, prefix("2001:db8::/32"), "cam1", 8, 9, 10, 11};
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
	out[6].health = (struct rules_health){7, 8, 1ULL << 40, true, 1ULL << 33, 9};
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
	ck_assert_uint_eq(records[0].listening.limited_packets, 10);
	ck_assert_uint_eq(records[0].listening.limited_bytes, 11);
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
	ck_assert(records[6].health.unheard);
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
		true, 3, endpoint("198.51.100.1:7000"), endpoint("203.0.113.7:9099"), {0x80, 96}};
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
		ck_assert_mem_eq(ipc.event.first, event.first, sizeof event.first);
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

START_TEST(test_changed)
{
	const struct rules_change change = {RULES_CAUSE_TABLE, 1234, "nft", 5};
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
	tcase_add_test(tcase, test_changed);
	tcase_add_test(tcase, test_kinds);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(ipc_suite());
}
