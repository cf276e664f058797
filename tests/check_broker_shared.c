/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lanes that share one socket. */
#include <errno.h>
#include <string.h>

#include "tests/broker_straw.h"
#include "tests/suite.h"

/* Two lanes of one socket, paired with peers 1 and 4. */
static void shared_pairs(struct straw *clients[static 2], struct straw *services[static 2])
{
	for (unsigned int i = 0; i < 2; i++) {
		services[i] = straw_make(PEER_SERVICE, 2 + i);
		services[i]->hole.client = endpoint("192.0.2.2:1002");
		services[i]->hole.punch.port = i ? 3490 : 3478;
		services[i]->hello.shared = true;
		clients[i] = straw_make(PEER_CLIENT, i ? 4 : 1);
	}
	say(services[0]);
	ck_assert_uint_eq(services[0]->word.share_low, 3490);
	ck_assert_uint_eq(services[0]->word.share_high, 3493);
	say(clients[0]);
	run(1000);
	ck_assert_uint_eq(clients[0]->word.share_low, 0);
	assert_told("+c1001 +c1002 +p1001>1002 +p1002>1001; ");
	port_of_1002 = 3490;
	say(services[1]);
	say(clients[1]);
	run(1000);
	assert_told("+c1004 +c1002@3490 +p1004>1002 +p1002>1004@3490; ");
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert_int_eq(services[i]->word.state, PEER_PAIRED);
		ck_assert_int_eq(clients[i]->word.state, PEER_PAIRED);
		ck_assert(clients[i]->word.pinned && !services[i]->word.pinned);
		ck_assert_mem_eq(clients[i]->word.peer, services[i]->hello.lane, PEER_LANE);
	}
}

/* The consent of the socket ends with the last of its lanes. */
START_TEST(test_shared)
{
	struct straw *clients[2], *services[2];

	shared_pairs(clients, services);
	clients[0]->hello.bye = true;
	say(clients[0]);
	run(1000);
	assert_told("-p1001 -p1002 -c1001; ");
	ck_assert_int_eq(services[0]->word.state, PEER_CLOSED);
	ck_assert_int_eq(services[1]->word.state, PEER_PAIRED);
	clients[1]->hello.bye = true;
	say(clients[1]);
	run(1000);
	assert_told("-p1004 -p1002@3490 -c1004 -c1002@3490; ");
	ck_assert(!broker_has_hole(broker, &services[0]->hole.client));
}
END_TEST

/* A lane may begin anew at its hole; who does not share has the socket alone, and no stranger. */
START_TEST(test_shared_again)
{
	struct straw *clients[2], *services[2], *again, *alone;

	shared_pairs(clients, services);
	again = straw_make(PEER_SERVICE, 5);
	again->hole = services[1]->hole;
	again->hello.shared = true;
	services[1]->sequence = 0;
	say(again);
	run(100);
	assert_told("-p1004 -p1002@3490 -c1004; ");
	ck_assert_int_eq(again->word.state, PEER_WAITING);
	ck_assert_int_eq(services[0]->word.state, PEER_PAIRED);
	again->stream = other_stream;
	memset(again->hello.lane, 6, PEER_LANE);
	again->hole.punch.port = 3491;
	ck_assert_int_eq(try_say(again), -EADDRINUSE);
	again->sequence = 0;
	alone = straw_make(PEER_SERVICE, 7);
	alone->hole.client = services[0]->hole.client;
	alone->hole.punch.port = 3492;
	say(alone);
	run(100);
	assert_told("-p1001 -p1002 -c1001 -c1002; ");
	ck_assert_int_eq(services[0]->word.state, PEER_CLOSED);
	ck_assert_uint_eq(broker_offers(broker, stream), 1);
}
END_TEST

static void shared_restart(struct straw *clients[static 2], struct straw *services[static 2])
{
	shared_pairs(clients, services);
	broker_close(broker);
	broker_start();
	for (unsigned int i = 0; i < 2; i++) {
		adopt(clients[i], services[i], 7);
		adopt(services[i], clients[i], 7);
	}
}

/* relayd was restarted: what it finds is each pair's own. */
START_TEST(test_shared_restart)
{
	struct straw *clients[2], *services[2];

	shared_restart(clients, services);
	for (unsigned int i = 0; i < 2; i++) {
		say(clients[i]);
		say(services[i]);
	}
	run(2 * CONSENT_MS);
	ck_assert_ptr_null(strstr(told, "-p"));
	ck_assert_ptr_null(strstr(told, "+c"));
	for (unsigned int i = 0; i < 2; i++)
		ck_assert_int_eq(clients[i]->word.state, PEER_PAIRED);
}
END_TEST

/* And of one that has not come back the socket's consent stays. */
START_TEST(test_shared_restart_alone)
{
	struct straw *clients[2], *services[2];

	shared_restart(clients, services);
	clients[0]->deaf = services[0]->deaf = true;
	say(clients[1]);
	say(services[1]);
	run(2 * CONSENT_MS);
	ck_assert_ptr_nonnull(strstr(told, "-p1001"));
	ck_assert_ptr_nonnull(strstr(told, "-c1001"));
	ck_assert_ptr_nonnull(strstr(told, "-p1002;"));
	ck_assert_ptr_null(strstr(told, "-c1002"));
	ck_assert_int_eq(clients[1]->word.state, PEER_PAIRED);
}
END_TEST

/* Of a service behind a NAT like that only the socket's own mapping is known: a punch, or the
 * relay. */
START_TEST(test_shared_hopeless)
{
	struct straw *clients[2], *services[2];

	shared_pairs(clients, services);
	clients[0]->hello.wants_direct = true;
	nat_set(clients[0], NAT_MAPPING_ENDPOINT, NAT_ALLOCATION_UNKNOWN, 0);
	nat_set(services[0], NAT_MAPPING_PORT, NAT_ALLOCATION_RANDOM, 0);
	say(services[0]);
	say(clients[0]);
	run(600000);
	ck_assert_uint_eq(broker_counter(broker, BROKER_HOPELESS), 1);
	ck_assert_int_eq(clients[0]->word.state, PEER_PAIRED);
	ck_assert_int_le(clients[0]->word.round.plan, PEER_PUNCH);
}
END_TEST

static void sample(const char *client, uint64_t packets)
{
	struct rules_client counted = {
		.client = endpoint(client), .packets = packets, .bytes = 100 * packets};

	broker_sample(broker, &counted, now_ms);
}

static void assert_carried(uint64_t packets, int64_t media_ms)
{
	ck_assert_uint_eq(stream->carried.packets, packets);
	ck_assert_uint_eq(stream->carried.bytes, 100 * packets);
	ck_assert_int_eq(stream->carried.media_ms, media_ms);
}

/* A socket has one counter in the kernel, which is made anew with it, and outlives relayd. */
START_TEST(test_shared_counts)
{
	struct straw *clients[2], *services[2];
	struct rules_spot spots[PEERS];
	size_t at = 0;
	int64_t then_ms;

	ck_assert_uint_eq(broker_spots(broker, &at, spots, PEERS), 0);
	shared_pairs(clients, services);
	at = 0;
	ck_assert_uint_eq(broker_spots(broker, &at, spots, 2), 2);
	ck_assert_uint_eq(broker_spots(broker, &at, spots, PEERS), 1);
	ck_assert_uint_eq(broker_spots(broker, &at, spots, PEERS), 0);
	sample("192.0.2.2:1002", 10);
	assert_carried(10, 0);
	ck_assert_uint_eq(stream->carried.rated_bytes, 1000);
	sample("192.0.2.2:1002", 15);
	then_ms = now_ms;
	assert_carried(15, then_ms);
	run(1000);
	sample("192.0.2.2:1002", 15);
	sample("192.0.2.99:1002", 99);
	assert_carried(15, then_ms);
	clients[0]->hello.bye = true;
	say(clients[0]);
	sample("192.0.2.1:1001", 99);
	sample("192.0.2.2:1002", 3);
	assert_carried(18, now_ms);
	ck_assert_uint_eq(stream->carried.rated_bytes, 1000);
	ck_assert_int_eq(stream_state(stream, now_ms), STREAM_LIVE);
	ck_assert_int_eq(stream_state(stream, now_ms + STREAM_LIVE_MS), STREAM_WAITING);
}
END_TEST

static Suite *broker_shared_suite(void)
{
	Suite *suite = suite_create("broker_shared");
	TCase *tcase = tcase_create("broker_shared");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_shared);
	tcase_add_test(tcase, test_shared_again);
	tcase_add_test(tcase, test_shared_restart);
	tcase_add_test(tcase, test_shared_restart_alone);
	tcase_add_test(tcase, test_shared_hopeless);
	tcase_add_test(tcase, test_shared_counts);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(broker_shared_suite());
}
