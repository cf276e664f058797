/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/adopt.h"

#include <stdlib.h>
#include <string.h>

#include "relayd/compare.h"
#include "tests/compare_bed.h"
#include "tests/endpoint.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MANY	     20000

static struct compare_count count;
static char why[SPEC_WHY];

static int adopted(const struct sync_snapshot *all)
{
	struct compare *compare = compare_open(&net);
	int err;

	ck_assert_ptr_nonnull(compare);
	adopt_begin(&net);
	adopt_part(&net, compare, all);
	err = adopt_finish(&net, compare, &count);
	compare_close(compare);
	return err;
}

/* A start takes over what is there, in the order of the punches. */
START_TEST(test_adopt)
{
	struct stream *other = stream("cam2", "9100");
	const struct endpoint listen = endpoint("203.0.113.7:9100");
	const struct endpoint client = endpoint("192.0.2.9:40001");

	slot_release(&net.table, slot);
	memset(&slot->have, 0, sizeof(slot->have));
	slot->listening = false;
	records[RECORDS] = listening_record(listen, "cam2");
	records[RECORDS + 1] =
		(struct ipc_record){.kind = IPC_INGRESS, .ingress = {listen, client}};
	records[RECORDS + 2] = client_record(client, "cam2", 10000);
	records[RECORDS + 2].client.packets = 7;
	records[RECORDS + 2].client.bytes = 700;
	snapshot.count = RECORDS + 3;
	ck_assert_int_eq(adopted(&snapshot), 0);
	ck_assert_uint_eq(count.missing + count.orphans, 0);
	ck_assert_uint_eq(net.table.holes, 2);
	ck_assert_ptr_eq(TAILQ_FIRST(&net.table.consents), other->slots[0]);
	ck_assert_uint_eq(other->slots[0]->packets, 7);
	ck_assert_uint_eq(other->slots[0]->bytes, 700);
	settle();
	ck_assert_uint_eq(message.count, 0);
}
END_TEST

/* Of those that were sent. */
static const struct rules_op *sent(enum rules_op_kind kind)
{
	for (size_t i = 0; i < message.count; i++)
		if (ops[i].kind == kind)
			return &ops[i];
	return NULL;
}

/* As a relayd that has just started, with what the one before has left. */
static void start_again(size_t missing_count, size_t orphan_count)
{
	slot_release(&net.table, slot);
	memset(&slot->have, 0, sizeof(slot->have));
	slot->listening = false;
	ck_assert_int_eq(adopted(&snapshot), 0);
	ck_assert_uint_eq(count.missing, missing_count);
	ck_assert_uint_eq(count.orphans, orphan_count);
	settle();
}

/* What has changed in the file while no relayd was running is seen at the next start. */
START_TEST(test_other_source)
{
	ck_assert_int_eq(spec_set_source(&slot->stream->spec, "198.51.100.0/24", why), 0);
	start_again(0, 0);
	ck_assert_ptr_nonnull(sent(RULES_LISTEN));
	ck_assert_uint_eq(sent(RULES_LISTEN)->source.bits, 24);
	ck_assert_ptr_null(sent(RULES_UNCLIENT));
	ck_assert_uint_eq(net.table.holes, 1);
}
END_TEST

static const struct {
	const char *source;
	bool holds;
} sources[] = {{"any", true}, {"198.51.100.0/24", true}, {"198.51.100.175", false},
	{"192.0.2.0/24", false}};

/* For whom the kernel kept the port it is kept, but by the file's own source it was for nobody. */
START_TEST(test_holder)
{
	records[LISTENING].listening.source =
		(struct prefix){endpoint("198.51.100.175:1").addr, 32};
	ck_assert_int_eq(spec_set_source(&slot->stream->spec, sources[_i].source, why), 0);
	slot_release(&net.table, slot);
	slot->listening = false;
	ck_assert_int_eq(adopted(&snapshot), 0);
	ck_assert_int_eq(slot->holder.family != 0, sources[_i].holds);
}
END_TEST

/* With another number it is a stream of that name with another key: the client knows the old. */
START_TEST(test_other_number)
{
	const struct endpoint client = slot->want.client;

	records[LISTENING].listening.number = 2;
	start_again(0, 2);
	ck_assert_uint_eq(sent(RULES_LISTEN)->number, 1);
	ck_assert(endpoint_equal(&sent(RULES_UNCLIENT)->client, &client));
	ck_assert_ptr_nonnull(sent(RULES_UNINGRESS));
	ck_assert_uint_eq(net.table.holes, 0);
}
END_TEST

/* Where somebody has taken away what the number stands in, the name has to do. */
START_TEST(test_no_number)
{
	records[LISTENING] = (struct ipc_record){.kind = IPC_HEALTH};
	start_again(0, 0);
	ck_assert_ptr_nonnull(sent(RULES_LISTEN));
	ck_assert_ptr_null(sent(RULES_UNCLIENT));
	ck_assert_uint_eq(net.table.holes, 1);
}
END_TEST

START_TEST(test_other_clients)
{
	ck_assert_int_eq(spec_set_clients(&slot->stream->spec, "198.51.100.0/24", why), 0);
	start_again(0, 2);
	ck_assert_ptr_nonnull(sent(RULES_UNINGRESS));
	ck_assert_ptr_nonnull(sent(RULES_UNCLIENT));
	ck_assert_uint_eq(net.table.holes, 0);
}
END_TEST

START_TEST(test_other_rate)
{
	static const uint64_t had[] = {0, 2000, RULES_RATE_UNKNOWN};

	slot->stream->spec.rate = 1000;
	records[CLIENT].client.rate = had[_i];
	start_again(had[_i] == RULES_RATE_UNKNOWN, 0);
	ck_assert_ptr_nonnull(sent(RULES_INGRESS));
	ck_assert_uint_eq(sent(RULES_INGRESS)->rate, 1000);
	ck_assert_uint_eq(net.table.holes, 1);
}
END_TEST

/* Pairs in quadratic time would take minutes. */
START_TEST(test_many)
{
	struct ipc_record *many = calloc(3 * MANY, sizeof(*many));
	char name[32], listen[8];

	ck_assert_ptr_nonnull(many);
	for (unsigned int i = 0; i < MANY; i++) {
		struct ipc_record *record = &many[3 * i];
		struct endpoint at = endpoint("203.0.113.7:9099"), client = endpoint("192.0.2.9:1");

		snprintf(name, sizeof(name), "s%u", i);
		snprintf(listen, sizeof(listen), "%u", 10000 + i);
		stream(name, listen);
		at.port = (uint16_t)(10000 + i);
		client.port = (uint16_t)(20000 + i);
		record[0] = listening_record(at, name);
		record[1] = (struct ipc_record){.kind = IPC_INGRESS, .ingress = {at, client}};
		record[2] = client_record(client, name, 1 + i * 7919 % CONSENT);
	}
	snapshot = (struct sync_snapshot){many, 3 * (size_t)MANY, true};
	ck_assert_int_eq(adopted(&snapshot), 0);
	ck_assert_uint_eq(net.table.holes, MANY + 1);
	ck_assert_uint_eq(count.orphans, 0);
	free(many);
}
END_TEST

static Suite *adopt_suite(void)
{
	Suite *suite = suite_create("adopt");
	TCase *tcase = tcase_create("adopt");

	tcase_set_timeout(tcase, 30);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_adopt);
	tcase_add_test(tcase, test_other_source);
	tcase_add_loop_test(tcase, test_holder, 0, COUNT(sources));
	tcase_add_test(tcase, test_other_number);
	tcase_add_test(tcase, test_no_number);
	tcase_add_test(tcase, test_other_clients);
	tcase_add_loop_test(tcase, test_other_rate, 0, 3);
	tcase_add_test(tcase, test_many);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(adopt_suite());
}
