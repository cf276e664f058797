/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said of how the relay is seen: silence, what contradicts the configuration, the host. */
#include <sys/resource.h>

#include "relayd/host_watch.h"
#include "tests/discover_bed.h"
#include "tests/endpoint.h"
#include "tests/suite.h"

/* No host has it. */
#define NOBODYS "240.0.0.1"

/* Told once, whatever is configured anew meanwhile. */
START_TEST(test_silence)
{
	learn(PUBLIC ":3478");
	assert_silence("");
	now += 300000;
	fall_silent();
	assert_silence(LEARNT);
	for (int i = 0; i < 3; i++) {
		configure();
		assert_silence("");
		ck_assert(asks());
		assert_silence("");
	}
	/* Nor is it new that it does not answer one more. */
	add_address(SECOND);
	configure();
	fall_silent();
	assert_silence("");
	while (asks())
		ck_assert(answers(PUBLIC ":3478"));
	assert_silence(AGAIN);
	assert_silence("");
	/* Configuring anew many times at once is no silence. */
	for (int i = 0; i < 3 * DISCOVER_SILENT; i++) {
		configure();
		while (asks())
			;
		assert_silence("");
	}
}
END_TEST

/* Another server has a silence of its own. */
START_TEST(test_silence_server)
{
	fall_silent();
	assert_silence(UNKNOWN);
	config.discover[0].port++;
	configure();
	fall_silent();
	assert_silence("198.51.100.2:3480 does not answer: "
		       "how the others see this relay is not known");
	config.discover[0].port--;
	configure();
	learn(PUBLIC ":3478");
	assert_silence("");
	now += 300000;
	fall_silent();
	assert_silence(LEARNT);
	config.discover[0].addr.family = 0;
	configure();
	ck_assert(!asks());
	assert_silence("");
}
END_TEST

/* What is configured, or public, stays; but it is told. */
START_TEST(test_advertise)
{
	advertise("203.0.113.77");
	learn(PUBLIC ":3478");
	assert_doubt(
		LOCAL " is seen as " PUBLIC " (stun), but shown as 203.0.113.77: mend `advertise`");
	advertise(PUBLIC);
	assert_doubt("");
	config.advertise_count = 0;
	assert_doubt("");
	config.address_count = 0;
	add_address("203.0.113.9");
	configure();
	learn("203.0.113.9:3478");
	assert_public(0, "");
	assert_doubt("");
	configure();
	learn(PUBLIC ":3478");
	assert_public(0, "");
	assert_doubt("203.0.113.9 is seen as " PUBLIC
		     " (stun), but shown as 203.0.113.9: mend `advertise`");
}
END_TEST

/* A public address of the host's own that nobody else says anything of. */
START_TEST(test_interface)
{
	static const char doubt[] =
		PUBLIC " is seen as " PUBLIC " (interface), but shown as 203.0.113.77: "
		       "mend `advertise`";

	config.address_count = 0;
	add_address(PUBLIC);
	config.discover[0].addr.family = 0;
	configure();
	assert_doubt("");
	advertise("203.0.113.77");
	assert_doubt(doubt);
	/* Whoever is asked knows better. */
	config.discover[0] = endpoint(SERVER);
	configure();
	assert_doubt("");
	learn("203.0.113.77:3478");
	assert_doubt("");
	config.discover[0].port++;
	configure();
	fall_silent();
	assert_doubt(doubt);
	configure();
	ck_assert(asks());
	assert_doubt(doubt);
	config.discover_cloud = true;
	configure();
	assert_doubt("");
	cloud_says(PUBLIC, "203.0.113.77");
	assert_doubt("");
	/* A private one may be seen as anything. */
	config.discover_cloud = false;
	config.discover[0].addr.family = 0;
	config.address_count = 0;
	add_address(LOCAL);
	advertise("203.0.113.77");
	configure();
	assert_doubt("");
}
END_TEST

START_TEST(test_unseen)
{
	ck_assert(discover_is_unseen(&discover, &discover.list[0]));
	learn(PUBLIC ":40123");
	ck_assert(!discover_is_unseen(&discover, &discover.list[0]));
	config.discover[0].addr.family = 0;
	configure();
	ck_assert(!discover_is_unseen(&discover, &discover.list[0]));
	config.discover_cloud = true;
	configure();
	ck_assert(discover_is_unseen(&discover, &discover.list[0]));
	cloud_says(LOCAL, PUBLIC);
	ck_assert(!discover_is_unseen(&discover, &discover.list[0]));
}
END_TEST

static void tell_gone(void *data, const struct addr *addr, bool came)
{
	char text[ADDR_TEXT];

	ck_assert_str_eq(addr_format(addr, text), NOBODYS);
	ck_assert(!came);
	(*(int *)data)++;
}

/* Of the host's addresses, none of which is known without a file descriptor. */
START_TEST(test_host)
{
	struct rlimit limit, none;
	struct host_watch watch;
	uv_loop_t loop;
	int told = 0;

	ck_assert_int_eq(uv_loop_init(&loop), 0);
	ck_assert_int_eq(host_watch_open(&watch, &loop), 0);
	ck_assert(watch.count < HOST_WATCH_ADDRESSES);
	watch.addresses[watch.count++] = endpoint(NOBODYS ":1").addr;
	ck_assert(!host_watch_changed(&watch, tell_gone, &told));
	watch.told = true;
	getrlimit(RLIMIT_NOFILE, &limit);
	none = limit;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	ck_assert(!host_watch_changed(&watch, tell_gone, &told));
	ck_assert(!host_watch_changed(&watch, tell_gone, &told));
	setrlimit(RLIMIT_NOFILE, &limit);
	ck_assert_int_eq(told, 0);
	ck_assert(host_watch_changed(&watch, tell_gone, &told));
	ck_assert(!host_watch_changed(&watch, tell_gone, &told));
	ck_assert_int_eq(told, 1);
	uv_close((uv_handle_t *)&watch.poll, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

static Suite *discover_suite(void)
{
	Suite *suite = suite_create("discover_told");
	TCase *tcase = tcase_create("discover_told");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, test_silence);
	tcase_add_test(tcase, test_silence_server);
	tcase_add_test(tcase, test_advertise);
	tcase_add_test(tcase, test_interface);
	tcase_add_test(tcase, test_unseen);
	tcase_add_test(tcase, test_host);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(discover_suite());
}
