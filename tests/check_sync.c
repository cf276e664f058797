/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "tests/suite.h"
#include "tests/sync_bed.h"

static void refuse_told(void *data, const char *name, const struct rules_error *error)
{
	(void)name;
	*(int *)data = error->code;
}

START_TEST(test_merged)
{
	sync_turn(&sync_);
	ck_assert_uint_eq(applied, 0);
	batch("a", 2);
	batch("b", 1);
	ck_assert_uint_eq(applied, 0);
	sync_turn(&sync_);
	assert_sent("a a b ");
	ck_assert_uint_eq(ops[0].number, 0);
	ck_assert_uint_eq(ops[1].number, 1);
	batch("c", 1);
	sync_turn(&sync_);
	ck_assert_uint_eq(applied, 1);
	assert_verdicts("");
	answer(0, -1);
	assert_verdicts("a:0 b:0 ");
	sync_turn(&sync_);
	assert_sent("c ");
	answer(0, -1);
	assert_verdicts("c:0 ");
	sync_turn(&sync_);
	ck_assert_uint_eq(applied, 2);
}
END_TEST

START_TEST(test_refused)
{
	int failed = 0;

	sync_.failed = refuse_told;
	sync_.failed_data = &failed;
	batch("a", 2);
	batch("b", 3);
	batch("c", 1);
	sync_turn(&sync_);
	answer(-EINVAL, 4);
	assert_verdicts("b:-22 ");
	ck_assert_uint_eq(sync_.failures, 1);
	ck_assert_int_eq(failed, -EINVAL);
	sync_turn(&sync_);
	assert_sent("a a c ");
	answer(-EPERM, 0);
	assert_verdicts("a:-1 ");
	sync_turn(&sync_);
	assert_sent("c ");
	answer(0, -1);
	assert_verdicts("c:0 ");
}
END_TEST

/* Without an index nobody is blamed for another: each goes by itself, once. */
START_TEST(test_refused_unknown)
{
	batch("a", 2);
	batch("b", 1);
	stream("cam", "9099");
	sync_turn(&sync_);
	assert_sent("a a b cam ");
	answer(-ENOMEM, -1);
	assert_verdicts("");
	batch("c", 1);
	sync_turn(&sync_);
	assert_sent("a a ");
	answer(-ENOMEM, -1);
	assert_verdicts("a:-12 ");
	sync_turn(&sync_);
	assert_sent("b ");
	answer(0, -1);
	assert_verdicts("b:0 ");
	sync_turn(&sync_);
	assert_sent("c cam ");
	answer(0, -1);
	assert_verdicts("c:0 ");
	ck_assert(TAILQ_EMPTY(&table.dirty));
	/* One alone is to blame at once. */
	batch("d", 1);
	sync_turn(&sync_);
	answer(-ENOMEM, -1);
	assert_verdicts("d:-12 ");
}
END_TEST

/* Slots go behind the batches in the same transaction, and neither takes the other with it. */
START_TEST(test_slots)
{
	struct slot *slot = stream("cam", "9099")->slots[0];

	batch("a", 1);
	ck_assert_int_eq(sync_wait(&sync_, slot, note, "slot"), 0);
	sync_turn(&sync_);
	assert_sent("a cam ");
	answer(-EINVAL, 0);
	assert_verdicts("a:-22 ");
	ck_assert(!slot->listening);
	sync_turn(&sync_);
	assert_sent("cam ");
	batch("b", 1);
	answer(0, -1);
	assert_verdicts("slot:0 ");
	ck_assert(slot->listening);
	sync_turn(&sync_);
	assert_sent("b ");
	answer(0, -1);
	assert_verdicts("b:0 ");
	stream("dog", "9100");
	batch("c", 2);
	sync_turn(&sync_);
	assert_sent("c c dog ");
	answer(-EINVAL, 2);
	assert_verdicts("");
	sync_turn(&sync_);
	assert_sent("c c ");
	answer(0, -1);
	assert_verdicts("c:0 ");
}
END_TEST

/* A flow that was to be deleted still is when the transaction was refused for another slot. */
START_TEST(test_flush_kept)
{
	struct hole hole = {{.port = 5004}, {.port = 3478}};
	struct slot *slot = stream("cam", "9099")->slots[0];
	size_t flushes = 0;

	hole.client.addr.family = hole.punch.addr.family = AF_INET;
	slot_adopt(&table, slot, &hole, 0);
	slot->listening = true;
	slot->listening_source = slot_source(slot);
	slot->listening_number = slot->stream->number;
	slot->flush = true;
	stream("other", "9100");
	sync_turn(&sync_);
	assert_sent("cam other ");
	ck_assert_int_eq(ops[0].kind, RULES_FLUSH);
	answer(-EPERM, 1);
	sync_turn(&sync_);
	for (size_t i = 0; i < message.count; i++)
		flushes += ops[i].kind == RULES_FLUSH;
	ck_assert_uint_eq(flushes, 1);
	answer(0, -1);
	sync_turn(&sync_);
	ck_assert_uint_eq(applied, 2);
}
END_TEST

/* With another number its flows get another mark. */
START_TEST(test_renumbered)
{
	struct slot *slot = stream("cam", "9099")->slots[0];

	sync_turn(&sync_);
	answer(0, -1);
	slot->stream->number = 2;
	slot_mark(&table, slot);
	sync_turn(&sync_);
	assert_sent("cam ");
	ck_assert_int_eq(ops[0].kind, RULES_LISTEN);
	ck_assert_uint_eq(ops[0].number, 2);
	answer(0, -1);
	slot_mark(&table, slot);
	sync_turn(&sync_);
	ck_assert(!sync_.busy);
}
END_TEST

/* Another rate is another element, with what is left of the consent, and goes again if another slot
 * is refused. */
START_TEST(test_rate)
{
	const struct hole hole = {{.addr.family = AF_INET, .port = 5004}, {.port = 3478}};
	struct stream *cam = stream("cam", "9099");
	struct spec spec = cam->spec;
	bool moved;

	ck_assert_int_eq(slot_claim(&table, cam->slots[0], &hole, 0, &moved), 0);
	sync_turn(&sync_);
	answer(0, -1);
	spec.rate = 5000;
	ck_assert_int_eq(stream_change(&table, cam, &spec, cam->number), 0);
	stream("dog", "9100");
	sync_.now_ms = 15000;
	sync_turn(&sync_);
	assert_sent("cam dog ");
	answer(-EPERM, 1);
	sync_turn(&sync_);
	assert_sent("cam ");
	ck_assert_int_eq(ops[0].kind, RULES_INGRESS);
	ck_assert_uint_eq(ops[0].rate, 5000);
	ck_assert_uint_eq(ops[0].consent_ms, 30000);
	answer(0, -1);
	slot_mark(&table, cam->slots[0]);
	sync_turn(&sync_);
	ck_assert(!sync_.busy);
}
END_TEST

/* Who gives up a port comes before who has it next, also when both go again. */
START_TEST(test_port_passed)
{
	struct stream *cam = stream("cam", "9099");

	sync_turn(&sync_);
	answer(0, -1);
	stream("bad", "9100");
	stream_remove(&table, cam);
	stream("dog", "9099");
	sync_turn(&sync_);
	assert_sent("bad cam dog ");
	stream("eel", "9101");
	answer(-EPERM, 0);
	sync_turn(&sync_);
	assert_sent("cam dog eel ");
	ck_assert_int_eq(ops[0].kind, RULES_UNLISTEN);
	ck_assert_int_eq(ops[1].kind, RULES_LISTEN);
	answer(0, -1);
	ck_assert_str_eq(LIST_FIRST(&table.streams)->spec.name, "eel");
	ck_assert_uint_eq(table.count, 3);
}
END_TEST

/* One that goes is in nobody's way for ever when the kernel does not let it go. */
START_TEST(test_gone_refused)
{
	struct stream *cam = stream("cam", "9099");

	sync_turn(&sync_);
	answer(0, -1);
	stream_remove(&table, cam);
	sync_turn(&sync_);
	assert_sent("cam ");
	answer(-ENOBUFS, 0);
	ck_assert(LIST_EMPTY(&table.streams));
	ck_assert(TAILQ_EMPTY(&table.dirty));
}
END_TEST

/* Raw punch ports go over to other slots: of those that somebody wants none is closed. */
START_TEST(test_raw_passed)
{
	struct stream *cam = stream("cam", "9098-9099");
	struct spec spec = cam->spec;
	size_t opened = 0;

	spec.raw_punch = 8000;
	ck_assert_int_eq(stream_change(&table, cam, &spec, cam->number), 0);
	sync_turn(&sync_);
	answer(0, -1);
	ck_assert_uint_eq(cam->slots[0]->raw_open, 8000);
	ck_assert_uint_eq(cam->slots[1]->raw_open, 8001);
	spec.raw_punch = 8001;
	ck_assert_int_eq(stream_change(&table, cam, &spec, cam->number), 0);
	sync_turn(&sync_);
	for (size_t i = 0; i < message.count; i++) {
		ck_assert(ops[i].kind == RULES_PUNCH || ops[i].punch.port == 8000);
		opened += ops[i].kind == RULES_PUNCH;
	}
	ck_assert_uint_eq(opened, 2);
	ck_assert_uint_eq(message.count, 3);
	answer(0, -1);
	ck_assert_uint_eq(cam->slots[0]->raw_open, 8001);
	stream_remove(&table, cam);
	sync_turn(&sync_);
	answer(0, -1);
	ck_assert(LIST_EMPTY(&table.raws));
	ck_assert(LIST_EMPTY(&table.streams));
}
END_TEST

/* What does not fit waits, whole, and slots wait behind it. */
START_TEST(test_many)
{
	const size_t full = RULES_OPS_MAX / 7;

	for (size_t i = 0; i < full + 1; i++)
		batch(i < full ? "a" : "last", 7);
	stream("cam", "9099");
	sync_turn(&sync_);
	ck_assert_uint_eq(message.count, 7 * full);
	answer(0, -1);
	verdicts[0] = '\0';
	sync_turn(&sync_);
	assert_sent("last last last last last last last cam ");
	answer(0, -1);
	assert_verdicts("last:0 ");
}
END_TEST

/* What was adopted is there already: slots without an operation, more than a transaction has. */
START_TEST(test_many_idle)
{
	struct slot *slot;

	for (int i = 0; i < 2 * RULES_OPS_MAX; i++) {
		char name[16], port[16];

		snprintf(name, sizeof(name), "s%d", i);
		snprintf(port, sizeof(port), "%d", 20000 + i);
		slot = stream(name, port)->slots[0];
		slot->listening = true;
		slot->listening_source = slot_source(slot);
		slot->listening_number = slot->stream->number;
	}
	stream("cam", "9099");
	batch("a", 1);
	sync_turn(&sync_);
	assert_sent("a ");
	answer(0, -1);
	sync_turn(&sync_);
	assert_sent("cam ");
	answer(0, -1);
	assert_verdicts("a:0 ");
	ck_assert(TAILQ_EMPTY(&table.dirty));
	sync_turn(&sync_);
	ck_assert_uint_eq(applied, 2);
}
END_TEST

static void chain(void *data, int error)
{
	note(data, error);
	batch("next", 1);
}

START_TEST(test_again)
{
	const struct rules_op op = {.kind = RULES_UNPEER, .name = "first"};

	ck_assert_int_eq(sync_batch(&sync_, &op, 1, chain, "first"), 0);
	ck_assert_int_eq(sync_batch(&sync_, &op, 1, NULL, NULL), 0);
	sync_turn(&sync_);
	assert_sent("first first ");
	answer(0, -1);
	assert_verdicts("first:0 ");
	sync_turn(&sync_);
	assert_sent("next ");
	answer(0, -1);
	assert_verdicts("next:0 ");
	ck_assert_int_eq(sync_batch(&sync_, &op, 1, chain, "refused"), 0);
	sync_turn(&sync_);
	answer(-EINVAL, 0);
	sync_turn(&sync_);
	assert_sent("next ");
	answer(0, -1);
	assert_verdicts("refused:-22 next:0 ");
	ck_assert_int_eq(sync_batch(&sync_, &op, 0, NULL, NULL), -EINVAL);
	ck_assert_int_eq(sync_batch(&sync_, ops, SYNC_BATCH + 1, NULL, NULL), -EINVAL);
}
END_TEST

static Suite *sync_suite(void)
{
	Suite *suite = suite_create("sync");
	TCase *tcase = tcase_create("sync");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_merged);
	tcase_add_test(tcase, test_refused);
	tcase_add_test(tcase, test_refused_unknown);
	tcase_add_test(tcase, test_slots);
	tcase_add_test(tcase, test_flush_kept);
	tcase_add_test(tcase, test_renumbered);
	tcase_add_test(tcase, test_rate);
	tcase_add_test(tcase, test_port_passed);
	tcase_add_test(tcase, test_gone_refused);
	tcase_add_test(tcase, test_raw_passed);
	tcase_add_test(tcase, test_many);
	tcase_add_test(tcase, test_many_idle);
	tcase_add_test(tcase, test_again);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(sync_suite());
}
