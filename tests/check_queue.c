/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "punchctl/queue.h"
#include "tests/suite.h"

static struct queue queue;
static uint64_t dropped;

static void setup(void)
{
	memset(&queue, 0, sizeof(queue));
	dropped = 0;
}

/* A datagram of `len` bytes that all say `byte`. */
static unsigned int put(uint8_t byte, size_t len, int64_t now_ms)
{
	static uint8_t data[QUEUE_BYTES + 1];

	memset(data, byte, len);
	return queue_put(&queue, data, len, now_ms);
}

static void assert_take(uint8_t byte, size_t want, int64_t now_ms)
{
	size_t len = 0;
	const uint8_t *data = queue_take(&queue, now_ms, &len, &dropped);

	ck_assert_ptr_nonnull(data);
	ck_assert_uint_eq(len, want);
	ck_assert(len == 0 || data[0] == byte);
	ck_assert(len < 2 || memcmp(data, data + 1, len - 1) == 0);
}

static void assert_empty(int64_t now_ms)
{
	size_t len;

	ck_assert_ptr_null(queue_take(&queue, now_ms, &len, &dropped));
}

START_TEST(test_order)
{
	assert_empty(0);
	ck_assert_uint_eq(put(1, 100, 0), 0);
	ck_assert_uint_eq(put(2, 0, 0), 0);
	ck_assert_uint_eq(put(3, 1400, 0), 0);
	assert_take(1, 100, 0);
	assert_take(2, 0, 0);
	assert_take(3, 1400, 0);
	assert_empty(0);
	ck_assert_uint_eq(dropped, 0);
}
END_TEST

START_TEST(test_too_many)
{
	for (unsigned int i = 0; i < QUEUE_DATAGRAMS; i++)
		ck_assert_uint_eq(put((uint8_t)i, 10, 0), 0);
	ck_assert_uint_eq(put(200, 10, 0), 1);
	ck_assert_uint_eq(put(201, 10, 0), 1);
	for (unsigned int i = 2; i < QUEUE_DATAGRAMS; i++)
		assert_take((uint8_t)i, 10, 0);
	assert_take(200, 10, 0);
	assert_take(201, 10, 0);
	assert_empty(0);
}
END_TEST

START_TEST(test_too_old)
{
	put(1, 10, 0);
	put(2, 10, 500);
	put(3, 10, 1000);
	assert_take(2, 10, QUEUE_MS + 1);
	ck_assert_uint_eq(dropped, 1);
	assert_empty(3 * QUEUE_MS);
	ck_assert_uint_eq(dropped, 2);
}
END_TEST

START_TEST(test_too_large)
{
	put(1, 10, 0);
	ck_assert_uint_eq(put(2, QUEUE_BYTES, 0), 1);
	assert_take(1, 10, 0);
	ck_assert_uint_eq(put(3, QUEUE_BYTES - 1, 0), 0);
	ck_assert_uint_eq(put(4, 1, 0), 1);
	assert_take(4, 1, 0);
}
END_TEST

/* What goes in comes out in order and unharmed, and what does not was counted. */
START_TEST(test_any_sizes)
{
	unsigned int in = 0, out = 0, lost = 0;
	uint64_t none = 0;

	srand((unsigned int)_i);
	while (in < 5000) {
		lost += put((uint8_t)in, (size_t)(rand() % (rand() % 8 ? 1500 : 60000)), 0);
		in++;
		ck_assert_uint_le(queue.count, QUEUE_DATAGRAMS);
		for (int n = rand() % 3; n > 0 && queue.count > 0; n--) {
			size_t len;
			const uint8_t *data = queue_take(&queue, 0, &len, &none);

			ck_assert_ptr_nonnull(data);
			ck_assert(len == 0 || data[0] == (uint8_t)(out + lost));
			ck_assert(len < 2 || memcmp(data, data + 1, len - 1) == 0);
			out++;
		}
	}
	ck_assert_uint_eq(in, out + lost + queue.count);
	ck_assert_uint_gt(lost, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("queue");
	TCase *tcase = tcase_create("queue");

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, test_order);
	tcase_add_test(tcase, test_too_many);
	tcase_add_test(tcase, test_too_old);
	tcase_add_test(tcase, test_too_large);
	tcase_add_loop_test(tcase, test_any_sizes, 1, 5);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
