/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "common/buf.h"
#include "tests/suite.h"

START_TEST(test_read)
{
	static const uint8_t data[] = {
		1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};
	struct buf buf;
	uint8_t two[2];

	buf_init_read(&buf, data, sizeof(data));
	ck_assert_uint_eq(buf_left(&buf), 18);
	ck_assert_uint_eq(buf_get_u8(&buf), 1);
	ck_assert_uint_eq(buf_get_u16(&buf), 0x0203);
	ck_assert_uint_eq(buf_get_u32(&buf), 0x04050607);
	ck_assert_uint_eq(buf_get_u64(&buf), 0x08090a0b0c0d0e0f);
	buf_get(&buf, two, 2);
	ck_assert_mem_eq(two, data + 15, 2);
	ck_assert_ptr_eq(buf_take(&buf, 1), data + 17);
	ck_assert_uint_eq(buf_left(&buf), 0);
	ck_assert_ptr_nonnull(buf_take(&buf, 0));
	ck_assert(!buf.bad);
}
END_TEST

START_TEST(test_read_past)
{
	static const uint8_t data[] = {1, 2, 3};
	uint8_t out[4] = {9, 9, 9, 9};
	struct buf buf;

	buf_init_read(&buf, data, sizeof(data));
	ck_assert_uint_eq(buf_get_u32(&buf), 0);
	ck_assert(buf.bad);
	ck_assert_uint_eq(buf.at, 0);
	ck_assert_uint_eq(buf_left(&buf), 0);
	ck_assert_uint_eq(buf_get_u8(&buf), 0); /* it would fit, but bad stays bad */
	ck_assert_ptr_null(buf_take(&buf, 1));
	buf_get(&buf, out, sizeof(out));
	ck_assert_mem_eq(out, "\0\0\0\0", 4);
	ck_assert_uint_eq(buf.at, 0);
}
END_TEST

START_TEST(test_huge_length)
{
	static const uint8_t data[] = {1, 2, 3};
	struct buf buf;

	buf_init_read(&buf, data, sizeof(data));
	buf_get_u8(&buf);
	ck_assert_ptr_null(buf_take(&buf, SIZE_MAX));
	ck_assert(buf.bad);
	ck_assert_uint_eq(buf.at, 1);
}
END_TEST

START_TEST(test_empty)
{
	struct buf buf;

	buf_init_read(&buf, NULL, 0);
	ck_assert_uint_eq(buf_left(&buf), 0);
	ck_assert_ptr_null(buf_take(&buf, 0));
	buf_init(&buf, NULL, 0);
	buf_put(&buf, NULL, 0);
	buf_put_u8(&buf, 1);
	ck_assert(buf.bad);
}
END_TEST

START_TEST(test_write)
{
	static const uint8_t expected[] = {
		1, 0xee, 0xff, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 'a', 'b', 0, 0};
	uint8_t data[sizeof(expected)];
	struct buf buf;

	memset(data, 0x55, sizeof(data));
	buf_init(&buf, data, sizeof(data));
	buf_put_u8(&buf, 1);
	buf_put_u16(&buf, 0x0203);
	buf_put_u32(&buf, 0x04050607);
	buf_put_u64(&buf, 0x08090a0b0c0d0e0f);
	buf_put(&buf, "ab", 2);
	buf_put_zero(&buf, 2);
	buf_set_u16(&buf, 1, 0xeeff);
	ck_assert(!buf.bad);
	ck_assert_uint_eq(buf_left(&buf), 0);
	ck_assert_mem_eq(data, expected, sizeof(expected));
}
END_TEST

START_TEST(test_write_past)
{
	uint8_t data[8];
	struct buf buf;

	memset(data, 0x55, sizeof(data));
	buf_init(&buf, data, 3);
	buf_put_u16(&buf, 1);
	buf_put_u32(&buf, 2);
	buf_put_u8(&buf, 3);
	buf_put_zero(&buf, 1);
	buf_put(&buf, "x", 1);
	ck_assert(buf.bad);
	ck_assert_uint_eq(buf.at, 2);
	ck_assert_mem_eq(data, "\0\1\x55\x55\x55\x55\x55\x55", 8);
}
END_TEST

/* Only what was written may be overwritten. */
START_TEST(test_set)
{
	uint8_t data[4] = {0};
	struct buf buf;

	buf_init(&buf, data, sizeof(data));
	buf_put_u16(&buf, 0);
	buf_set_u16(&buf, 0, 0x0102);
	ck_assert(!buf.bad);
	buf_set_u16(&buf, 1, 0x0304);
	ck_assert(buf.bad);
	ck_assert_mem_eq(data, "\1\2\0\0", 4);
	buf.bad = false;
	buf_set_u16(&buf, SIZE_MAX, 0x0304);
	ck_assert(buf.bad);
}
END_TEST

static Suite *buf_suite(void)
{
	Suite *suite = suite_create("buf");
	TCase *tcase = tcase_create("buf");

	tcase_add_test(tcase, test_read);
	tcase_add_test(tcase, test_read_past);
	tcase_add_test(tcase, test_huge_length);
	tcase_add_test(tcase, test_empty);
	tcase_add_test(tcase, test_write);
	tcase_add_test(tcase, test_write_past);
	tcase_add_test(tcase, test_set);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(buf_suite());
}
