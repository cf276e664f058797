/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a relay behind 1:1 NAT learns its public address, and who cannot tell it. */
#include <string.h>
#include <sys/resource.h>

#include "relayd/discover.h"
#include "relayd/host_watch.h"
#include "tests/endpoint.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LOCAL	     "10.0.0.4"
#define SECOND	     "10.0.0.5"
#define SIX	     "fd00::4"
#define PUBLIC	     "203.0.113.7"
#define SERVER	     "198.51.100.2:3479"
#define SERVER6	     "[2001:db8::2]:3479"

static struct config config;
static struct discover discover;
static int64_t now;

/* A question on its way. */
static struct question {
	struct endpoint from, to;
	size_t len;
	uint8_t data[DISCOVER_ASK_MAX];
	struct stun stun;
} question;

static void add_address(const char *text)
{
	ck_assert_int_eq(addr_parse(text, &config.addresses[config.address_count++]), 0);
}

static void configure(void)
{
	discover_configure(&discover, &config, now);
}

static void set_up(void)
{
	memset(&config, 0, sizeof(config));
	memset(&discover, 0, sizeof(discover));
	now = 5000;
	config.punch = 3478;
	config.discover[0] = endpoint(SERVER);
	add_address(LOCAL);
	configure();
}

static bool asks(void)
{
	question.len = discover_ask(&discover, now, &question.from, &question.to, question.data);
	if (question.len)
		ck_assert_int_eq(stun_parse(question.data, question.len, &question.stun), 0);
	return question.len > 0;
}

static bool answers_as(uint16_t type, const char *from, const char *mapped)
{
	struct endpoint source = endpoint(from), seen = endpoint(mapped);
	uint8_t data[STUN_MAX];
	struct stun stun;
	struct buf buf;

	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, type, question.stun.tid);
	if (seen.port)
		stun_put_endpoint(&buf, STUN_XOR_MAPPED_ADDRESS, &seen);
	ck_assert_int_eq(stun_parse(data, stun_end(&buf), &stun), 0);
	return discover_answer(&discover, &source, &question.from, &stun, now);
}

static bool answers(const char *mapped)
{
	return answers_as(STUN_SUCCESS, SERVER, mapped);
}

static void learn(const char *mapped)
{
	ck_assert(asks());
	ck_assert(answers(mapped));
}

static void advertise(const char *public)
{
	config.advertise_count = 1;
	config.advertise[0].local = config.addresses[0];
	ck_assert_int_eq(addr_parse(public, &config.advertise[0].public), 0);
}

static void cloud_says(const char *local, const char *public)
{
	struct metadata_pair pair;

	ck_assert_int_eq(addr_parse(local, &pair.local), 0);
	ck_assert_int_eq(addr_parse(public, &pair.public), 0);
	discover_cloud(&discover, &pair);
}

/* What is advertised for the address of this index, "" for nothing. */
static void assert_public(size_t i, const char *wanted)
{
	struct addr public = discover_public(&discover, &discover.list[i]);
	char text[ADDR_TEXT] = "";

	if (public.family)
		addr_format(&public, text);
	ck_assert_str_eq(text, wanted);
}

static void assert_doubt(const char *wanted)
{
	char text[DISCOVER_TEXT] = "";

	ck_assert_int_eq(discover_doubt(&discover, text), *wanted != '\0');
	ck_assert_str_eq(text, wanted);
}

#define SILENT	SERVER " does not answer: "
#define UNKNOWN SILENT "how the others see this relay is not known"
#define LEARNT	SILENT "what was learnt before stays"
#define AGAIN	SERVER " answers again"

/* What is said of the server now, "" for nothing. */
static void assert_silence(const char *wanted)
{
	char text[DISCOVER_TEXT] = "";

	ck_assert_int_eq(discover_silence(&discover, AF_INET, text), *wanted != '\0');
	ck_assert_str_eq(text, wanted);
	ck_assert(!discover_silence(&discover, AF_INET6, text));
}

/* As many questions without an answer as it takes. */
static void fall_silent(void)
{
	for (int i = 0; i < DISCOVER_SILENT; i++) {
		assert_silence("");
		while (asks())
			;
		now += 300000;
	}
}

START_TEST(test_learn)
{
	ck_assert(asks());
	ck_assert(endpoint_equal(&question.from, &(struct endpoint){config.addresses[0], 3478}));
	ck_assert(endpoint_equal(&question.to, &config.discover[0]));
	ck_assert_int_eq(question.stun.type, STUN_REQUEST);
	ck_assert_uint_eq(question.stun.unknown_count, 0);
	ck_assert_uint_eq(question.len, DISCOVER_ASK_MAX);
	assert_public(0, "");
	ck_assert_str_eq(discover_by(&discover.list[0]), "");
	ck_assert(answers(PUBLIC ":3478"));
	assert_public(0, PUBLIC);
	ck_assert_str_eq(discover_by(&discover.list[0]), "stun");
	assert_doubt("");
}
END_TEST

/* Each of these comes with the right bits. */
static const struct forged {
	uint16_t type;
	const char *from, *mapped;
} forged[] = {
	{STUN_SUCCESS, "198.51.100.2:3480", PUBLIC ":3478"},
	{STUN_SUCCESS, "198.51.100.3:3479", PUBLIC ":3478"},
	{STUN_ERROR, SERVER, PUBLIC ":3478"},
	{STUN_INDICATION, SERVER, PUBLIC ":3478"},
	{STUN_SUCCESS, SERVER, "127.0.0.1:3478"},
	{STUN_SUCCESS, SERVER, "169.254.1.1:3478"},
	{STUN_SUCCESS, SERVER, "224.0.0.1:3478"},
	{STUN_SUCCESS, SERVER, "0.0.0.0:3478"},
	{STUN_SUCCESS, SERVER, "[2001:db8::7]:3478"},
};

START_TEST(test_forged)
{
	ck_assert(asks());
	ck_assert(!answers_as(forged[_i].type, forged[_i].from, forged[_i].mapped));
	assert_public(0, "");
	ck_assert(answers(PUBLIC ":3478"));
}
END_TEST

/* Another question's bits; nobody has asked; twice; to another socket. */
START_TEST(test_unasked)
{
	struct question before;

	ck_assert(!answers(PUBLIC ":3478"));
	ck_assert(asks());
	before = question;
	now += 1000;
	ck_assert(asks());
	ck_assert_mem_ne(before.stun.tid, question.stun.tid, STUN_TID);
	before.from = question.from;
	question.stun.tid[11] ^= 1;
	ck_assert(!answers(PUBLIC ":3478"));
	question.stun.tid[11] ^= 1;
	question.from.port++;
	ck_assert(!answers(PUBLIC ":3478"));
	question.from = endpoint(SECOND ":3478");
	ck_assert(!answers(PUBLIC ":3478"));
	question.from = before.from;
	ck_assert(answers(PUBLIC ":3478"));
	ck_assert(!answers("203.0.113.66:3478"));
	assert_public(0, PUBLIC);
}
END_TEST

START_TEST(test_back_off)
{
	int64_t wait = 1000;

	for (int i = 0; i < 20; i++) {
		ck_assert(asks());
		ck_assert(!asks());
		assert_silence(i == 3 ? UNKNOWN : "");
		now += wait - 1;
		ck_assert(!asks());
		now++;
		wait = wait * 2 < 300000 ? wait * 2 : 300000;
	}
	learn(PUBLIC ":3478");
	assert_silence(AGAIN);
	now += 299999;
	ck_assert(!asks());
	now++;
	/* What is known is known until it is told otherwise. */
	ck_assert(asks());
	assert_public(0, PUBLIC);
	ck_assert(answers("203.0.113.8:3478"));
	assert_public(0, "203.0.113.8");
}
END_TEST

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

START_TEST(test_reload)
{
	learn(PUBLIC ":3478");
	ck_assert(!asks());
	configure();
	assert_public(0, PUBLIC);
	ck_assert(asks());
	/* An address before it, and nobody who says something of that family. */
	config.addresses[1] = config.addresses[0];
	config.addresses[0] = endpoint(SECOND ":1").addr;
	config.address_count = 2;
	configure();
	assert_public(1, PUBLIC);
	/* What one server says is nothing that another does. */
	config.discover[0].port++;
	configure();
	assert_public(1, "");
	config.discover[0].addr.family = 0;
	configure();
	assert_public(1, "");
	ck_assert(!asks());
}
END_TEST

START_TEST(test_partner)
{
	config.partner = endpoint("198.51.100.9:3478");
	configure();
	ck_assert(asks());
	ck_assert(endpoint_equal(&question.to, &config.discover[0]));
	memset(&config.discover, 0, sizeof(config.discover));
	configure();
	ck_assert(asks());
	ck_assert(endpoint_equal(&question.to, &config.partner));
	ck_assert(answers_as(STUN_SUCCESS, "198.51.100.9:3478", PUBLIC ":3478"));
	assert_public(0, PUBLIC);
}
END_TEST

START_TEST(test_six)
{
	add_address(SIX);
	config.discover[1] = endpoint(SERVER6);
	configure();
	learn(PUBLIC ":3478");
	ck_assert(asks());
	ck_assert(endpoint_equal(&question.to, &config.discover[1]));
	ck_assert(!answers_as(STUN_SUCCESS, SERVER6, PUBLIC ":3478"));
	ck_assert(answers_as(STUN_SUCCESS, SERVER6, "[2001:db8::4]:3478"));
	assert_public(0, PUBLIC);
	assert_public(1, "2001:db8::4");
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

/* The server is in the same private network, or behind another NAT in it. */
START_TEST(test_private)
{
	learn("192.168.1.7:3478");
	assert_public(0, "");
	assert_doubt("");
	configure();
	learn(LOCAL ":3478");
	assert_public(0, "");
	assert_doubt("");
}
END_TEST

START_TEST(test_port)
{
	static const char doubt[] =
		"a NAT that is not 1:1 makes port 3478 of " LOCAL
		" port 40123: others do not reach it there; forward the ports and set `advertise`";

	learn(PUBLIC ":40123");
	assert_public(0, "");
	assert_doubt(doubt);
	/* They are forwarded, whatever becomes of what leaves. */
	advertise(PUBLIC);
	assert_doubt("");
	config.advertise_count = 0;
	/* A cloud has a NAT for what leaves besides. */
	cloud_says(LOCAL, PUBLIC);
	assert_public(0, PUBLIC);
	assert_doubt("");
}
END_TEST

START_TEST(test_cloud)
{
	cloud_says(SECOND, "203.0.113.9");
	cloud_says(LOCAL, "2001:db8::7");
	cloud_says(LOCAL, "127.0.0.1");
	assert_public(0, "");
	cloud_says(LOCAL, PUBLIC);
	assert_public(0, PUBLIC);
	ck_assert_str_eq(discover_by(&discover.list[0]), "cloud");
	learn(PUBLIC ":3478");
	assert_doubt("");
	configure();
	cloud_says(LOCAL, PUBLIC);
	learn("203.0.113.8:3478");
	assert_public(0, PUBLIC);
	assert_doubt(LOCAL " is " PUBLIC
			   " to the cloud, 203.0.113.8 to the STUN server: set `advertise`");
	advertise(PUBLIC);
	assert_doubt("");
}
END_TEST

/* Two local addresses leave by one public one: it belongs to the first that keeps its port. */
START_TEST(test_shared)
{
	static const struct {
		const char *one, *other, *first, *second;
	} rows[] = {
		{PUBLIC ":3478", PUBLIC ":40123", PUBLIC, ""},
		{PUBLIC ":40123", PUBLIC ":3478", "", PUBLIC},
		{PUBLIC ":3478", PUBLIC ":3478", PUBLIC, ""},
		{PUBLIC ":3478", "203.0.113.8:3478", PUBLIC, "203.0.113.8"},
	};

	add_address(SECOND);
	for (size_t i = 0; i < COUNT(rows); i++) {
		configure();
		learn(rows[i].one);
		learn(rows[i].other);
		assert_public(0, rows[i].first);
		assert_public(1, rows[i].second);
		assert_doubt("");
	}
}
END_TEST

static void tell_gone(void *data, const struct addr *addr, bool came)
{
	char text[ADDR_TEXT];

	ck_assert_str_eq(addr_format(addr, text), PUBLIC);
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
	watch.addresses[watch.count++] = endpoint(PUBLIC ":1").addr;
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
	Suite *suite = suite_create("discover");
	TCase *tcase = tcase_create("discover");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, test_learn);
	tcase_add_loop_test(tcase, test_forged, 0, COUNT(forged));
	tcase_add_test(tcase, test_unasked);
	tcase_add_test(tcase, test_back_off);
	tcase_add_test(tcase, test_silence);
	tcase_add_test(tcase, test_silence_server);
	tcase_add_test(tcase, test_reload);
	tcase_add_test(tcase, test_partner);
	tcase_add_test(tcase, test_six);
	tcase_add_test(tcase, test_advertise);
	tcase_add_test(tcase, test_interface);
	tcase_add_test(tcase, test_unseen);
	tcase_add_test(tcase, test_private);
	tcase_add_test(tcase, test_port);
	tcase_add_test(tcase, test_cloud);
	tcase_add_test(tcase, test_shared);
	tcase_add_test(tcase, test_host);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(discover_suite());
}
