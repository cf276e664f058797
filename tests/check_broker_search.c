/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The search of a direct path, round by round. */
#include "tests/broker_straw.h"
#include "tests/suite.h"

static void wait_round(struct straw *a, struct straw *b, enum peer_plan plan, bool go)
{
	for (int i = 0; i < 100000; i++) {
		if (a->word.round.plan == plan && b->word.round.plan == plan &&
			a->word.round.go == go && b->word.round.go == go &&
			a->word.round.number == b->word.round.number)
			return;
		run(10);
	}
	ck_abort_msg("no such round");
}

/* A punch comes at once, at one time for both whatever their distance, and is remembered. */
START_TEST(test_punch)
{
	struct straw *client, *service;
	int64_t fire[2];

	pair_of(&client, &service);
	nat_set(client, NAT_MAPPING_ENDPOINT, NAT_ALLOCATION_UNKNOWN, 0);
	nat_set(service, NAT_MAPPING_ENDPOINT, NAT_ALLOCATION_UNKNOWN, 0);
	client->hello.rtt_ms = 20;
	service->hello.rtt_ms = 300;
	run(20000);
	ck_assert_uint_eq(client->word.round.number, 0);
	/* Either of them wants it. */
	service->hello.wants_direct = true;
	say(client);
	say(service);
	run(1);
	ck_assert_int_eq(client->word.round.plan, PEER_PUNCH);
	ck_assert(client->word.round.go && service->word.round.go);
	fire[0] = client->word_ms + client->hello.rtt_ms / 2 + client->word.round.delay_ms;
	fire[1] = service->word_ms + service->hello.rtt_ms / 2 + service->word.round.delay_ms;
	ck_assert_int_eq(fire[0], fire[1]);
	ck_assert_uint_eq(client->word.round.target_count, 1);
	ck_assert(endpoint_equal(&client->word.round.targets[0], &service->hole.client));
	ck_assert(endpoint_equal(&service->word.round.targets[0], &client->hole.client));
	report(client, PEER_DIRECT, 0);
	report(service, PEER_DIRECT, 0);
	assert_events("direct ");
	ck_assert_uint_eq(broker_counter(broker, BROKER_DIRECT), 1);
	run(100000);
	ck_assert_uint_eq(client->word.round.number, 1);
}
END_TEST

/* The delay shrinks with every repetition of the word. */
START_TEST(test_delay)
{
	struct straw *client, *service;

	pair_of(&client, &service);
	nat_set(client, NAT_MAPPING_ENDPOINT, NAT_ALLOCATION_UNKNOWN, 0);
	nat_set(service, NAT_MAPPING_ENDPOINT, NAT_ALLOCATION_UNKNOWN, 0);
	service->hello.rtt_ms = 200;
	say(service);
	client->deaf = true;
	say(client);
	client->hello.wants_direct = true;
	say(client);
	run(50);
	client->deaf = false;
	run(200);
	ck_assert(client->word.round.go);
	ck_assert_int_eq(client->word_ms + client->hello.rtt_ms / 2 + client->word.round.delay_ms,
		service->word_ms + service->hello.rtt_ms / 2 + service->word.round.delay_ms);
}
END_TEST

/* Prepare, both ready, go with what the others have sampled. */
START_TEST(test_predict)
{
	struct straw *client, *service;
	int64_t ready_ms;

	pair_of(&client, &service);
	client->hello.wants_direct = true;
	nat_set(client, NAT_MAPPING_ENDPOINT, NAT_ALLOCATION_UNKNOWN, 0);
	nat_set(service, NAT_MAPPING_PORT, NAT_ALLOCATION_SEQUENTIAL, 2);
	say(service);
	say(client);
	wait_round(client, service, PEER_PREDICT, false);
	ck_assert_uint_eq(client->word.round.part, 0);
	ck_assert_uint_eq(service->word.round.part, 1);
	report(client, PEER_READY, 1001);
	ck_assert(!service->word.round.go);
	report(service, PEER_READY, 50000);
	ready_ms = now_ms;
	run(1);
	ck_assert(client->word.round.go && service->word.round.go);
	ck_assert_uint_eq(client->word.round.last, 50000);
	ck_assert_int_eq(client->word.round.step, 2);
	ck_assert_int_le(client->word_ms - ready_ms, 1);
	report(service, PEER_DIRECT, 0);
	assert_events("direct ");
	ck_assert_uint_eq(broker_counter(broker, BROKER_FAILED), 0);
}
END_TEST

/* Nobody says READY: then without. Nobody says FAILED: then so much the later. */
START_TEST(test_silent_rounds)
{
	struct straw *client, *service;

	pair_of(&client, &service);
	client->hello.wants_direct = true;
	nat_set(client, NAT_MAPPING_PORT, NAT_ALLOCATION_SEQUENTIAL, 1);
	nat_set(service, NAT_MAPPING_PORT, NAT_ALLOCATION_SEQUENTIAL, -1);
	say(client);
	say(service);
	wait_round(client, service, PEER_STEP, false);
	ck_assert_uint_eq(broker_counter(broker, BROKER_FAILED), 0);
	wait_round(client, service, PEER_STEP, true);
	ck_assert_uint_eq(client->word.round.last, 1002);
	ck_assert_uint_eq(service->word.round.last, 1001);
	run(120000);
	ck_assert_uint_ge(broker_counter(broker, BROKER_FAILED), 5);
}
END_TEST

/* Random and random: one punch, and then no more until something changes. */
START_TEST(test_hopeless)
{
	struct straw *client, *service;
	uint32_t round;

	pair_of(&client, &service);
	client->hello.wants_direct = true;
	nat_set(client, NAT_MAPPING_PORT, NAT_ALLOCATION_RANDOM, 0);
	nat_set(service, NAT_MAPPING_PORT, NAT_ALLOCATION_RANDOM, 0);
	say(client);
	say(service);
	run(600000);
	ck_assert_uint_eq(broker_counter(broker, BROKER_HOPELESS), 1);
	ck_assert_uint_eq(broker_counter(broker, BROKER_FAILED), 1);
	ck_assert_int_eq(client->word.state, PEER_PAIRED);
	round = client->word.round.number;
	nat_set(service, NAT_MAPPING_ENDPOINT, NAT_ALLOCATION_UNKNOWN, 0);
	say(service);
	run(1000);
	ck_assert_uint_gt(client->word.round.number, round);
	/* Another network is another chance. */
	nat_set(service, NAT_MAPPING_PORT, NAT_ALLOCATION_RANDOM, 0);
	say(service);
	run(600000);
	ck_assert_uint_eq(broker_counter(broker, BROKER_HOPELESS), 2);
	round = client->word.round.number;
	client->hole.client = endpoint("198.51.100.1:7000");
	say(client);
	run(11000);
	ck_assert_uint_gt(client->word.round.number, round);
}
END_TEST

/* Its client wants a direct path, and its service is behind such a NAT. */
static void seeking_pair(struct straw **client, struct straw **service, enum nat_mapping mapping,
	enum nat_allocation allocation)
{
	pair_of(client, service);
	(*client)->hello.wants_direct = true;
	nat_set(*client, NAT_MAPPING_ENDPOINT, NAT_ALLOCATION_UNKNOWN, 0);
	nat_set(*service, mapping, allocation, 0);
	say(*client);
	say(*service);
}

/* What has failed is tried again after half a minute, a minute, ... ten minutes. */
START_TEST(test_backoff)
{
	struct straw *client, *service;
	uint64_t failed;

	seeking_pair(&client, &service, NAT_MAPPING_ENDPOINT, NAT_ALLOCATION_UNKNOWN);
	run(25000);
	ck_assert_uint_eq(broker_counter(broker, BROKER_FAILED), 2);
	run(30000);
	ck_assert_uint_eq(broker_counter(broker, BROKER_FAILED), 4);
	run(3600000);
	failed = broker_counter(broker, BROKER_FAILED);
	ck_assert_uint_ge(failed, 16);
	ck_assert_uint_le(failed, 22);
	/* Nobody wants it any more. */
	client->hello.wants_direct = false;
	say(client);
	run(3600000);
	ck_assert_uint_le(broker_counter(broker, BROKER_FAILED), failed + 2);
}
END_TEST

/* A direct path that is lost is looked for again, soon, by the plan that worked. */
START_TEST(test_lost)
{
	struct straw *client, *service;

	seeking_pair(&client, &service, NAT_MAPPING_PORT, NAT_ALLOCATION_RANDOM);
	wait_round(client, service, PEER_BIRTHDAY, false);
	report(client, PEER_READY, 0);
	report(service, PEER_READY, 0);
	wait_round(client, service, PEER_BIRTHDAY, true);
	report(client, PEER_DIRECT, 0);
	report(service, PEER_DIRECT, 0);
	run(60000);
	report(client, PEER_IDLE, 0);
	run(1900);
	ck_assert(client->word.round.go);
	run(200);
	ck_assert_int_eq(client->word.round.plan, PEER_BIRTHDAY);
	ck_assert(!client->word.round.go);
	assert_events("direct relayed ");
}
END_TEST

/* Its report changes all the time: the other is not made to search all the time. */
START_TEST(test_fickle)
{
	struct straw *client, *service;
	uint64_t first, failed;

	seeking_pair(&client, &service, NAT_MAPPING_ENDPOINT, NAT_ALLOCATION_UNKNOWN);
	for (unsigned int i = 0; i < 3600; i++) {
		service->hello.nat.ports.step = (int32_t)(i % 2);
		say(service);
		run(1000);
		if (i == 600)
			first = broker_counter(broker, BROKER_FAILED);
	}
	failed = broker_counter(broker, BROKER_FAILED);
	ck_assert_uint_le(first, 24);
	ck_assert_uint_le(failed - first, 24);
}
END_TEST

/* It alone says again and again that there is a path, and that it is lost. */
START_TEST(test_boast)
{
	struct straw *client, *service;
	unsigned int rounds = 0;
	uint32_t round = 0;

	seeking_pair(&client, &service, NAT_MAPPING_PORT, NAT_ALLOCATION_RANDOM);
	for (unsigned int i = 0; i < 3600; i++) {
		run(1000);
		if (client->word.round.go && client->word.round.number != round) {
			round = client->word.round.number;
			rounds++;
			report(service, PEER_DIRECT, 0);
			run(31000);
			report(service, PEER_IDLE, 0);
		}
	}
	ck_assert_uint_ge(rounds, 4);
	ck_assert_uint_le(rounds, 14);
}
END_TEST

/* Behind one public address there is one search at a time; the others follow in order. */
START_TEST(test_queue)
{
	static const char *const clients[] = {
		"198.51.100.1:1", "198.51.100.1:2", "198.51.100.1:3", "198.51.100.2:4"};
	struct straw *client[4];
	unsigned int begun;

	for (unsigned int i = 0; i < 4; i++) {
		say(straw_make(PEER_SERVICE, 10 + i));
		client[i] = straw_make(PEER_CLIENT, 1 + i);
		client[i]->hole.client = endpoint(clients[i]);
		say(client[i]);
		run(1000);
		ck_assert_int_eq(client[i]->word.state, PEER_PAIRED);
	}
	for (unsigned int i = 0; i < 4; i++) {
		client[i]->hello.wants_direct = true;
		say(client[i]);
		run(1);
	}
	ck_assert(client[0]->word.round.go && client[3]->word.round.go);
	for (begun = 1; begun < 3; begun++) {
		ck_assert_uint_eq(client[begun]->word.round.number, 0);
		report(client[begun - 1], PEER_DIRECT, 0);
		run(1);
		ck_assert(client[begun]->word.round.go);
	}
	ck_assert_uint_eq(client[2]->word.round.number, 1);
}
END_TEST

static bool has_target(const struct straw *straw, const char *text)
{
	const struct endpoint want = endpoint(text);

	for (size_t i = 0; i < straw->word.round.target_count; i++)
		if (endpoint_equal(&straw->word.round.targets[i], &want))
			return true;
	return false;
}

/* The client tells lies about where it is; nobody is sent anywhere else. */
START_TEST(test_lies)
{
	static const char *const hosts[] = {"127.0.0.1:5000", "203.0.113.7:5000", "8.8.8.8:5000",
		"192.168.1.5:5000", "224.0.0.1:5000", "192.0.2.1:53", "192.0.2.1:6000",
		"192.168.7.7:5000"};
	struct straw *client, *service;

	for (size_t first = 0; first < sizeof(hosts) / sizeof(hosts[0]); first += 4) {
		tear_down();
		set_up();
		pair_of(&client, &service);
		nat_set(client, NAT_MAPPING_ENDPOINT, NAT_ALLOCATION_UNKNOWN, 0);
		client->hello.host_count = 4;
		for (size_t i = 0; i < 4; i++)
			client->hello.hosts[i] = endpoint(hosts[first + i]);
		client->hello.gateway = endpoint("192.0.2.99:5000");
		client->hello.wants_direct = true;
		say(client);
		run(10);
		ck_assert(service->word.round.go);
		ck_assert(has_target(service, "192.0.2.1:1001"));
		ck_assert_uint_eq(service->word.round.target_count, first ? 2 : 1);
		ck_assert(has_target(service, "192.0.2.1:6000") == (first != 0));
	}
}
END_TEST

/* Behind one public address they are told each other's private ones. */
START_TEST(test_neighbours)
{
	static const char *const hosts[] = {
		"127.0.0.1:5000", "192.168.1.5:5000", "169.254.1.1:5000", "192.168.7.7:5000"};
	struct straw *client = straw_make(PEER_CLIENT, 1), *service = straw_make(PEER_SERVICE, 2);

	service->hole.client.addr = client->hole.client.addr;
	client->hello.wants_direct = true;
	client->hello.host_count = 4;
	for (size_t i = 0; i < 4; i++)
		client->hello.hosts[i] = endpoint(hosts[i]);
	client->hello.gateway = endpoint("192.0.2.1:7000");
	say(service);
	say(client);
	run(200);
	ck_assert(service->word.round.go);
	ck_assert_uint_eq(service->word.round.target_count, 3);
	ck_assert(has_target(service, "192.0.2.1:1001"));
	ck_assert(has_target(service, "192.168.1.5:5000"));
	ck_assert(has_target(service, "192.0.2.1:7000"));
}
END_TEST

static Suite *broker_search_suite(void)
{
	Suite *suite = suite_create("broker_search");
	TCase *tcase = tcase_create("broker_search");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_punch);
	tcase_add_test(tcase, test_delay);
	tcase_add_test(tcase, test_predict);
	tcase_add_test(tcase, test_silent_rounds);
	tcase_add_test(tcase, test_hopeless);
	tcase_add_test(tcase, test_backoff);
	tcase_add_test(tcase, test_lost);
	tcase_add_test(tcase, test_fickle);
	tcase_add_test(tcase, test_boast);
	tcase_add_test(tcase, test_queue);
	tcase_add_test(tcase, test_lies);
	tcase_add_test(tcase, test_neighbours);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(broker_search_suite());
}
