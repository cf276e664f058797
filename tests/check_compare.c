/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/compare.h"

#include <string.h>

#include "tests/compare_bed.h"
#include "tests/endpoint.h"
#include "tests/suite.h"

static struct compare_count count;

/* Compares, and leaves in ops what is sent because of it; how many those are. */
static size_t compared(void)
{
	struct compare *compare = compare_open(&net);

	ck_assert_ptr_nonnull(compare);
	ck_assert_int_eq(compare_load(compare, &snapshot), 0);
	compare_part(compare);
	ck_assert_int_eq(compare_finish(compare, &count), 0);
	compare_close(compare);
	settle();
	return message.count;
}

START_TEST(test_equal)
{
	ck_assert_uint_eq(compared(), 0);
	ck_assert_uint_eq(count.missing + count.orphans, 0);
}
END_TEST

static const struct {
	int record;
	size_t count;
	enum rules_op_kind kind;
} missing[] = {
	{LISTENING, 1, RULES_LISTEN},
	{INGRESS, 1, RULES_INGRESS},
	{CLIENT, 2, RULES_CLIENT},
	{PUNCH, 1, RULES_PUNCH},
};

/* What is missing is sent, and nothing else. */
START_TEST(test_missing)
{
	records[missing[_i].record] = (struct ipc_record){.kind = IPC_FLOW};
	ck_assert_uint_eq(compared(), missing[_i].count);
	ck_assert_int_eq(ops[0].kind, missing[_i].kind);
	ck_assert_uint_eq(count.missing, 1);
	ck_assert_uint_eq(count.orphans, 0);
}
END_TEST

START_TEST(test_nothing_there)
{
	snapshot.count = 0;
	ck_assert_uint_eq(compared(), 4);
	ck_assert_uint_eq(count.missing, 3);
	ck_assert(endpoint_equal(&slot->have.client, &slot->want.client));
}
END_TEST

/* Adding it again replaces it, so it is not deleted before. */
START_TEST(test_otherwise)
{
	records[LISTENING].listening.number = 2;
	records[INGRESS].ingress.client.port++;
	ck_assert_uint_eq(compared(), 2);
	ck_assert_int_eq(ops[0].kind, RULES_INGRESS);
	ck_assert_int_eq(ops[1].kind, RULES_LISTEN);
	ck_assert_uint_eq(count.orphans, 0);
}
END_TEST

START_TEST(test_consent)
{
	static const uint32_t left[] = {0, 1000, 3600000};

	records[CLIENT].client.consent_ms = left[_i];
	ck_assert_uint_eq(compared(), 1);
	ck_assert_int_eq(ops[0].kind, RULES_CONSENT);
	ck_assert_uint_le(ops[0].consent_ms, CONSENT);
}
END_TEST

/* A part that is not about a slot says nothing about it, nor of our own ports. */
START_TEST(test_parts)
{
	const struct sync_snapshot own = {&records[PUNCH], 1, true}, rest = {records, PUNCH, false};
	struct compare *compare = compare_open(&net);

	ck_assert_ptr_nonnull(compare);
	ck_assert_int_eq(compare_load(compare, &own), 0);
	compare_part(compare);
	ck_assert_int_eq(compare_load(compare, &rest), 0);
	compare_part(compare);
	ck_assert_int_eq(compare_finish(compare, &count), 0);
	compare_close(compare);
	settle();
	ck_assert_uint_eq(message.count, 0);
	ck_assert_uint_eq(count.missing + count.orphans, 0);
}
END_TEST

/* What is being changed cannot be judged; consent that is on its way is as it should be. */
START_TEST(test_busy)
{
	slot->refresh = true;
	slot_mark(&net.table, slot);
	sync_turn(&net.sync);
	ck_assert(slot->busy);
	records[CLIENT].client.consent_ms = 1000;
	compared();
	ck_assert_uint_eq(count.missing + count.orphans, 0);
	ck_assert(!net.restore.doubt);
	slot_mark(&net.table, slot);
	sync_turn(&net.sync);
	records[CLIENT].kind = IPC_FLOW;
	compared();
	ck_assert_uint_eq(count.missing, 0);
	ck_assert(net.restore.doubt);
	ck_assert(endpoint_equal(&slot->have.client, &slot->want.client));
}
END_TEST

/* It is restored with what is left of it, not with all. */
START_TEST(test_consent_left)
{
	slot->punched_ms -= 40000;
	snapshot.count = 0;
	compared();
	ck_assert_int_eq(ops[2].kind, RULES_CLIENT);
	ck_assert_int_eq(ops[3].kind, RULES_INGRESS);
	ck_assert_uint_le(ops[3].consent_ms, 5000);
}
END_TEST

START_TEST(test_torn)
{
	static const enum rules_op_kind kind[] = {RULES_LISTEN, RULES_INGRESS};

	records[RECORDS] = (struct ipc_record){.kind = IPC_TORN,
		.torn = {.kind = _i ? RULES_TORN_INGRESS : RULES_TORN_LISTEN,
			.at = endpoint("203.0.113.7:9099")}};
	snapshot.count = RECORDS + 1;
	ck_assert_uint_eq(compared(), 1);
	ck_assert_int_eq(ops[0].kind, kind[_i]);
}
END_TEST

static const struct {
	struct ipc_record record;
	const char *at, *to;
	enum rules_op_kind kind;
} orphans[] = {
	{{.kind = IPC_LISTENING}, "203.0.113.7:9100", "", RULES_UNLISTEN},
	{{.kind = IPC_INGRESS}, "203.0.113.7:9100", "192.0.2.9:40001", RULES_UNINGRESS},
	{{.kind = IPC_CLIENT}, "192.0.2.9:40001", "203.0.113.7:3478", RULES_UNCLIENT},
	{{.kind = IPC_PUNCH}, "203.0.113.7:3479", "", RULES_UNPUNCH},
	{{.kind = IPC_PUNCH, .punch.raw = true}, "203.0.113.7:3478", "", RULES_UNPUNCH},
	{{.kind = IPC_PEER}, "192.0.2.9:40001", "203.0.113.7:3478", RULES_UNPEER},
};

static void place(struct ipc_record *record, const struct endpoint *at, const struct endpoint *to)
{
	if (record->kind == IPC_LISTENING)
		record->listening.listen = *at;
	else if (record->kind == IPC_INGRESS)
		record->ingress = (struct rules_ingress){*at, *to};
	else if (record->kind == IPC_CLIENT)
		record->client = (struct rules_client){.client = *at, .punch = *to};
	else if (record->kind == IPC_PUNCH)
		record->punch.at = *at;
	else
		record->peer = (struct rules_peer){.client = *at, .punch = *to};
}

START_TEST(test_orphan)
{
	const struct endpoint at = endpoint(orphans[_i].at);
	const struct endpoint to =
		*orphans[_i].to ? endpoint(orphans[_i].to) : (struct endpoint){.port = 0};

	records[RECORDS] = orphans[_i].record;
	place(&records[RECORDS], &at, &to);
	snapshot.count = RECORDS + 1;
	ck_assert_uint_eq(compared(), 1);
	ck_assert_int_eq(ops[0].kind, orphans[_i].kind);
	ck_assert_uint_eq(count.missing, 0);
	ck_assert_uint_eq(count.orphans, 1);
}
END_TEST

/* Conntrack would keep it for as long as the sender sends. */
START_TEST(test_flow)
{
	struct rules_flow flow = {1, endpoint("198.51.100.1:7000"), endpoint("203.0.113.7:9099"),
		endpoint("192.0.2.9:40000"), endpoint("203.0.113.7:3478")};

	snapshot.count = RECORDS + 1;
	records[RECORDS] = (struct ipc_record){.kind = IPC_FLOW, .flow = flow};
	ck_assert_uint_eq(compared(), 0);
	records[RECORDS].flow.client.port++;
	ck_assert_uint_eq(compared(), 1);
	ck_assert_int_eq(ops[0].kind, RULES_FLUSH);
	ck_assert_uint_eq(ops[0].client.port, 40001);
	records[RECORDS].flow.client.port--;
	records[RECORDS].flow.number = 2;
	ck_assert_uint_eq(compared(), 1);
}
END_TEST

static Suite *compare_suite(void)
{
	Suite *suite = suite_create("compare");
	TCase *tcase = tcase_create("compare");

	tcase_set_timeout(tcase, 30);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_equal);
	tcase_add_loop_test(tcase, test_missing, 0, (int)(sizeof(missing) / sizeof(missing[0])));
	tcase_add_test(tcase, test_nothing_there);
	tcase_add_test(tcase, test_otherwise);
	tcase_add_loop_test(tcase, test_consent, 0, 3);
	tcase_add_test(tcase, test_consent_left);
	tcase_add_test(tcase, test_parts);
	tcase_add_test(tcase, test_busy);
	tcase_add_loop_test(tcase, test_torn, 0, 2);
	tcase_add_loop_test(tcase, test_orphan, 0, (int)(sizeof(orphans) / sizeof(orphans[0])));
	tcase_add_test(tcase, test_flow);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(compare_suite());
}
