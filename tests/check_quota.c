/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Quotas: counted, used up, renewed and stored. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "relayd/quota.h"
#include "tests/stream_bed.h"
#include "tests/suite.h"

#define NOVEMBER ((int64_t)1793491200) /* 2026-11-01 00:00 UTC */
#define DAY	 ((int64_t)86400)

static struct stream *add_quota(const char *quota)
{
	struct spec spec = make("cam1", "9099-9100");

	ck_assert_int_eq(spec_set_quota(&spec, quota, why), 0);
	return add_spec(&spec);
}

static void sample(struct slot *slot, uint64_t bytes)
{
	slot_sample(&table, slot, bytes / 100, bytes, NOW);
	quota_check(&table, slot->stream);
}

static const struct {
	enum spec_period period;
	int64_t now, since;
} begins[] = {
	{SPEC_EVER, NOVEMBER, 0},
	{SPEC_DAY, NOVEMBER, NOVEMBER},
	{SPEC_DAY, NOVEMBER + DAY - 1, NOVEMBER},
	{SPEC_DAY, NOVEMBER - 1, NOVEMBER - DAY},
	{SPEC_MONTH, NOVEMBER, NOVEMBER},
	{SPEC_MONTH, NOVEMBER + 30 * DAY - 1, NOVEMBER},
	{SPEC_MONTH, NOVEMBER + 30 * DAY, NOVEMBER + 30 * DAY},
	{SPEC_MONTH, NOVEMBER - 1, NOVEMBER - 31 * DAY},
};

START_TEST(test_since)
{
	ck_assert_int_eq(quota_since(begins[_i].period, begins[_i].now), begins[_i].since);
}
END_TEST

/* All the stream's clients use it, and one that moves goes on using it. */
START_TEST(test_spent)
{
	struct stream *stream = add_quota("1000");
	struct slot *a = stream->slots[0], *b = stream->slots[2];

	claim(a, "192.0.2.9:1", NOW);
	claim(b, "192.0.2.9:2", NOW);
	sample(a, 300);
	sample(b, 300);
	claim(a, "192.0.2.9:3", NOW);
	sample(a, 300);
	ck_assert_uint_eq(stream->used, 900);
	ck_assert(!stream_is_spent(stream));
	assert_events("added:cam1 punched:cam1 punched:cam1 live:cam1 live:cam1 moved:cam1 ");
	sample(b, 400);
	ck_assert(stream_is_spent(stream));
	ck_assert_uint_eq(table.holes, 0);
	assert_events("idle:cam1 quota:cam1 ");
	ck_assert_int_eq(stream_state(stream, NOW), STREAM_SPENT);
	ck_assert_str_eq(stream_state_text(STREAM_SPENT), "over-quota");
	ck_assert_int_eq(claim(a, "192.0.2.9:3", NOW), -EDQUOT);
	quota_check(&table, stream);
	assert_events("");
}
END_TEST

/* What an earlier relayd has counted of a hole is not counted twice. */
START_TEST(test_adopted)
{
	struct stream *stream = add_quota("1000");
	struct hole here = hole("192.0.2.9:1", "203.0.113.7:3478");

	stream->used = 800;
	slot_adopt(&table, stream->slots[0], &here, NOW);
	stream->slots[0]->bytes = 800;
	sample(stream->slots[0], 900);
	ck_assert_uint_eq(stream->used, 900);
	/* The kernel's table was made anew. */
	sample(stream->slots[0], 50);
	ck_assert_uint_eq(stream->used, 950);
}
END_TEST

START_TEST(test_renew)
{
	struct stream *stream = add_quota("1000/day");

	quota_renew(&table, NOVEMBER + 5);
	ck_assert_int_eq(stream->used_since, NOVEMBER);
	stream->used = 1000;
	events[0] = '\0';
	quota_renew(&table, NOVEMBER + DAY - 1);
	ck_assert(stream_is_spent(stream));
	/* A clock that goes back, and comes again. */
	quota_renew(&table, NOVEMBER - DAY);
	quota_renew(&table, NOVEMBER);
	ck_assert(stream_is_spent(stream));
	assert_events("");
	quota_renew(&table, NOVEMBER + DAY);
	ck_assert_uint_eq(stream->used, 0);
	assert_events("quota:cam1 ");
	ck_assert_int_eq(claim(stream->slots[0], "192.0.2.9:1", NOW), 0);
}
END_TEST

START_TEST(test_none)
{
	struct stream *stream = add_quota("0");

	claim(stream->slots[0], "192.0.2.9:1", NOW);
	sample(stream->slots[0], 1ULL << 40);
	quota_renew(&table, NOVEMBER);
	ck_assert_uint_eq(stream->used, 0);
	ck_assert(!table.used_news);
	ck_assert_uint_eq(table.holes, 1);
}
END_TEST

START_TEST(test_store)
{
	struct stream *stream = add_quota("1000");
	char error[REGISTRY_ERROR], path[] = "/tmp/check_quota.XXXXXX";
	struct registry *registry;
	uint32_t number;

	close(mkstemp(path));
	ck_assert_int_eq(registry_open(path, &registry, error), 0);
	ck_assert_int_eq(registry_number(registry, &stream->spec, &number, error), 0);
	ck_assert_int_eq(quota_store(&table, registry, error), 0);
	claim(stream->slots[0], "192.0.2.9:1", NOW);
	sample(stream->slots[0], 700);
	ck_assert_int_eq(quota_store(&table, registry, error), 1);
	ck_assert_int_eq(quota_store(&table, registry, error), 0);
	stream->used = 0;
	ck_assert_int_eq(quota_load(registry, stream), 0);
	ck_assert_uint_eq(stream->used, 700);
	registry_close(registry);
	unlink(path);
}
END_TEST

static Suite *quota_suite(void)
{
	Suite *suite = suite_create("quota");
	TCase *tcase = tcase_create("quota");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, test_since, 0, COUNT(begins));
	tcase_add_test(tcase, test_spent);
	tcase_add_test(tcase, test_adopted);
	tcase_add_test(tcase, test_renew);
	tcase_add_test(tcase, test_none);
	tcase_add_test(tcase, test_store);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(quota_suite());
}
