/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check_agent_forged: what reaches the agent from others than its relay is to change nothing. */
#include "tests/agent_fake.h"
#include "tests/suite.h"

/* Forged by somebody who does not know the key: each is to change nothing. */
static void forge(const struct sent *sent, uint16_t type, uint16_t error, bool integrity)
{
	uint8_t data[STUN_MAX], key[STUN_KEY_MAX] = {1};
	struct stun request;
	struct buf buf;

	ck_assert_int_eq(stun_parse(sent->data, sent->len, &request), 0);
	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, type, request.tid);
	if (error)
		stun_put_error(&buf, error, "forged");
	stun_put_endpoint(&buf, STUN_XOR_MAPPED_ADDRESS, &fake.relay);
	stun_put_sequence(&buf, UINT64_MAX - 1);
	if (error == 401 || error == 438)
		put_challenge(&buf);
	if (integrity)
		stun_put_integrity256(&buf, key, sizeof(key));
	ck_assert(fake_input(sent, data, stun_end(&buf)));
}

START_TEST(test_forged)
{
	const uint16_t errors[] = {400, 403, 437, 500, 508};
	struct sent *sent;

	fake_start(1);
	agent_tick(&fake.agent, fake.now_ms);
	fake_answer(&fake.sent[0]);
	sent = &fake.sent[1];
	forge(sent, STUN_SUCCESS, 0, false);
	forge(sent, STUN_SUCCESS, 0, true);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		forge(sent, STUN_ERROR, errors[i], false);
		forge(sent, STUN_ERROR, errors[i], true);
	}
	ck_assert_uint_eq(fake.event_count, 0);
	ck_assert_uint_eq(fake.sent_count, 2);
	/* A forged 401 costs a request. */
	forge(sent, STUN_ERROR, 401, false);
	ck_assert_uint_eq(fake.sent_count, 3);
	forge(&fake.sent[2], STUN_ERROR, 401, false);
	ck_assert_uint_eq(fake.event_count, 0);
	fake_answer(&fake.sent[2]);
	ck_assert_uint_eq(events_of(AGENT_PUNCHED), 1);
}
END_TEST

START_TEST(test_not_ours)
{
	struct agent_datagram datagram = {.hole = 0};
	uint8_t rtp[40] = {0x80, 96};

	fake_start(2);
	agent_tick(&fake.agent, fake.now_ms);
	/* Another source, although it knows everything; media; a request. */
	datagram.data = fake.sent[0].data;
	datagram.len = fake.sent[0].len;
	datagram.from = fake.mapped;
	ck_assert(!agent_input(&fake.agent, &datagram, fake.now_ms));
	datagram.from = fake.relay;
	ck_assert(!agent_input(&fake.agent, &datagram, fake.now_ms));
	datagram.data = rtp;
	datagram.len = sizeof(rtp);
	ck_assert(!agent_input(&fake.agent, &datagram, fake.now_ms));
	/* The answer to another hole's request is taken, and not heeded. */
	fake.sent[0].hole = 1;
	fake_answer(&fake.sent[0]);
	ck_assert_uint_eq(fake.sent_count, 2);
}
END_TEST

/* Answers cut off at every length, and with every byte changed. */
START_TEST(test_broken_answers)
{
	struct sent sent;
	uint8_t copy[STUN_MAX];

	fake_open(1);
	sent = fake.sent[1];
	for (size_t len = 0; len <= sent.len; len++)
		fake_input(&sent, sent.data, len);
	for (size_t i = 0; i < sent.len; i++) {
		memcpy(copy, sent.data, sent.len);
		copy[0] = 1;
		copy[i] ^= 0xff;
		fake_input(&sent, copy, sent.len);
	}
	ck_assert_uint_eq(fake.event_count, 1);
}
END_TEST

static Suite *forged_suite(void)
{
	Suite *suite = suite_create("agent_forged");
	TCase *tcase = tcase_create("agent_forged");

	tcase_add_test(tcase, test_forged);
	tcase_add_test(tcase, test_not_ours);
	tcase_add_test(tcase, test_broken_answers);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(forged_suite());
}
