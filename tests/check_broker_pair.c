/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is paired with whom, and who is told of it. */
#include <string.h>

#include "tests/broker_straw.h"
#include "tests/suite.h"

/* The word that says so comes when the kernel has it, not before. */
START_TEST(test_pair)
{
	struct straw *client, *service;

	kernel_waits = true;
	service = straw_make(PEER_SERVICE, 2);
	client = straw_make(PEER_CLIENT, 1);
	say(service);
	ck_assert_uint_eq(broker_offers(broker, stream), 1);
	say(client);
	ck_assert_uint_eq(broker_offers(broker, stream), 0);
	run(300);
	ck_assert_int_eq(client->word.state, PEER_WAITING);
	ck_assert_int_eq(service->word.state, PEER_WAITING);
	commit();
	run(1);
	ck_assert_int_eq(client->word.state, PEER_PAIRED);
	ck_assert_int_eq(service->word.state, PEER_PAIRED);
	ck_assert_uint_eq(broker_counter(broker, BROKER_PAIRED), 1);
	ck_assert(broker_has_hole(broker, &client->hole.client));
	/* It is heard: no more of it. */
	run(20000);
	ck_assert_uint_le(client->pushed, 2);
	ck_assert_uint_le(service->pushed, 2);
	ck_assert_uint_eq(broker_counter(broker, BROKER_DIRECT), 0);
}
END_TEST

/* The client first, then the service. */
START_TEST(test_unserved)
{
	struct straw *client = straw_make(PEER_CLIENT, 1), *service;

	say(client);
	say(client);
	ck_assert_uint_eq(broker_counter(broker, BROKER_UNSERVED), 1);
	ck_assert_int_eq(client->word.state, PEER_WAITING);
	assert_told("");
	service = straw_make(PEER_SERVICE, 2);
	say(service);
	run(1000);
	ck_assert_int_eq(client->word.state, PEER_PAIRED);
	ck_assert_int_eq(service->word.state, PEER_PAIRED);
}
END_TEST

/* IPv4 and IPv6 do not meet in the kernel. */
START_TEST(test_families)
{
	struct straw *client = straw_make(PEER_CLIENT, 1), *service = straw_make(PEER_SERVICE, 2);

	service->hole.client = endpoint("[2001:db8::2]:1002");
	service->hole.punch = endpoint("[2001:db8::1]:3478");
	say(service);
	say(client);
	assert_told("");
	service = straw_make(PEER_SERVICE, 3);
	say(service);
	assert_told("+c1001 +c1003 +p1001>1003 +p1003>1001; ");
}
END_TEST

/* A word that is lost is repeated for a while, less and less often, and then no more. */
START_TEST(test_push)
{
	struct straw *client, *service;

	pair_of(&client, &service);
	service->deaf = true;
	client->hello.wants_direct = true;
	client->hello.nat.mapping = service->hello.nat.mapping = NAT_MAPPING_ENDPOINT;
	service->pushed = 0;
	say(client);
	run(1500);
	ck_assert_uint_ge(service->pushed, 4);
	ck_assert_uint_le(service->pushed, 6);
	client->hello.wants_direct = false;
	say(client);
	run(20000);
	service->pushed = 0;
	run(10000);
	ck_assert_uint_eq(service->pushed, 0);
}
END_TEST

/* A service that does not answer any more is no offer: the next one is taken. */
START_TEST(test_stale_offer)
{
	struct straw *client, *dead, *service;

	service = straw_make(PEER_SERVICE, 3);
	say(service);
	dead = straw_make(PEER_SERVICE, 2);
	say(dead);
	dead->deaf = true;
	client = straw_make(PEER_CLIENT, 1);
	say(client);
	run(500);
	ck_assert_mem_eq(client->word.peer, dead->hello.lane, PEER_LANE);
	run(2000);
	ck_assert_int_eq(client->word.state, PEER_PAIRED);
	ck_assert_mem_eq(client->word.peer, service->hello.lane, PEER_LANE);
	assert_told("+c1001 +c1002 +p1001>1002 +p1002>1001; -p1001 -p1002 -c1001 -c1002; "
		    "+c1001 +c1003 +p1001>1003 +p1003>1001; ");
	/* Back to life, it is told that its lane has ended. */
	dead->deaf = false;
	say(dead);
	ck_assert_int_eq(dead->word.state, PEER_CLOSED);
	assert_events("paired unpaired paired ");
}
END_TEST

START_TEST(test_stale_offer_alone)
{
	struct straw *client, *dead = straw_make(PEER_SERVICE, 2);

	say(dead);
	dead->deaf = true;
	client = straw_make(PEER_CLIENT, 1);
	say(client);
	run(3000);
	ck_assert_int_eq(client->word.state, PEER_WAITING);
	straw_make(PEER_SERVICE, 3);
	say(&straws[3]);
	run(1000);
	ck_assert_int_eq(client->word.state, PEER_PAIRED);
}
END_TEST

/* A pair that was heard, whose service dies, and whose client notices. */
static void lonely_pair(struct straw **client, struct straw **service)
{
	pair_of(client, service);
	run(4000);
	(*service)->deaf = true;
	(*service)->pushed = 0;
	run(3000);
	(*client)->hello.lonely = true;
	say(*client);
}

/* The service that was started in the dead one's place gets its client. */
START_TEST(test_lonely)
{
	struct straw *client, *dead, *service;
	int64_t began_ms;

	lonely_pair(&client, &dead);
	service = straw_make(PEER_SERVICE, 3);
	say(service);
	began_ms = now_ms;
	while (memcmp(client->word.peer, service->hello.lane, PEER_LANE) != 0) {
		ck_assert_int_le(now_ms - began_ms, 2500);
		run(10);
	}
	ck_assert_int_eq(client->word.state, PEER_PAIRED);
	ck_assert_uint_ge(dead->pushed, 4);
	assert_told("-p1001 -p1002 -c1001 -c1002; +c1001 +c1003 +p1001>1003 +p1003>1001; ");
	assert_events("unpaired paired ");
	dead->deaf = false;
	say(dead);
	ck_assert_int_eq(dead->word.state, PEER_CLOSED);
}
END_TEST

/* It comes later than that is noticed; until then they stay together. */
START_TEST(test_lonely_early)
{
	struct straw *client, *dead, *service;

	service = straw_make(PEER_SERVICE, 3);
	say(service);
	run(1000);
	lonely_pair(&client, &dead);
	service->deaf = true; /* it died with the other */
	run(6000);
	ck_assert_mem_eq(client->word.peer, dead->hello.lane, PEER_LANE);
	assert_events("");
	service = straw_make(PEER_SERVICE, 4);
	say(service);
	run(1000);
	ck_assert_mem_eq(client->word.peer, service->hello.lane, PEER_LANE);
}
END_TEST

/* A service that is there is asked now and then, and stays. */
START_TEST(test_lonely_alive)
{
	struct straw *client, *service, *other;

	pair_of(&client, &service);
	other = straw_make(PEER_SERVICE, 3);
	say(other);
	run(10000);
	client->hello.lonely = true;
	service->pushed = 0;
	for (unsigned int i = 0; i < 100; i++) {
		say(client);
		run(100);
	}
	ck_assert_mem_eq(client->word.peer, service->hello.lane, PEER_LANE);
	ck_assert_uint_ge(service->pushed, 2);
	ck_assert_uint_le(service->pushed, 3);
	/* Of a service it is nothing new: its clients come and go. */
	client->hello.lonely = false;
	service->hello.lonely = true;
	client->pushed = 0;
	say(client);
	say(service);
	client->deaf = true;
	run(10000);
	ck_assert_uint_eq(client->pushed, 0);
	ck_assert_int_eq(service->word.state, PEER_PAIRED);
	assert_events("");
}
END_TEST

/* The consent is what was left of it. */
START_TEST(test_rate)
{
	struct straw *client, *service;

	pair_of(&client, &service);
	stream->spec.rate = rate_is = 5000;
	consent_is = CONSENT_MS - 1000;
	broker_rate(broker, stream, now_ms);
	assert_told("+c1001 +c1002; ");
	broker_rate(broker, other_stream, now_ms);
	assert_told("");
	assert_events("");
}
END_TEST

static void count_pair(void *data, const struct broker_pair *pair)
{
	unsigned int *count = data;

	ck_assert_ptr_eq(pair->stream, stream);
	ck_assert_uint_eq(pair->client.port, 1001);
	ck_assert_uint_eq(pair->service.port, 1002);
	++*count;
}

START_TEST(test_each)
{
	struct straw *client, *service;
	unsigned int count = 0;

	alternate_is = endpoint("203.0.113.8:3479");
	pair_of(&client, &service);
	ck_assert(endpoint_equal(&client->word.alternate, &alternate_is));
	broker_each(broker, stream, count_pair, &count);
	ck_assert_uint_eq(count, 1);
	broker_each(broker, other_stream, count_pair, &count);
	ck_assert_uint_eq(count, 1);
	for (unsigned int i = 0; i < BROKER_COUNTS; i++)
		ck_assert_ptr_nonnull(broker_count_text(i));
}
END_TEST

static Suite *broker_pair_suite(void)
{
	Suite *suite = suite_create("broker_pair");
	TCase *tcase = tcase_create("broker_pair");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_pair);
	tcase_add_test(tcase, test_unserved);
	tcase_add_test(tcase, test_families);
	tcase_add_test(tcase, test_push);
	tcase_add_test(tcase, test_stale_offer);
	tcase_add_test(tcase, test_stale_offer_alone);
	tcase_add_test(tcase, test_lonely);
	tcase_add_test(tcase, test_lonely_early);
	tcase_add_test(tcase, test_lonely_alive);
	tcase_add_test(tcase, test_rate);
	tcase_add_test(tcase, test_each);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(broker_pair_suite());
}
