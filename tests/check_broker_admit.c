/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is let in, and how many. */
#include <errno.h>
#include <string.h>

#include "tests/broker_straw.h"
#include "tests/suite.h"

static uint64_t sequence_of(const struct straw *straw, uint64_t said)
{
	const struct broker_hello hello = {
		.hole = straw->hole, .hello = &straw->hello, .sequence = said};

	return broker_sequence(broker, &hello);
}

START_TEST(test_sequence)
{
	struct straw *client, *service;
	struct peer_word word;

	pair_of(&client, &service);
	/* Sent again: the same answer, and nothing happens. */
	ck_assert_int_eq(hello_send(client, client->sequence, &word), 0);
	ck_assert_int_eq(word.state, PEER_PAIRED);
	ck_assert_uint_eq(word.serial, client->word.serial);
	ck_assert_int_eq(hello_send(client, client->sequence - 1, &word), -ESTALE);
	ck_assert_uint_eq(sequence_of(client, 1), client->sequence);
	/* From elsewhere by who has seen it. */
	client->hole.client.port = 4444;
	ck_assert_int_eq(hello_send(client, client->sequence, &word), -ESTALE);
	ck_assert_uint_eq(sequence_of(client, client->sequence), client->sequence);
	/* Who has not is not told it, for words can be forged with it. */
	ck_assert_int_eq(hello_send(client, 1, &word), -ESTALE);
	ck_assert_uint_eq(sequence_of(client, 1), 0);
	assert_told("");
}
END_TEST

/* A lane is its own stream's and role's, and a hole one lane's. */
START_TEST(test_strangers)
{
	struct straw *client, *service, *thief;

	pair_of(&client, &service);
	thief = straw_make(PEER_CLIENT, 3);
	memcpy(thief->hello.lane, client->hello.lane, PEER_LANE);
	thief->stream = other_stream;
	thief->sequence = client->sequence + 100;
	ck_assert_int_eq(try_say(thief), -EPERM);
	thief->stream = stream;
	thief->hello.role = PEER_SERVICE;
	ck_assert_int_eq(try_say(thief), -EPERM);
	thief = straw_make(PEER_CLIENT, 4);
	thief->stream = other_stream;
	thief->hole = client->hole;
	ck_assert_int_eq(try_say(thief), -EADDRINUSE);
	ck_assert_uint_eq(broker_counter(broker, BROKER_FOREIGN), 3);
	assert_told("");
	/* Without peers there are none. */
	other_stream->spec.peers = 0;
	thief = straw_make(PEER_CLIENT, 5);
	thief->stream = other_stream;
	ck_assert_int_eq(try_say(thief), -EPERM);
}
END_TEST

/* The hole of a stream's client is nobody else's. */
START_TEST(test_hole_of_stream)
{
	struct straw *client = straw_make(PEER_CLIENT, 1);
	bool moved;

	ck_assert_int_eq(
		slot_claim(&table, other_stream->slots[0], &client->hole, now_ms, &moved), 0);
	ck_assert_int_eq(try_say(client), -EADDRINUSE);
}
END_TEST

/* The program was started again, with the same socket. */
START_TEST(test_same_hole)
{
	struct straw *client, *service, *again;

	pair_of(&client, &service);
	again = straw_make(PEER_CLIENT, 3);
	again->hole = client->hole;
	client->sequence = 0; /* it is no more */
	say(again);
	run(3000);
	ck_assert_int_eq(service->word.state, PEER_CLOSED);
	/* What its forerunner is told does not reach it. */
	ck_assert_int_eq(again->word.state, PEER_WAITING);
	ck_assert_uint_eq(again->pushed, 0);
}
END_TEST

/* As many as the stream has places for, and no more; the others come to no harm. */
START_TEST(test_limits)
{
	unsigned int accepted = 0, busy = 0;
	struct straw *straw;

	for (unsigned int i = 0; i < 1000; i++) {
		straw = straw_make(i % 2 ? PEER_CLIENT : PEER_SERVICE, 1);
		memset(straw->hello.lane, 0xee, PEER_LANE);
		memcpy(straw->hello.lane, &i, sizeof(i));
		straw->hole.client.port = (uint16_t)(2000 + i);
		straw->deaf = true;
		if (try_say(straw) == 0)
			accepted++;
		else
			busy++;
		now_ms += 10;
	}
	ck_assert_uint_eq(accepted + busy, 1000);
	ck_assert_uint_le(accepted, 2 * 4 + 2 * BROKER_OFFERS + 16);
	ck_assert_uint_le(broker_offers(broker, stream), BROKER_OFFERS);
	straws[1].sequence = 0;
	/* The other stream's service is taken as ever. */
	straw = straw_make(PEER_SERVICE, 2);
	straw->stream = other_stream;
	say(straw);
	ck_assert_uint_eq(broker_offers(broker, other_stream), 1);
}
END_TEST

/* A lane in reserve gives its place, and its service, to one that has data. */
START_TEST(test_spare)
{
	struct straw *clients[4], *spare, *last;
	unsigned int left = 0;

	for (unsigned int i = 0; i < 4; i++) {
		say(straw_make(PEER_SERVICE, 10 + i));
		clients[i] = straw_make(PEER_CLIENT, 1 + i);
		clients[i]->hello.spare = i % 2;
		say(clients[i]);
	}
	run(1000);
	/* One more is not for those who only want to have one. */
	spare = straw_make(PEER_CLIENT, 5);
	spare->hello.spare = true;
	ck_assert_int_eq(try_say(spare), -EBUSY);
	spare->sequence = 0;
	told[0] = '\0';
	for (unsigned int i = 0; i < 2; i++) {
		last = straw_make(PEER_CLIENT, 6 + i);
		say(last);
		run(1000);
		ck_assert_int_eq(last->word.state, PEER_PAIRED);
	}
	for (unsigned int i = 0; i < 4; i++) {
		ck_assert_int_eq(clients[i]->word.state, i % 2 ? PEER_CLOSED : PEER_PAIRED);
		left += straws[10 + i].word.state == PEER_PAIRED;
	}
	ck_assert_uint_eq(left, 4);
	last = straw_make(PEER_CLIENT, 8);
	ck_assert_int_eq(try_say(last), -EBUSY);
	last->sequence = 0;
	/* In use after all: it is not to be had any more. */
	ck_assert_ptr_null(strstr(told, "-c1001"));
	ck_assert_ptr_null(strstr(told, "-c1003"));
}
END_TEST

static void count_spare(void *data, const struct broker_pair *pair)
{
	unsigned int *count = data;

	*count += pair->spare;
}

/* The places that are waited for are given away too, and services that are short. */
START_TEST(test_spare_waits)
{
	struct straw *used, *spare, *waits, *last;
	unsigned int spares = 0;

	say(straw_make(PEER_SERVICE, 10));
	say(straw_make(PEER_SERVICE, 11));
	used = straw_make(PEER_CLIENT, 1);
	say(used);
	spare = straw_make(PEER_CLIENT, 2);
	spare->hello.spare = true;
	say(spare);
	run(1000);
	ck_assert_int_eq(spare->word.state, PEER_PAIRED);
	broker_each(broker, stream, count_spare, &spares);
	ck_assert_uint_eq(spares, 1);
	waits = straw_make(PEER_CLIENT, 3);
	waits->hello.spare = true;
	say(waits);
	run(1000);
	ck_assert_int_eq(waits->word.state, PEER_WAITING);
	/* There are places, but no service. */
	last = straw_make(PEER_CLIENT, 4);
	say(last);
	run(900);
	ck_assert_int_eq(last->word.state, PEER_WAITING);
	ck_assert_int_eq(spare->word.state, PEER_PAIRED);
	run(300);
	ck_assert_int_eq(last->word.state, PEER_PAIRED);
	ck_assert_int_eq(spare->word.state, PEER_CLOSED);
	ck_assert_int_eq(used->word.state, PEER_PAIRED);
	ck_assert_int_eq(waits->word.state, PEER_WAITING);
	/* Places that somebody waits for. */
	say(straw_make(PEER_CLIENT, 5));
	run(100);
	ck_assert_int_eq(waits->word.state, PEER_WAITING);
	say(straw_make(PEER_CLIENT, 6));
	run(100);
	ck_assert_int_eq(waits->word.state, PEER_CLOSED);
	ck_assert_int_eq(straws[6].word.state, PEER_WAITING);
	say(straw_make(PEER_SERVICE, 12));
	say(straw_make(PEER_SERVICE, 13));
	run(1000);
	ck_assert_int_eq(straws[5].word.state, PEER_PAIRED);
	ck_assert_int_eq(straws[6].word.state, PEER_PAIRED);
}
END_TEST

/* Many at a time: most of them are put off. */
START_TEST(test_flood)
{
	unsigned int accepted = 0;
	struct straw *straw;

	stream->spec.peers = 1024;
	for (unsigned int i = 0; i < 2000; i++) {
		straw = straw_make(i % 2 ? PEER_CLIENT : PEER_SERVICE, 1);
		memset(straw->hello.lane, 0xee, PEER_LANE);
		memcpy(straw->hello.lane, &i, sizeof(i));
		straw->hole.client.port = (uint16_t)(2000 + i);
		straw->deaf = true;
		accepted += try_say(straw) == 0;
	}
	ck_assert_uint_ge(accepted, 400);
	ck_assert_uint_le(accepted, 600);
	told[0] = '\0';
}
END_TEST

static Suite *broker_admit_suite(void)
{
	Suite *suite = suite_create("broker_admit");
	TCase *tcase = tcase_create("broker_admit");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_sequence);
	tcase_add_test(tcase, test_strangers);
	tcase_add_test(tcase, test_hole_of_stream);
	tcase_add_test(tcase, test_same_hole);
	tcase_add_test(tcase, test_limits);
	tcase_add_test(tcase, test_spare);
	tcase_add_test(tcase, test_spare_waits);
	tcase_add_test(tcase, test_flood);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(broker_admit_suite());
}
