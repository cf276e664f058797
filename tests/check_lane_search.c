/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The search: checks and their answers, and the sockets of each plan. */
#include <string.h>

#include "punchctl/lane_inner.h"
#include "tests/lane_fake.h"
#include "tests/suite.h"

/* An answer to a check that we never made, to one for another address, or to an old one. */
START_TEST(test_answers)
{
	struct endpoint elsewhere = fake.other;
	struct sent *sent;

	fake_pair(PEER_SERVICE);
	elsewhere = fake.other;
	elsewhere.port++;
	fake_round(PEER_PUNCH, 0, true);
	fake_run(150);
	sent = sent_to(&fake.other);
	ck_assert_int_eq(other_answer(sent, &elsewhere), LANE_FOREIGN);
	sent->data[12] ^= 1;
	ck_assert_int_eq(other_answer(sent, &fake.other), LANE_FOREIGN);
	sent->data[12] ^= 1;
	fake.now_ms += 4000;
	ck_assert_int_eq(other_answer(sent, &fake.other), LANE_FOREIGN);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* Nobody else is answered, nor is what was ours, sent back to us. */
START_TEST(test_strangers)
{
	uint8_t data[STUN_MAX], tid[STUN_TID] = {3};
	unsigned int first;
	struct sent *sent;
	struct buf buf;

	fake_pair(PEER_CLIENT);
	ck_assert_int_eq(fake_input(0, &fake.other, media, sizeof(media)), LANE_FOREIGN);
	first = fake.sent_count;
	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, STUN_REQUEST, tid);
	stun_put_fingerprint(&buf);
	ck_assert_int_eq(fake_input(0, &fake.other, data, stun_end(&buf)), LANE_FOREIGN);
	ck_assert_uint_eq(fake.sent_count, first);
	fake_round(PEER_PUNCH, 0, true);
	fake_run(150);
	sent = sent_to(&fake.other);
	first = fake.sent_count;
	ck_assert_int_eq(fake_input(0, &fake.other, sent->data, sent->len), LANE_FOREIGN);
	for (size_t len = 0; len < sent->len; len++)
		ck_assert_int_ne(fake_input(0, &fake.other, sent->data, len), LANE_TAKEN);
	ck_assert_uint_eq(fake.sent_count, first);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* Who has the key of the other, and names others as the source of what it sends. */
START_TEST(test_reflection)
{
	unsigned int foreign = 0, sent = 0, first;
	struct endpoint victim;

	fake_pair(_i ? PEER_SERVICE : PEER_CLIENT);
	fake_round(PEER_PUNCH, 0, true);
	fake_run(150);
	first = fake.sent_count;
	for (unsigned int i = 0; i < 1000; i++) {
		ck_assert_int_eq(endpoint_parse("198.51.100.77:53", 0, &victim), 0);
		victim.addr.bytes[3] = (uint8_t)(77 + i % 100);
		foreign += other_check(0, &victim, true) == LANE_FOREIGN;
		fake_run(3);
	}
	for (unsigned int i = first; i < fake.sent_count; i++)
		sent += fake.sent[i].to.port == 53;
	ck_assert_uint_eq(sent, LANE_STRAYS);
	ck_assert_uint_gt(foreign, 900);
	/* The other itself is answered as ever. */
	ck_assert_int_eq(other_check(0, &fake.other, false), LANE_TAKEN);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* Checks from all its ports do not make us send more than a round may. */
START_TEST(test_checks)
{
	struct endpoint from;
	unsigned int first;

	fake_pair(PEER_CLIENT);
	fake_round(PEER_PUNCH, 0, true);
	first = fake.sent_count;
	from = fake.other;
	for (unsigned int i = 0; i < 3000; i++) {
		from.port = (uint16_t)(2000 + i);
		ck_assert_int_eq(other_check(0, &from, false), LANE_TAKEN);
		fake.now_ms++;
		lane_tick(fake.lane, fake.now_ms);
	}
	ck_assert_uint_le(sent_count(first, &fake.other.addr), PEER_PROBES_MAX);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* The first probes see our own NATs only. */
START_TEST(test_opener)
{
	struct nat_report nat = {.mapping = NAT_MAPPING_ENDPOINT, .opener_ttl = 3};
	unsigned int low = 0, first;

	fake_pair(PEER_CLIENT);
	lane_set_nat(fake.lane, &nat);
	fake.word.round.delay_ms = 200;
	first = fake.sent_count;
	fake_round(PEER_PUNCH, 0, true);
	fake_run(5000);
	for (unsigned int i = first; i < fake.sent_count; i++) {
		if (!endpoint_equal(&fake.sent[i].to, &fake.other))
			continue;
		if (fake.sent[i].ttl == 3)
			low++;
		else
			ck_assert_uint_ge(low, 2);
	}
	ck_assert_uint_eq(low, 2);
	ck_assert_int_eq(event_last()->type, LANE_NO_PATH);
	ck_assert_int_eq(fake.hello.progress, PEER_FAILED);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* A fresh socket, a sample of its ports, and the mapping right behind it. */
START_TEST(test_predict)
{
	unsigned int first;

	fake_pair(PEER_CLIENT);
	first = fake.sent_count;
	fake_round(PEER_PREDICT, 1, false);
	ck_assert_uint_eq(fake.sockets, 1);
	ck_assert(endpoint_equal(&fake.sent[first].to, &fake.alternate));
	ck_assert(endpoint_equal(&fake.sent[first + 1].to, &fake.relay));
	ck_assert(endpoint_equal(&fake.sent[first + 2].to, &fake.other));
	ck_assert_uint_gt(fake.sent[first + 2].ttl, 0);
	fake_run(1);
	ck_assert_int_eq(fake.hello.progress, PEER_READY);
	ck_assert_uint_eq(fake.hello.last, fake.mapped.port + 1);
	first = fake.sent_count;
	fake_round(PEER_PREDICT, 1, true);
	fake_run(1000);
	ck_assert_uint_ge(sent_count(first, &fake.other.addr), 4);
	other_check(1, &fake.other, false);
	other_answer(sent_to(&fake.other), &fake.other);
	other_answer(sent_to(&fake.other), &fake.other);
	ck_assert(lane_is_direct(fake.lane));
	ck_assert_uint_eq(fake.sockets, 1);
	ck_assert_uint_eq(fake.kept, 1);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

START_TEST(test_no_socket)
{
	fake_pair(PEER_CLIENT);
	fake.most = 0;
	fake_round(PEER_STEP, 1, false);
	fake_run(1);
	ck_assert_int_eq(fake.hello.progress, PEER_FAILED);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* Ports in steps that wrap around. */
START_TEST(test_step)
{
	static const uint16_t ports[2][3] = {{65533, 1024, 1027}, {65533, 1027, 1033}};
	struct endpoint to = {0};
	unsigned int first;

	fake_pair(PEER_CLIENT);
	to = fake.other;
	fake_round(PEER_STEP, (uint8_t)_i, false);
	fake_run(1);
	fake.word.round.last = 65530;
	fake.word.round.step = 3;
	fake.word.round.count = 3;
	first = fake.sent_count;
	fake_round(PEER_STEP, (uint8_t)_i, true);
	fake_run(4000);
	ck_assert_uint_eq(sent_count(first, &fake.other.addr), 3 * 4);
	for (unsigned int i = 0; i < 3; i++) {
		to.port = ports[_i][i];
		ck_assert_ptr_nonnull(sent_to(&to));
		ck_assert_uint_eq(sent_to(&to)->socket, 1);
	}
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* Every port of the range, once, in no order. */
START_TEST(test_birthday_tries)
{
	static uint8_t seen[UINT16_MAX + 1];
	unsigned int first, count = 0, ordered = 0;
	uint16_t before = 0;

	memset(seen, 0, sizeof(seen));
	fake_pair(PEER_CLIENT);
	fake.word.round.count = 512;
	fake.word.round.pace_ms = 2;
	fake.word.round.low = 40000;
	fake.word.round.high = 40511;
	first = fake.sent_count;
	fake_round(PEER_BIRTHDAY, 0, true);
	fake_run(3000);
	for (unsigned int i = first; i < fake.sent_count; i++) {
		uint16_t port = fake.sent[i].to.port;

		if (!addr_equal(&fake.sent[i].to.addr, &fake.other.addr))
			continue;
		ck_assert(port >= 40000 && port <= 40511 && !seen[port]);
		seen[port] = 1;
		ordered += port == before + 1;
		before = port;
		count++;
	}
	ck_assert_uint_eq(count, 512);
	ck_assert_uint_lt(ordered, 20);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

START_TEST(test_birthday_sockets)
{
	bool used[PEER_SOCKETS_MAX + 1] = {false};
	unsigned int first;

	fake_pair(PEER_CLIENT);
	fake.word.round.count = 100;
	fake_round(PEER_BIRTHDAY, 1, false);
	ck_assert_uint_eq(fake.sockets, 0);
	fake_run(1);
	ck_assert_int_eq(fake.hello.progress, PEER_READY);
	first = fake.sent_count;
	fake_round(PEER_BIRTHDAY, 1, true);
	fake_run(500);
	for (unsigned int i = first; i < fake.sent_count; i++)
		used[fake.sent[i].socket] = true;
	for (unsigned int i = 1; i <= 100; i++)
		ck_assert(used[i]);
	/* One of them is found: the others go. */
	other_check(77, &fake.other, false);
	other_answer(&fake.sent[fake.sent_count - 1], &fake.other);
	other_answer(&fake.sent[fake.sent_count - 1], &fake.other);
	ck_assert(lane_is_direct(fake.lane));
	ck_assert_uint_eq(fake.kept, 77);
	ck_assert_uint_eq(fake.sockets, 1);
	ck_assert_int_eq(fake_input(1, &fake.other, media, sizeof(media)), LANE_DATA);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

static const char *const unfair[] = {"127.0.0.1:99", "224.0.0.1:99", "0.0.0.0:99",
	"255.255.255.255:99", "169.254.1.1:99", "[::1]:99", "[ff02::1]:99", "203.0.113.7:99"};

START_TEST(test_unfair_target)
{
	struct endpoint target;

	fake_pair(PEER_CLIENT);
	ck_assert_int_eq(endpoint_parse(unfair[_i], 0, &target), 0);
	fake.other = target;
	fake_round(PEER_PUNCH, 0, true);
	fake_run(3000);
	ck_assert_ptr_null(sent_to(&target));
	ck_assert_int_eq(fake.hello.progress, PEER_FAILED);
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

/* A relay that wants all at once, and for ever. */
START_TEST(test_limits)
{
	unsigned int first;
	int64_t began_ms;

	fake_pair(PEER_CLIENT);
	fake.word.round.count = PEER_PROBES_MAX;
	fake.word.round.pace_ms = 0;
	fake.word.round.last = 2000;
	fake.word.round.step = 1;
	fake_round(PEER_STEP, 0, false);
	fake_run(1);
	first = fake.sent_count;
	began_ms = fake.now_ms;
	fake.word.round.limit_ms = UINT32_MAX;
	fake_round(PEER_STEP, 0, true);
	fake_run(30000);
	ck_assert_uint_eq(sent_count(first, &fake.other.addr), PEER_PROBES_MAX - LANE_CHECKS);
	for (unsigned int i = first; i < fake.sent_count; i++) {
		if (addr_equal(&fake.sent[i].to.addr, &fake.other.addr))
			ck_assert_int_ge(fake.sent[i].at_ms, began_ms + (i - first) * 2 - 4);
	}
	lane_close(fake.lane, fake.now_ms);
}
END_TEST

static Suite *lane_search_suite(void)
{
	Suite *suite = suite_create("lane_search");
	TCase *tcase = tcase_create("lane_search");

	tcase_add_test(tcase, test_answers);
	tcase_add_test(tcase, test_strangers);
	tcase_add_loop_test(tcase, test_reflection, 0, 2);
	tcase_add_test(tcase, test_checks);
	tcase_add_test(tcase, test_opener);
	tcase_add_test(tcase, test_predict);
	tcase_add_test(tcase, test_no_socket);
	tcase_add_loop_test(tcase, test_step, 0, 2);
	tcase_add_test(tcase, test_birthday_tries);
	tcase_add_test(tcase, test_birthday_sockets);
	tcase_add_loop_test(tcase, test_unfair_target, 0, sizeof(unfair) / sizeof(unfair[0]));
	tcase_add_test(tcase, test_limits);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(lane_search_suite());
}
