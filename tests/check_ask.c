/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions to the kernel side: one at a time, in order, and answers that belong to none. */
#include <errno.h>
#include <string.h>

#include "relayd/ask.h"
#include "tests/suite.h"

static struct asker asker;
static struct ipc sent; /* the last question */
static unsigned int sent_count, done_count;
static size_t last_count;
static int last_error;

static int send_question(void *data, const uint8_t *message, size_t len)
{
	const struct ipc_room none = {.room = 0};

	(void)data;
	ck_assert_int_eq(ipc_decode(message, len, &none, &sent), 0);
	ck_assert_int_eq(sent.kind, IPC_ASK);
	sent_count++;
	return 0;
}

static void done(void *data, int error, const struct ipc_fact *facts, size_t count)
{
	const struct ipc_ask again = {.kind = IPC_ASK_HOST};

	for (size_t i = 0; i < count; i++)
		ck_assert_int_eq(facts[i].kind, IPC_CHAIN);
	last_error = error;
	last_count = count;
	done_count++;
	/* Asked from here, as by one who has more to ask. */
	if (data == &sent_count)
		ck_assert_int_eq(ask_kernel(&asker, &again, done, NULL), 0);
}

static bool facts(uint32_t id, size_t count)
{
	static struct ipc_fact list[IPC_FACTS_MAX];
	const struct ipc message = {.kind = IPC_FACTS, .id = id, .count = count};

	for (size_t i = 0; i < count; i++)
		list[i].kind = IPC_CHAIN;
	return ask_message(&asker, &message, list);
}

static bool end(uint32_t id, int code)
{
	const struct ipc message = {.kind = IPC_END, .id = id, .error.code = code};

	return ask_message(&asker, &message, NULL);
}

static int put(void *data)
{
	const struct ipc_ask question = {.kind = IPC_ASK_HOST};

	return ask_kernel(&asker, &question, done, data);
}

static void set_up(void)
{
	ask_init(&asker);
	asker.send = send_question;
	sent_count = done_count = 0;
}

static void tear_down(void)
{
	ask_fini(&asker);
}

START_TEST(one_at_a_time)
{
	ck_assert_int_eq(put(NULL), 0);
	ck_assert_int_eq(put(NULL), 0);
	ck_assert_uint_eq(sent_count, 1);
	ck_assert_uint_eq(sent.id & ASK_ID, ASK_ID);
	ck_assert(facts(sent.id, 3));
	ck_assert(facts(sent.id, 4));
	ck_assert(end(sent.id, 0));
	ck_assert_uint_eq(done_count, 1);
	ck_assert_uint_eq(last_count, 7);
	ck_assert_uint_eq(sent_count, 2);
	ck_assert(end(sent.id, -EPERM));
	ck_assert_int_eq(last_error, -EPERM);
	ck_assert_uint_eq(last_count, 0);
	ck_assert_uint_eq(sent_count, 2);
}
END_TEST

/* What is not an answer to the question under way is left for others. */
START_TEST(not_ours)
{
	const struct ipc event = {.kind = IPC_EVENT};

	ck_assert(!end(ASK_ID, 0));
	ck_assert_int_eq(put(NULL), 0);
	ck_assert(!end(sent.id + 1, 0));
	ck_assert(!facts(sent.id - 1, 1));
	ck_assert(!ask_message(&asker, &event, NULL));
	ck_assert_uint_eq(done_count, 0);
	ck_assert(end(sent.id, 0));
	ck_assert(!end(sent.id, 0));
}
END_TEST

START_TEST(asked_from_done)
{
	ck_assert_int_eq(put(&sent_count), 0);
	ck_assert(end(sent.id, 0));
	ck_assert_uint_eq(sent_count, 2);
	ck_assert(end(sent.id, 0));
	ck_assert_uint_eq(done_count, 2);
	ck_assert_uint_eq(asker.waiting, 0);
}
END_TEST

START_TEST(forgotten)
{
	ck_assert_int_eq(put(&asker), 0);
	ck_assert_int_eq(put(NULL), 0);
	ask_forget(&asker, &asker);
	ck_assert(end(sent.id, 0));
	ck_assert_uint_eq(done_count, 0);
	ck_assert(end(sent.id, 0));
	ck_assert_uint_eq(done_count, 1);
}
END_TEST

START_TEST(limits)
{
	for (int i = 0; i < ASK_QUEUE; i++)
		ck_assert_int_eq(put(NULL), 0);
	ck_assert_int_eq(put(NULL), -EBUSY);
	for (size_t i = 0; i < ASK_FACTS / IPC_FACTS_MAX + 1; i++)
		ck_assert(facts(sent.id, IPC_FACTS_MAX));
	ck_assert(end(sent.id, 0));
	ck_assert_uint_eq(last_count, ASK_FACTS);
	ck_assert_int_eq(put(NULL), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ask");
	TCase *tcase = tcase_create("ask");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, one_at_a_time);
	tcase_add_test(tcase, not_ours);
	tcase_add_test(tcase, asked_from_done);
	tcase_add_test(tcase, forgotten);
	tcase_add_test(tcase, limits);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
