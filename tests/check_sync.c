/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "common/log.h"
#include "relayd/sync.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KEY	     "MDEyMzQ1Njc4OWFiY2RlZg=="

static struct stream_table table;
static struct config config;
static struct sync sync_;
static char why[SPEC_WHY];

/* What the kernel side got last, and how much it got. */
static struct rules_op ops[RULES_OPS_MAX];
static struct ipc message;
static size_t applied, reads;
/* The verdicts as they came, "a:0 b:-1 ". */
static char verdicts[4096];

static int take(void *data, const uint8_t *bytes, size_t len)
{
	const struct ipc_room room = {.ops = ops, .room = RULES_OPS_MAX};

	ck_assert_ptr_eq(data, &sync_);
	ck_assert_int_eq(ipc_decode(bytes, len, &room, &message), 0);
	applied += message.kind == IPC_APPLY;
	reads += message.kind == IPC_READ;
	return 0;
}

static void refuse_told(void *data, const char *name, const struct rules_error *error)
{
	(void)name;
	*(int *)data = error->code;
}

static void set_up(void)
{
	static const bool families[STREAM_FAMILIES] = {true, false};

	log_set_level(LOG_LEVEL_ERROR);
	ck_assert_int_eq(stream_table_init(&table, families, 45000), 0);
	config.address_count = 1;
	ck_assert_int_eq(addr_parse("203.0.113.7", &config.addresses[0]), 0);
	ck_assert_int_eq(sync_init(&sync_, &table, &config), 0);
	sync_.send = take;
	sync_.send_data = &sync_;
	applied = reads = 0;
	verdicts[0] = '\0';
}

static void tear_down(void)
{
	sync_fini(&sync_);
	stream_table_fini(&table);
}

static void note(void *data, int error)
{
	char text[64];

	snprintf(text, sizeof(text), "%s:%d ", (const char *)data, error);
	strcat(verdicts, text);
}

static void assert_verdicts(const char *expected)
{
	ck_assert_str_eq(verdicts, expected);
	verdicts[0] = '\0';
}

/* A batch of so many operations, told apart by their names. */
static void batch(const char *name, size_t count)
{
	struct rules_op list[SYNC_BATCH] = {0};

	for (size_t i = 0; i < count; i++) {
		list[i].kind = RULES_UNPEER;
		list[i].number = (uint32_t)i;
		strcpy(list[i].name, name);
	}
	ck_assert_int_eq(sync_batch(&sync_, list, count, note, (void *)(uintptr_t)name), 0);
}

static void answer(int code, int op)
{
	struct ipc done = {.kind = IPC_DONE, .error = {.code = code, .op = op}};

	sync_message(&sync_, &done, NULL);
}

/* The names of the operations that were sent last. */
static void assert_sent(const char *expected)
{
	char names[1024] = "";

	ck_assert_int_eq(message.kind, IPC_APPLY);
	for (size_t i = 0; i < message.count; i++) {
		strcat(names, ops[i].name);
		strcat(names, " ");
	}
	ck_assert_str_eq(names, expected);
}

static struct stream *stream(const char *name, const char *listen)
{
	struct stream *out = NULL;
	struct spec spec;

	ck_assert_int_eq(spec_init(&spec, name, why), 0);
	ck_assert_int_eq(spec_set_listen(&spec, listen, why), 0);
	ck_assert_int_eq(spec_set_key(&spec, KEY, why), 0);
	ck_assert_int_eq(stream_add(&table, &spec, 1, &out, why), 0);
	return out;
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
	struct slot *slot = &stream("cam", "9099")->slots[0];

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
	struct slot *slot = stream("cam", "9099")->slots;
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
	struct slot *slot = stream("cam", "9099")->slots;

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
		slot = stream(name, port)->slots;
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
	struct slot *slot = stream("cam", "9099")->slots;

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

static Suite *sync_suite(void)
{
	Suite *suite = suite_create("sync");
	TCase *tcase = tcase_create("batch");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_merged);
	tcase_add_test(tcase, test_refused);
	tcase_add_test(tcase, test_refused_unknown);
	tcase_add_test(tcase, test_slots);
	tcase_add_test(tcase, test_flush_kept);
	tcase_add_test(tcase, test_renumbered);
	tcase_add_test(tcase, test_many);
	tcase_add_test(tcase, test_many_idle);
	tcase_add_test(tcase, test_again);
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
	return suite_run(sync_suite());
}
