/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "relayd/net_clock.h"
#include "relayd/net_trouble.h"
#include "relayd/trouble.h"
#include "tests/suite.h"

#define EXPIRES 1800007200

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
static char path[] = "/tmp/check_trouble.XXXXXX";

/* With one stream that expires and one that does not. */
static void net_set_up(void)
{
	const int fd = mkstemp(path);
	char error[REGISTRY_ERROR], why[SPEC_WHY];
	struct spec spec;

	ck_assert_int_ge(fd, 0);
	close(fd);
	memset(&net, 0, sizeof(net));
	ck_assert_int_eq(uv_loop_init(&net.loop), 0);
	net.setup = &setup;
	net_trouble_open(&net);
	ck_assert_int_eq(registry_open(path, &net.registry, error), 0);
	for (const char *const *name = (const char *const[]){"a", "b", NULL}; *name; name++) {
		ck_assert_int_eq(spec_init(&spec, *name, why), 0);
		ck_assert_int_eq(spec_set_listen(&spec, "9099", why), 0);
		ck_assert_int_eq(spec_set_key(&spec, "MDEyMzQ1Njc4OWFiY2RlZg==", why), 0);
		ck_assert_int_eq(
			registry_add(net.registry, &spec, **name == 'a' ? EXPIRES : 0, error), 0);
	}
}

static void net_tear_down(void)
{
	registry_close(net.registry);
	unlink(path);
	uv_loop_close(&net.loop);
}

static int expiry_take(void *data, const struct spec *spec, int64_t expires)
{
	if (*spec->name == 'a')
		*(int64_t *)data = expires;
	else
		ck_assert_int_eq(expires, 0);
	return 0;
}

static int64_t stored_expiry(void)
{
	int64_t expires = 0;

	ck_assert_int_eq(registry_each(net.registry, expiry_take, &expires), 0);
	return expires;
}

START_TEST(test_clock)
{
	const struct trouble *clock = &net.troubles.list[TROUBLE_CLOCK];
	const int64_t wall = 1800000000000, boot = 1000000;

	net_clock_check(&net, wall, boot);
	net_clock_check(&net, wall + 2500, boot + 1000);
	ck_assert(!clock->now);
	/* That the host slept moves both. */
	net_clock_check(&net, wall + 90001500, boot + 90000000);
	ck_assert(!clock->now);
	net_clock_check(&net, wall - 3600000, boot);
	ck_assert(clock->now);
	ck_assert_ptr_nonnull(strstr(clock->text, "back by 3602 s"));
	net_clock_check(&net, wall - 3600000, boot);
	ck_assert_uint_eq(clock->count, 1);
	ck_assert_int_eq(stored_expiry(), EXPIRES - 3602);
	net_clock_check(&net, wall, boot);
	ck_assert_ptr_nonnull(strstr(clock->text, "forward by 3600 s"));
	ck_assert_int_eq(stored_expiry(), EXPIRES - 2);
}
END_TEST

/* What cannot be written now is written later, and once. */
START_TEST(test_clock_later)
{
	net_clock_check(&net, 1800000000000, 0);
	net_trouble_database(&net, -ENOSPC, "no room");
	net_clock_check(&net, 1800000005000, 0);
	net_clock_check(&net, 1800000010000, 0);
	ck_assert_int_eq(stored_expiry(), EXPIRES);
	net_trouble_tick(&net);
	ck_assert(!net.troubles.list[TROUBLE_DISK].now);
	net_clock_check(&net, 1800000010000, 0);
	net_clock_check(&net, 1800000010000, 0);
	ck_assert_int_eq(stored_expiry(), EXPIRES + 10);
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
	ck_assert(!net.troubles.list[TROUBLE_SET].now);
	net_trouble_health(&net, &(struct rules_health){.lost = 2, .unheard = true});
	ck_assert(net.troubles.list[TROUBLE_SET].now);
}
END_TEST

/* The kernel's counter begins anew with each limit, and ours goes on. */
START_TEST(test_cut)
{
	struct config config = {.max_rate = 5000};
	const struct trouble *rate = &net.troubles.list[TROUBLE_RATE];

	memset(&net, 0, sizeof(net));
	net.config = &config;
	net_trouble_cut(&net, 0);
	ck_assert(!rate->now);
	net_trouble_cut(&net, 7);
	net_trouble_cut(&net, 9);
	ck_assert(rate->now);
	ck_assert_ptr_nonnull(strstr(rate->text, "5000 bytes a second"));
	net_trouble_cut(&net, 2);
	ck_assert_uint_eq(net.cut, 11);
	net_trouble_cut(&net, 2);
	ck_assert_uint_eq(net.cut, 11);
	ck_assert_uint_eq(rate->count, 3);
}
END_TEST

START_TEST(test_kernel_and_database)
{
	memset(&net, 0, sizeof(net));
	ck_assert(!net_trouble_of_kernel(&net));
	net_trouble_refused(
		&net, "cam1", &(struct rules_error){.code = -EEXIST, .text = "it is there"});
	ck_assert(!net_trouble_of_kernel(&net));
	net_trouble_refused(&net, "cam1", &(struct rules_error){.code = -ENFILE});
	ck_assert(net.troubles.list[TROUBLE_SET].now && net_trouble_of_kernel(&net));
	ck_assert_ptr_nonnull(strstr(net.troubles.list[TROUBLE_SET].text, "cam1: a set "));
	net_trouble_read(&net, -ENOBUFS);
	ck_assert(net.troubles.list[TROUBLE_BUFFER].now);
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
	tcase_add_test(tcase, test_host);
	tcase_add_test(tcase, test_cut);
	tcase_add_test(tcase, test_kernel_and_database);
	suite_add_tcase(suite, tcase);
	tcase = tcase_create("clock");
	tcase_add_checked_fixture(tcase, net_set_up, net_tear_down);
	tcase_add_test(tcase, test_clock);
	tcase_add_test(tcase, test_clock_later);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
