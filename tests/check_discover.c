/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a relay behind 1:1 NAT learns its public address, and who cannot tell it. */
#include <string.h>

#include "tests/discover_bed.h"
#include "tests/endpoint.h"
#include "tests/suite.h"

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

static Suite *discover_suite(void)
{
	Suite *suite = suite_create("discover");
	TCase *tcase = tcase_create("discover");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, test_learn);
	tcase_add_loop_test(tcase, test_forged, 0, COUNT(forged));
	tcase_add_test(tcase, test_unasked);
	tcase_add_test(tcase, test_back_off);
	tcase_add_test(tcase, test_reload);
	tcase_add_test(tcase, test_partner);
	tcase_add_test(tcase, test_six);
	tcase_add_test(tcase, test_private);
	tcase_add_test(tcase, test_port);
	tcase_add_test(tcase, test_cloud);
	tcase_add_test(tcase, test_shared);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(discover_suite());
}
