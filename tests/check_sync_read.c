/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "tests/suite.h"
#include "tests/sync_bed.h"

/* A reading shows what was asked for before it; at a start nothing goes before the first. */
START_TEST(test_read)
{
	batch("a", 1);
	sync_.held = true;
	ck_assert_int_eq(sync_read(&sync_, NULL, NULL), 0);
	sync_turn(&sync_);
	ck_assert_uint_eq(applied, 0);
	ck_assert_uint_eq(reads, 1);
	message.kind = IPC_END;
	message.error = (struct rules_error){.op = -1};
	sync_message(&sync_, &message, NULL);
	sync_.held = false;
	sync_turn(&sync_);
	assert_sent("a ");
	batch("b", 1);
	ck_assert_int_eq(sync_read(&sync_, NULL, NULL), 0);
	sync_turn(&sync_);
	ck_assert_uint_eq(reads, 1);
	answer(0, -1);
	sync_turn(&sync_);
	ck_assert_uint_eq(applied, 2);
	ck_assert_uint_eq(reads, 2);
}
END_TEST

static void settle_note(void *data, int error, const struct sync_snapshot *snapshot)
{
	ck_assert_ptr_null(snapshot);
	note(data, error);
}

static void settle(const char *name)
{
	ck_assert_int_eq(sync_settle(&sync_, settle_note, (void *)(uintptr_t)name), 0);
}

/* Who waits until everything is settled waits for what was dirty before, and causes no reading. */
START_TEST(test_settle)
{
	struct slot *slot = stream("cam", "9099")->slots[0];

	settle("a");
	assert_verdicts("");
	sync_turn(&sync_);
	assert_sent("cam ");
	settle("b");
	slot_mark(&table, slot);
	settle("c");
	sync_turn(&sync_);
	assert_verdicts("");
	answer(0, -1);
	/* c's came too late for that transaction. */
	ck_assert_ptr_null(strstr(verdicts, "c:"));
	sync_turn(&sync_);
	if (sync_.busy)
		answer(0, -1);
	sync_turn(&sync_);
	assert_verdicts("a:0 b:0 c:0 ");
	ck_assert_uint_eq(reads, 0);
	settle("d");
	sync_forget(&sync_, (void *)(uintptr_t) "d");
	sync_turn(&sync_);
}
END_TEST

/* What was refused goes again, and who waits waits for that. */
START_TEST(test_settle_refused)
{
	stream("cam", "9099");
	stream("box", "9100");
	settle("a");
	sync_turn(&sync_);
	ck_assert_uint_eq(message.count, 2);
	answer(-ENOSPC, 0);
	assert_verdicts("");
	sync_turn(&sync_);
	ck_assert_uint_eq(applied, 2);
	assert_verdicts("");
	answer(0, -1);
	sync_turn(&sync_);
	assert_verdicts("a:0 ");
	ck_assert_uint_eq(reads, 0);
}
END_TEST

static size_t told;

static void count_records(void *data, int error, const struct sync_snapshot *snapshot)
{
	(void)data;
	ck_assert_int_eq(error, 0);
	told = snapshot->count;
}

/* Parts of a large table were not all that there is: the kernel side begins anew. */
START_TEST(test_read_again)
{
	const struct ipc_record records[] = {
		{.kind = IPC_PUNCH}, {.kind = IPC_PUNCH}, {.kind = IPC_AGAIN}, {.kind = IPC_PUNCH}};
	struct ipc part = {.kind = IPC_RECORDS}, end = {.kind = IPC_END, .error.op = -1};

	ck_assert_int_eq(sync_read(&sync_, count_records, NULL), 0);
	sync_turn(&sync_);
	part.id = end.id = message.id;
	part.count = 2;
	sync_message(&sync_, &part, records);
	part.count = COUNT(records);
	sync_message(&sync_, &part, records);
	sync_message(&sync_, &end, NULL);
	ck_assert_uint_eq(told, 1);
}
END_TEST

static char parts[32];

static void note_part(void *data, const struct sync_snapshot *part)
{
	size_t len = strlen(parts);

	(void)data;
	snprintf(parts + len, sizeof(parts) - len, "%zu%s ", part->count, part->first ? "!" : "");
}

static void note_end(void *data, int error, const struct sync_snapshot *snapshot)
{
	(void)data;
	ck_assert_int_eq(error, 0);
	ck_assert_ptr_null(snapshot);
	strcat(parts, "end");
}

/* What is not of streams comes first, and again when all is told anew. */
START_TEST(test_check_parts)
{
	const struct ipc_record records[] = {{.kind = IPC_PUNCH}, {.kind = IPC_PART},
		{.kind = IPC_CLIENT}, {.kind = IPC_CLIENT}, {.kind = IPC_PART},
		{.kind = IPC_CLIENT}, {.kind = IPC_AGAIN}, {.kind = IPC_PUNCH}};
	struct ipc part = {.kind = IPC_RECORDS, .count = COUNT(records)};
	struct ipc end = {.kind = IPC_END, .error.op = -1};

	parts[0] = '\0';
	ck_assert_int_eq(sync_check(&sync_, note_part, note_end, NULL), 0);
	sync_turn(&sync_);
	ck_assert_int_eq(message.kind, IPC_CHECK);
	part.id = end.id = message.id;
	sync_message(&sync_, &part, records);
	ck_assert_str_eq(parts, "1! 2 ");
	sync_message(&sync_, &end, NULL);
	ck_assert_str_eq(parts, "1! 2 1! end");
}
END_TEST

static Suite *sync_read_suite(void)
{
	Suite *suite = suite_create("sync_read");
	TCase *tcase = tcase_create("sync_read");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_read);
	tcase_add_test(tcase, test_settle);
	tcase_add_test(tcase, test_settle_refused);
	tcase_add_test(tcase, test_read_again);
	tcase_add_test(tcase, test_check_parts);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(sync_read_suite());
}
