/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "relayd/net_trouble.h"
#include "relayd/trouble.h"
#include "tests/suite.h"

static struct troubles troubles;
static char told[512];

static void note(void *data, enum trouble_kind kind, const struct trouble *trouble, bool over)
{
	ck_assert_ptr_eq(data, told);
	ck_assert_ptr_eq(trouble, &troubles.list[kind]);
	strcat(told, over ? "-" : "+");
	strcat(told, trouble_name(kind));
	strcat(told, " ");
}

static void set_up(void)
{
	memset(&troubles, 0, sizeof(troubles));
	troubles.event = note;
	troubles.event_data = told;
	told[0] = '\0';
}

static void assert_told(const char *expected)
{
	ck_assert_str_eq(told, expected);
	told[0] = '\0';
}

START_TEST(test_once)
{
	const struct trouble *flows = &troubles.list[TROUBLE_FLOWS];

	trouble_tell(&troubles, TROUBLE_FLOWS, 1000, "%d of %d", 7, 8);
	assert_told("+conntrack_full ");
	ck_assert_str_eq(flows->text, "7 of 8");
	trouble_tell(&troubles, TROUBLE_FLOWS, 9000, "8 of 8");
	assert_told("");
	ck_assert_uint_eq(flows->count, 2);
	ck_assert_int_eq(flows->since_ms, 1000);
	ck_assert_str_eq(flows->text, "8 of 8");
	trouble_tick(&troubles, 18999);
	assert_told("");
	trouble_tick(&troubles, 19000);
	assert_told("-conntrack_full ");
	trouble_tick(&troubles, 60000);
	assert_told("");
	trouble_tell(&troubles, TROUBLE_FLOWS, 70000, "8 of 8");
	assert_told("+conntrack_full ");
	ck_assert_int_eq(flows->since_ms, 70000);
	ck_assert_uint_eq(flows->count, 3);
}
END_TEST

START_TEST(test_sticky)
{
	trouble_tell(&troubles, TROUBLE_DISK, 0, "full");
	trouble_tell(&troubles, TROUBLE_CLOCK, 0, "set");
	assert_told("+database +clock_set ");
	trouble_tick(&troubles, 1000000);
	assert_told("-clock_set ");
	trouble_end(&troubles, TROUBLE_DISK);
	trouble_end(&troubles, TROUBLE_DISK);
	assert_told("-database ");
}
END_TEST

START_TEST(test_codes)
{
	static const struct {
		int error;
		enum trouble_kind kind;
	} codes[] = {{-ENFILE, TROUBLE_SET}, {-ENOBUFS, TROUBLE_BUFFER},
		{-EMSGSIZE, TROUBLE_BUFFER}, {-ENOMEM, TROUBLE_MEMORY}, {-EEXIST, TROUBLE_KINDS},
		{0, TROUBLE_KINDS}};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		ck_assert_int_eq(trouble_of(codes[i].error), codes[i].kind);
}
END_TEST

static struct net net;
static struct net_setup setup;

/* Seconds of the monotonic clock pass by hand: the loop does not run. */
START_TEST(test_clock)
{
	const struct trouble *clock = &net.troubles.list[TROUBLE_CLOCK];
	const int64_t wall = 1800000000000;

	memset(&net, 0, sizeof(net));
	ck_assert_int_eq(uv_loop_init(&net.loop), 0);
	net.setup = &setup;
	net_trouble_open(&net);
	net_trouble_tick(&net, wall);
	net_trouble_tick(&net, wall + 1500);
	ck_assert(!clock->now);
	net_trouble_tick(&net, wall - 3600000);
	ck_assert(clock->now);
	ck_assert_ptr_nonnull(strstr(clock->text, "back by 3601 s"));
	net_trouble_tick(&net, wall - 3600000);
	ck_assert_uint_eq(clock->count, 1);
	net_trouble_tick(&net, wall);
	ck_assert_ptr_nonnull(strstr(clock->text, "forward by 3600 s"));
	uv_loop_close(&net.loop);
}
END_TEST

START_TEST(test_host)
{
	const struct trouble *flows = &net.troubles.list[TROUBLE_FLOWS];
	const struct trouble *buffer = &net.troubles.list[TROUBLE_BUFFER];

	memset(&net, 0, sizeof(net));
	net_trouble_health(&net, &(struct rules_health){.flows = 97, .flows_max = 100});
	net_trouble_health(&net, &(struct rules_health){.flows = 97, .flows_max = 0});
	ck_assert(!flows->now);
	net_trouble_health(&net, &(struct rules_health){.flows = 98, .flows_max = 100});
	ck_assert(flows->now);
	ck_assert_ptr_nonnull(strstr(flows->text, "(98 of 100)"));
	ck_assert_ptr_nonnull(strstr(flows->text, "nf_conntrack_max=400"));
	ck_assert(!buffer->now);
	net_trouble_health(&net, &(struct rules_health){.lost = 2});
	net_trouble_health(&net, &(struct rules_health){.lost = 2});
	ck_assert(buffer->now);
	ck_assert_uint_eq(buffer->count, 1);
}
END_TEST

START_TEST(test_kernel_and_database)
{
	memset(&net, 0, sizeof(net));
	net_trouble_kernel(&net, -ENFILE);
	ck_assert(net.troubles.list[TROUBLE_SET].now);
	net_trouble_kernel(&net, -EEXIST);
	net_trouble_database(&net, -EEXIST, "the name is taken");
	ck_assert(!net.troubles.list[TROUBLE_DISK].now);
	net_trouble_database(&net, -ENOSPC, "no room");
	ck_assert(net.troubles.list[TROUBLE_DISK].now);
	net_trouble_database(&net, 0, "");
	ck_assert(!net.troubles.list[TROUBLE_DISK].now);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trouble");
	TCase *tcase = tcase_create("trouble");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, test_once);
	tcase_add_test(tcase, test_sticky);
	tcase_add_test(tcase, test_codes);
	tcase_add_test(tcase, test_clock);
	tcase_add_test(tcase, test_host);
	tcase_add_test(tcase, test_kernel_and_database);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
