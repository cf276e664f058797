/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pairs that go on, move and end, and those that outlive relayd. */
#include <errno.h>
#include <string.h>

#include "tests/broker_straw.h"
#include "tests/suite.h"

/* Consent is refreshed, but not with every hello. */
START_TEST(test_consent)
{
	struct straw *client, *service;

	pair_of(&client, &service);
	for (int i = 0; i < 100; i++) {
		run(50);
		say(client);
	}
	assert_told("");
	run(6000);
	say(client);
	assert_told("=c1001; ");
	run(CONSENT_MS * 3);
	ck_assert_int_eq(client->word.state, PEER_PAIRED);
	ck_assert_int_eq(service->word.state, PEER_PAIRED);
}
END_TEST

/* Who falls silent is closed, and the other with it. */
START_TEST(test_expire)
{
	struct straw *client, *service;

	pair_of(&client, &service);
	client->deaf = true;
	run(CONSENT_MS - 5000);
	ck_assert_int_eq(service->word.state, PEER_PAIRED);
	told[0] = '\0';
	run(6000);
	ck_assert_int_eq(service->word.state, PEER_CLOSED);
	assert_told("-p1001 -p1002 -c1001 -c1002; ");
	assert_events("unpaired ");
	ck_assert(!broker_has_hole(broker, &client->hole.client));
	ck_assert(!broker_has_hole(broker, &service->hole.client));
}
END_TEST

/* A service that was killed and starts again does not keep its client for the time of consent. */
START_TEST(test_killed)
{
	struct straw *client, *service, *fresh;

	pair_of(&client, &service);
	/* It has just answered for another lane. */
	if (_i == 0) {
		fresh = straw_make(PEER_SERVICE, 4);
		fresh->hole.client = endpoint("192.0.2.2:1004");
		say(fresh);
		run(200);
		fresh->deaf = service->deaf = true;
	}
	fresh = straw_make(PEER_SERVICE, 3);
	if (_i < 2)
		fresh->hole.client = endpoint("192.0.2.2:1003");
	say(fresh);
	run(6000);
	ck_assert_int_eq(client->word.state, _i ? PEER_PAIRED : PEER_CLOSED);
	/* Who has answered is asked again with another lane, but not all the time. */
	ck_assert_uint_le(service->pushed, 12);
	run(2 * CONSENT_MS);
	ck_assert_int_eq(client->word.state, _i ? PEER_PAIRED : PEER_CLOSED);
}
END_TEST

START_TEST(test_bye)
{
	struct straw *client, *service;
	struct peer_word word;

	pair_of(&client, &service);
	service->hello.bye = true;
	say(service);
	ck_assert_int_eq(service->word.state, PEER_CLOSED);
	run(100);
	ck_assert_int_eq(client->word.state, PEER_CLOSED);
	assert_told("-p1001 -p1002 -c1001 -c1002; ");
	/* A captured hello does not bring it back. */
	service->hello.bye = false;
	ck_assert_int_eq(hello_send(service, service->sequence - 1, &word), -ESTALE);
	say(service);
	ck_assert_int_eq(service->word.state, PEER_CLOSED);
	assert_told("");
	/* Nobody knows this one. */
	service = straw_make(PEER_SERVICE, 5);
	service->hello.bye = true;
	say(service);
	ck_assert_int_eq(service->word.state, PEER_CLOSED);
	ck_assert_uint_eq(broker_offers(broker, stream), 0);
}
END_TEST

/* A lane that comes from another hole takes everything along, in one transaction. */
START_TEST(test_roam)
{
	struct straw *client, *service;

	pair_of(&client, &service);
	client->hole.client = endpoint("198.51.100.9:1009");
	say(client);
	assert_told("-p1001 -p1002 -c1001 +c1009 +p1009>1002 +p1002>1009; ");
	ck_assert_int_eq(client->word.state, PEER_PAIRED);
	ck_assert(!broker_has_hole(broker, &straw_make(PEER_CLIENT, 9)->hole.client));
	ck_assert(broker_has_hole(broker, &client->hole.client));
	service->hole.client.port = 1010;
	say(service);
	assert_told("-p1002 -p1009 -c1002 +c1010 +p1010>1009 +p1009>1010; ");
	/* The kernel refuses a move: both begin anew. */
	kernel_error = -EIO;
	client->hole.client.port = 1011;
	say(client);
	kernel_error = 0;
	run(100);
	ck_assert_int_eq(client->word.state, PEER_CLOSED);
	ck_assert_int_eq(service->word.state, PEER_CLOSED);
	assert_told("-p1009 -p1010 -c1009 +c1011 +p1011>1010 +p1010>1011; "
		    "-p1011 -p1010 -c1011 -c1010; -p1009 -c1009; ");
}
END_TEST

START_TEST(test_kernel_refuses)
{
	struct straw *client = straw_make(PEER_CLIENT, 1), *service = straw_make(PEER_SERVICE, 2);

	kernel_error = -EIO;
	say(service);
	say(client);
	run(200);
	ck_assert_int_eq(client->word.state, PEER_CLOSED);
	ck_assert_int_eq(service->word.state, PEER_CLOSED);
	ck_assert_uint_eq(broker_counter(broker, BROKER_PAIRED), 0);
	assert_events("");
}
END_TEST

/* Closed while the kernel has not answered yet. */
START_TEST(test_bye_before_commit)
{
	struct straw *client = straw_make(PEER_CLIENT, 1), *service = straw_make(PEER_SERVICE, 2);

	kernel_waits = true;
	say(service);
	say(client);
	client->hello.bye = true;
	say(client);
	run(100);
	ck_assert_int_eq(service->word.state, PEER_CLOSED);
	commit();
	run(1000);
	assert_told("+c1001 +c1002 +p1001>1002 +p1002>1001; -p1001 -p1002 -c1001 -c1002; ");
	assert_events("");
}
END_TEST

/* The key has changed, or the stream goes. */
START_TEST(test_forget)
{
	struct straw *client, *service, *waiting;

	pair_of(&client, &service);
	waiting = straw_make(PEER_SERVICE, 3);
	say(waiting);
	broker_forget(broker, stream);
	run(50);
	ck_assert_int_eq(client->word.state, PEER_CLOSED);
	ck_assert_int_eq(service->word.state, PEER_CLOSED);
	ck_assert_int_eq(waiting->word.state, PEER_CLOSED);
	ck_assert_uint_eq(broker_offers(broker, stream), 0);
	assert_told("-p1001 -p1002 -c1001 -c1002; ");
	assert_events("unpaired ");
	run(200000);
	pair_of(&client, &service);
}
END_TEST

/* The kernel relays on between them. */
static void restart(const struct straw *a, const struct straw *b)
{
	broker_close(broker);
	broker_start();
	adopt(a, b, 7);
	adopt(b, a, 7);
}

/* relayd was restarted; the kernel relays on, and both come back. */
START_TEST(test_restart)
{
	struct straw *client, *service;

	pair_of(&client, &service);
	client->hello.progress = service->hello.progress = PEER_DIRECT;
	client->hello.round = service->hello.round = 5;
	ck_assert_uint_eq(broker_pairs(broker), 1);
	restart(client, service);
	ck_assert(broker_has_hole(broker, &client->hole.client));
	/* Who has not come back yet has not gone. */
	ck_assert_uint_eq(broker_pairs(broker), 1);
	run(5000);
	say(client);
	ck_assert_uint_eq(broker_pairs(broker), 1);
	/* It is not sent away, and offered to nobody else. */
	ck_assert_int_eq(client->word.state, PEER_PAIRED);
	ck_assert_mem_eq(client->word.peer, service->hello.lane, PEER_LANE);
	say(straw_make(PEER_SERVICE, 3));
	run(1000);
	say(service);
	run(1000);
	assert_told("=c1001; =c1001 =c1002; ");
	ck_assert_uint_eq(broker_pairs(broker), 1);
	ck_assert_int_eq(client->word.state, PEER_PAIRED);
	ck_assert_int_eq(service->word.state, PEER_PAIRED);
	run(2 * CONSENT_MS);
	ck_assert_int_eq(client->word.state, PEER_PAIRED);
	ck_assert_ptr_null(strstr(told, "-p"));
	assert_events("paired ");
	/* The next round is newer than what they know. */
	client->hello.wants_direct = true;
	report(client, PEER_IDLE, 0);
}
END_TEST

/* One of them has another hole now: what is left of it goes. */
START_TEST(test_restart_moved)
{
	struct straw *client, *service;

	pair_of(&client, &service);
	restart(client, service);
	client->hole.client.port = 1011;
	say(client);
	say(service);
	run(100);
	ck_assert_int_eq(client->word.state, PEER_PAIRED);
	assert_told("-p1002 -c1002; -p1001 -c1001; +c1011 +c1002 +p1011>1002 +p1002>1011; ");
}
END_TEST

/* A hello that was on its way while the earlier relayd said one thing more. */
START_TEST(test_restart_overtaken)
{
	struct straw *client, *service;

	pair_of(&client, &service);
	broker_close(broker);
	now_ms += 2 * CONSENT_MS;
	broker_start();
	now_ms += 2 * CONSENT_MS;
	broker_tick(broker, now_ms);
	for (uint32_t behind = 1; behind < 4; behind++) {
		client->word.state = PEER_PAIRED;
		client->hello.heard = client->word.serial - behind;
		memcpy(client->hello.peer, service->hello.lane, PEER_LANE);
		say(client);
		ck_assert_int_eq(client->word.state, PEER_CLOSED);
	}
	/* The same of a lane that is new to it. */
	memset(service->hello.peer, 0, PEER_LANE);
	service->hello.heard = service->word.serial - 1;
	say(service);
	ck_assert_int_eq(service->word.state, PEER_WAITING);
}
END_TEST

/* Nobody comes back, or only one of them. */
START_TEST(test_restart_alone)
{
	struct straw *client, *service;

	pair_of(&client, &service);
	restart(client, service);
	service->deaf = true;
	say(client);
	run(CONSENT_MS - 1000);
	ck_assert_int_eq(client->word.state, PEER_PAIRED);
	told[0] = '\0';
	run(2000);
	ck_assert_int_eq(client->word.state, PEER_CLOSED);
	assert_told("-p1002 -c1002; -p1001 -c1001; ");
	ck_assert(!broker_has_hole(broker, &client->hole.client));
	/* Later nobody is believed that he was paired. */
	service->deaf = false;
	service->known = false;
	say(service);
	ck_assert_int_eq(service->word.state, PEER_CLOSED);
}
END_TEST

/* The service died when we did, and another one was started in its place. */
START_TEST(test_restart_replaced)
{
	struct straw *client, *dead, *service, *other = straw_make(PEER_SERVICE, 3);

	pair_of(&client, &dead);
	broker_close(broker);
	broker_start();
	adopt(client, dead, 7);
	adopt(dead, client, 7);
	/* One that was there before, and one elsewhere, say nothing about it. */
	other->hello.heard = 5;
	other->hole.client.addr = dead->hole.client.addr;
	say(other);
	client->hello.lonely = true;
	say(client);
	other = straw_make(PEER_SERVICE, 4);
	say(other);
	run(5000);
	say(client);
	ck_assert_mem_eq(client->word.peer, dead->hello.lane, PEER_LANE);
	service = straw_make(PEER_SERVICE, 5);
	service->hole.client.addr = dead->hole.client.addr;
	say(service);
	client->hello.lonely = false;
	say(client);
	ck_assert_mem_eq(client->word.peer, dead->hello.lane, PEER_LANE);
	told[0] = '\0';
	client->hello.lonely = true;
	say(client);
	run(1000);
	ck_assert_int_eq(client->word.state, PEER_PAIRED);
	ck_assert_mem_eq(client->word.peer, service->hello.lane, PEER_LANE);
	assert_told("-p1002 -c1002; -p1001 -c1001; +c1001 +c1005 +p1001>1005 +p1005>1001; ");
	/* Back to life, it is told that its lane has ended. */
	say(dead);
	ck_assert_int_eq(dead->word.state, PEER_CLOSED);
	assert_events("paired ");
}
END_TEST

/* After a start nobody gets more pairs by saying that they were there. */
START_TEST(test_restart_claims)
{
	struct straw *claims[2];

	for (unsigned int i = 0; i < 20; i++) {
		for (unsigned int role = 0; role < 2; role++) {
			claims[role] = straw_make((enum peer_role)role, 1 + 10 * role + i / 2);
			claims[role]->hole.client.port = (uint16_t)(2000 + 2 * i + role);
			memset(claims[role]->hello.lane, (int)(100 + 2 * i + role), PEER_LANE);
			memset(claims[role]->hello.peer, (int)(100 + 2 * i + !role), PEER_LANE);
		}
		say(claims[0]);
		say(claims[1]);
	}
	ck_assert_uint_eq(broker_counter(broker, BROKER_PAIRED), 4);
	told[0] = '\0';
}
END_TEST

/* Of a stream that has gone, or has another number. */
START_TEST(test_adopt_orphan)
{
	struct straw *client = straw_make(PEER_CLIENT, 1), *service = straw_make(PEER_SERVICE, 2);

	adopt(client, service, 99);
	assert_told("-p1001 -c1001; ");
	stream->spec.peers = 0;
	adopt(client, service, 7);
	assert_told("-p1001 -c1001; ");
	ck_assert(!broker_has_hole(broker, &client->hole.client));
	ck_assert_uint_eq(broker_pairs(broker), 0);
}
END_TEST

static Suite *broker_life_suite(void)
{
	Suite *suite = suite_create("broker_life");
	TCase *tcase = tcase_create("broker_life");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_consent);
	tcase_add_test(tcase, test_expire);
	tcase_add_loop_test(tcase, test_killed, 0, 3);
	tcase_add_test(tcase, test_bye);
	tcase_add_test(tcase, test_roam);
	tcase_add_test(tcase, test_kernel_refuses);
	tcase_add_test(tcase, test_bye_before_commit);
	tcase_add_test(tcase, test_restart_claims);
	tcase_add_test(tcase, test_restart);
	tcase_add_test(tcase, test_restart_moved);
	tcase_add_test(tcase, test_restart_overtaken);
	tcase_add_test(tcase, test_restart_alone);
	tcase_add_test(tcase, test_restart_replaced);
	tcase_add_test(tcase, test_adopt_orphan);
	tcase_add_test(tcase, test_forget);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(broker_life_suite());
}
