/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/limit.h"
#include "tests/suite.h"

#define NOW ((int64_t)10000000)

static struct limit limit;

static struct addr addr(const char *text)
{
	struct addr out;

	ck_assert_int_eq(addr_parse(text, &out), 0);
	return out;
}

/* With this seed no two of the prefixes below share a bucket. */
static void set_up(void)
{
	limit_init(&limit, 5, 20, 500);
	limit.seed = 1;
}

static unsigned int take(const char *text, unsigned int times, int64_t now_ms)
{
	struct addr from = addr(text);
	unsigned int taken = 0;

	while (times--)
		taken += limit_take(&limit, &from, now_ms);
	return taken;
}

START_TEST(test_burst)
{
	ck_assert_uint_eq(take("192.0.2.1", 20, NOW), 20);
	ck_assert_uint_eq(take("192.0.2.1", 1, NOW), 0);
	ck_assert_uint_eq(take("192.0.2.1", 1, NOW + 199), 0);
	ck_assert_uint_eq(take("192.0.2.1", 2, NOW + 200), 1);
	ck_assert_uint_eq(take("192.0.2.1", 100, NOW + 1200), 5);
}
END_TEST

START_TEST(test_idle)
{
	ck_assert_uint_eq(take("192.0.2.1", 100, NOW), 20);
	ck_assert_uint_eq(take("192.0.2.1", 100, NOW + 4000), 20);
	ck_assert_uint_eq(take("192.0.2.1", 100, NOW + 1000000), 20);
}
END_TEST

/* Over a long time the rate holds, however often somebody asks. */
START_TEST(test_rate)
{
	unsigned int taken = 0;

	for (int64_t ms = 0; ms < 60000; ms += 7)
		taken += take("192.0.2.1", 3, NOW + ms);
	ck_assert_uint_ge(taken, 20 + 5 * 59);
	ck_assert_uint_le(taken, 20 + 5 * 60);
}
END_TEST

START_TEST(test_prefix)
{
	static const char *const same[] = {
		"192.0.2.255", "192.0.2.0", "2001:db8:0:1ff:1::1", "2001:db8:0:100::"};
	static const char *const other[] = {
		"192.0.3.1", "192.1.2.1", "193.0.2.1", "2001:db8:0:200::1", "2001:db8:1:100::1"};

	ck_assert_uint_eq(take("192.0.2.1", 20, NOW), 20);
	ck_assert_uint_eq(take("2001:db8:0:1aa::1", 20, NOW), 20);
	for (size_t i = 0; i < 4; i++)
		ck_assert_msg(take(same[i], 1, NOW) == 0, "%s", same[i]);
	for (size_t i = 0; i < 5; i++)
		ck_assert_msg(take(other[i], 20, NOW) == 20, "%s", other[i]);
}
END_TEST

/* From how many prefixes they may come: in all there is so much and no more. */
START_TEST(test_total)
{
	unsigned int taken = 0;
	struct addr from = addr("10.0.0.1");

	for (unsigned int i = 0; i < 5000; i++) {
		from.bytes[1] = (uint8_t)(i >> 8);
		from.bytes[2] = (uint8_t)i;
		taken += limit_take(&limit, &from, NOW);
	}
	ck_assert_uint_eq(taken, 500);
	ck_assert_uint_eq(take("192.0.2.1", 1, NOW), 0);
	ck_assert_uint_eq(take("192.0.2.1", 2, NOW + 2), 1);
}
END_TEST

/* Who is refused takes nothing from the others, and is not put off by having asked. */
START_TEST(test_refused)
{
	ck_assert_uint_eq(take("192.0.2.1", 100000, NOW), 20);
	/* 20 of the 500 are gone. */
	for (unsigned int i = 0; i < 480; i++) {
		struct addr from = addr("10.0.0.1");

		from.bytes[1] = (uint8_t)(i >> 8);
		from.bytes[2] = (uint8_t)i;
		ck_assert(limit_take(&limit, &from, NOW));
	}
	ck_assert_uint_eq(take("203.0.113.1", 1, NOW), 0);
	ck_assert_uint_eq(take("192.0.2.1", 2, NOW + 200), 1);
}
END_TEST

START_TEST(test_seed)
{
	struct limit a, b;

	limit_init(&a, 5, 20, 500);
	limit_init(&b, 5, 20, 500);
	ck_assert_uint_ne(a.seed, b.seed);
}
END_TEST

static Suite *limit_suite(void)
{
	Suite *suite = suite_create("limit");
	TCase *tcase = tcase_create("limit");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, test_burst);
	tcase_add_test(tcase, test_idle);
	tcase_add_test(tcase, test_rate);
	tcase_add_test(tcase, test_prefix);
	tcase_add_test(tcase, test_total);
	tcase_add_test(tcase, test_refused);
	tcase_add_test(tcase, test_seed);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(limit_suite());
}
