/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "tests/agent_fake.h"
#include "tests/stun_text.h"
#include "tests/suite.h"

START_TEST(test_punch)
{
	struct stun request;

	fake_open(1);
	ck_assert_uint_eq(fake.sent_count, 2);
	ck_assert_int_eq(stun_parse(fake.sent[0].data, fake.sent[0].len, &request), 0);
	ck_assert(stun_bytes_equal(request.username, "cam1:9099"));
	ck_assert_ptr_null(request.realm.p);
	ck_assert_uint_eq(request.integrity256, 0);
	ck_assert_int_eq(stun_parse(fake.sent[1].data, fake.sent[1].len, &request), 0);
	ck_assert(stun_bytes_equal(request.username, "cam1:9099"));
	ck_assert_uint_gt(request.sequence, SEQUENCE);
	ck_assert_uint_eq(event_last()->port, 9099);
	ck_assert(endpoint_equal(&event_last()->mapped, &fake.mapped));
}
END_TEST

START_TEST(test_retransmit)
{
	const int64_t at[] = {0, 250, 750, 1750, 3750, 7750, 12750, 17750};

	fake_start(1);
	fake.mute = true;
	fake_run(2999);
	ck_assert_uint_eq(fake.event_count, 0);
	fake_run(17750 - 2999);
	ck_assert_uint_eq(fake.event_count, 1);
	ck_assert_int_eq(event_last()->type, AGENT_SILENT);
	ck_assert_uint_eq(event_last()->code, 0);
	ck_assert_uint_eq(fake.sent_count, 8);
	for (unsigned int i = 0; i < 8; i++) {
		ck_assert_int_eq(fake.sent[i].at_ms, START_MS + at[i]);
		ck_assert_mem_eq(fake.sent[i].data, fake.sent[0].data, fake.sent[0].len);
	}
	fake.mute = false;
	fake_run(5000);
	ck_assert_int_eq(event_last()->type, AGENT_PUNCHED);
	ck_assert_uint_eq(fake.event_count, 2);
}
END_TEST

START_TEST(test_stale_nonce)
{
	fake_open(1);
	fake.nonce = "obMatJos2AAABsecond";
	fake_run(20000);
	/* The keepalive, its refusal, and at once the same with the new nonce. */
	ck_assert_uint_ge(fake.sent_count, 4);
	ck_assert_int_eq(fake.sent[3].at_ms, fake.sent[2].at_ms);
	ck_assert_uint_eq(fake.event_count, 1);
}
END_TEST

/* A relay that finds every nonce stale is not flooded. */
START_TEST(test_stale_for_ever)
{
	fake_start(1);
	fake.refuse = 438;
	fake_run(20000);
	ck_assert_uint_le(fake.sent_count, 26);
	ck_assert_uint_eq(fake.event_count, 1);
	ck_assert_int_eq(event_last()->type, AGENT_SILENT);
	ck_assert_uint_eq(event_last()->code, 438);
}
END_TEST

START_TEST(test_wrong_key)
{
	fake_start(2);
	fake.key = OTHER_KEY;
	fake_run(4900);
	ck_assert_uint_eq(fake.event_count, 0);
	fake_run(3000);
	ck_assert_uint_eq(events_of(AGENT_FAILED), 2);
	ck_assert_uint_eq(fake.event_count, 2);
	ck_assert_uint_eq(event_last()->code, 401);
	ck_assert_str_eq(event_last()->reason, "so it is");
	ck_assert_uint_le(fake.sent_count, 20);
	ck_assert_int_eq(agent_deadline(&fake.agent), INT64_MAX);
	agent_set_key(&fake.agent, OTHER_KEY);
	fake_run(0);
	ck_assert_uint_eq(events_of(AGENT_PUNCHED), 2);
}
END_TEST

/* The operator changes the key of a stream that is punched. */
START_TEST(test_changed_key)
{
	fake_open(1);
	fake.key = OTHER_KEY;
	fake_run(30000);
	ck_assert_int_eq(event_last()->type, AGENT_FAILED);
	ck_assert_uint_eq(event_last()->code, 401);
}
END_TEST

START_TEST(test_moved)
{
	unsigned int before;

	fake_open(4);
	before = fake.sent_count;
	fake.mapped.port = 50000;
	fake_run(12000);
	while (fake.sent_count == before)
		fake_run(1000);
	/* The first keepalive that finds it takes the others along. */
	ck_assert_uint_eq(events_of(AGENT_MOVED), 4);
	ck_assert_uint_eq(event_last()->old.port, 40000 + event_last()->hole);
	ck_assert_uint_eq(event_last()->mapped.port, 50000 + event_last()->hole);
	ck_assert_uint_eq(fake.sent_count, before + 4);
	for (unsigned int i = before; i < fake.sent_count; i++)
		ck_assert_int_eq(fake.sent[i].at_ms, fake.sent[before].at_ms);
}
END_TEST

START_TEST(test_pause)
{
	fake_start(2);
	agent_pause(&fake.agent, 0);
	agent_pause(&fake.agent, 1);
	ck_assert_int_eq(agent_deadline(&fake.agent), INT64_MAX);
	fake_run(60000);
	ck_assert_uint_eq(fake.sent_count + fake.event_count, 0);
	agent_resume(&fake.agent, 1, fake.now_ms);
	fake_run(60000);
	ck_assert_uint_eq(events_of(AGENT_PUNCHED), 1);
	ck_assert(!agent_is_open(&fake.agent));
	agent_resume(&fake.agent, 0, fake.now_ms);
	fake_run(0);
	ck_assert_uint_eq(events_of(AGENT_PUNCHED), 2);
	ck_assert(agent_is_open(&fake.agent));
}
END_TEST

/* A program that was away is nobody's fault: the relay is not lost, and the hole is as it was. */
START_TEST(test_pause_open)
{
	unsigned int before;

	fake_open(1);
	agent_tick(&fake.agent, fake.agent.holes[0].next_ms);
	agent_pause(&fake.agent, 0); /* a request is on its way */
	fake_run(600000);
	before = fake.sent_count;
	agent_resume(&fake.agent, 0, fake.now_ms);
	fake_run(0);
	ck_assert_uint_eq(fake.sent_count, before + 1);
	ck_assert_uint_eq(fake.event_count, 1);
	agent_pause(&fake.agent, 0);
	fake.mapped.port++;
	agent_resume(&fake.agent, 0, fake.now_ms);
	fake_run(0);
	ck_assert_uint_eq(events_of(AGENT_MOVED), 1);
	ck_assert_uint_eq(fake.event_count, 2);
}
END_TEST

START_TEST(test_sequence_back)
{
	struct stun request;

	fake_start(1);
	fake.sequence = SEQUENCE + 1000000;
	fake_run(0);
	ck_assert_uint_eq(fake.event_count, 1);
	ck_assert_int_eq(event_last()->type, AGENT_PUNCHED);
	ck_assert_uint_eq(fake.sent_count, 3);
	ck_assert_int_eq(stun_parse(fake.sent[2].data, fake.sent[2].len, &request), 0);
	ck_assert_uint_eq(request.sequence, SEQUENCE + 1000001);
}
END_TEST

START_TEST(test_keepalive)
{
	int64_t gap;

	fake_open(1);
	fake_run(600000);
	ck_assert_uint_gt(fake.sent_count, 30);
	for (unsigned int i = 2; i < fake.sent_count; i++) {
		gap = fake.sent[i].at_ms - fake.sent[i - 1].at_ms;
		ck_assert_int_ge(gap, 12000);
		ck_assert_int_le(gap, 18000);
	}
	fake.consent = 12;
	fake_run(20000);
	fake.sent_count = 0;
	fake_run(60000);
	for (unsigned int i = 1; i < fake.sent_count; i++) {
		gap = fake.sent[i].at_ms - fake.sent[i - 1].at_ms;
		ck_assert_int_ge(gap, 3200);
		ck_assert_int_le(gap, 4800);
	}
	ck_assert_uint_eq(fake.event_count, 1);
}
END_TEST

START_TEST(test_lost_and_back)
{
	fake_open(4);
	fake.mute = true;
	fake_run(44999);
	ck_assert_uint_eq(fake.event_count, 4);
	fake_run(100000);
	ck_assert_uint_eq(fake.event_count, 5);
	ck_assert_int_eq(event_last()->type, AGENT_LOST);
	ck_assert_int_eq(event_last()->ms, 45000);
	fake.mute = false;
	fake_run(AGENT_RETRY_MS);
	ck_assert_uint_eq(fake.event_count, 6);
	ck_assert_int_eq(event_last()->type, AGENT_BACK);
}
END_TEST

START_TEST(test_many_ports)
{
	uint64_t last = 0;
	struct stun request;

	fake_open(AGENT_HOLES);
	for (unsigned int i = 0; i < fake.sent_count; i++) {
		ck_assert_int_eq(stun_parse(fake.sent[i].data, fake.sent[i].len, &request), 0);
		if (!request.has_sequence)
			continue;
		ck_assert_uint_gt(request.sequence, last);
		last = request.sequence;
	}
}
END_TEST

START_TEST(test_refused)
{
	fake_start(1);
	fake.refuse = 403;
	fake_run(1000);
	ck_assert_uint_eq(fake.event_count, 1);
	ck_assert_int_eq(event_last()->type, AGENT_FAILED);
	ck_assert_uint_eq(event_last()->code, 403);

	/* What may pass is tried again, and so is all that once went well. */
	fake_start(1);
	fake.refuse = 508;
	fake_run(30000);
	ck_assert_uint_eq(fake.event_count, 1);
	ck_assert_int_eq(event_last()->type, AGENT_REFUSED);
	ck_assert_uint_le(fake.sent_count, 12);
	fake.refuse = 0;
	fake_run(AGENT_RETRY_MS);
	ck_assert_int_eq(event_last()->type, AGENT_PUNCHED);
	fake.refuse = 403;
	fake_run(60000);
	ck_assert_int_eq(event_last()->type, AGENT_REFUSED);
	ck_assert_uint_eq(fake.event_count, 3);
}
END_TEST

START_TEST(test_conflict)
{
	fake_start(1);
	fake.refuse = 437;
	fake_run(60000);
	ck_assert_uint_eq(events_of(AGENT_CONFLICT), 5);
	ck_assert_int_eq(event_last()->type, AGENT_FAILED);
	ck_assert_uint_eq(event_last()->code, 437);
}
END_TEST

/* A socket that is not ours to change waits until the relay has forgotten the other port. */
START_TEST(test_conflict_fixed)
{
	fake_start(1);
	fake.agent.config.fixed = true;
	fake.refuse = 437;
	fake_run(30000);
	ck_assert_uint_eq(fake.event_count, 1);
	ck_assert_int_eq(event_last()->type, AGENT_REFUSED);
	ck_assert_uint_eq(event_last()->code, 437);
	ck_assert_uint_le(fake.sent_count, 12);
	fake.refuse = 0;
	fake_run(5000);
	ck_assert_int_eq(event_last()->type, AGENT_PUNCHED);
}
END_TEST

START_TEST(test_unreachable)
{
	fake_start(2);
	fake.send_error = -ENETUNREACH;
	fake_run(1000);
	ck_assert_uint_eq(fake.event_count, 1);
	ck_assert_int_eq(event_last()->type, AGENT_UNREACHABLE);
	ck_assert_int_eq(event_last()->error, ENETUNREACH);
	fake.send_error = 0;
	fake_run(5000);
	ck_assert_uint_eq(events_of(AGENT_PUNCHED), 2);
	fake.send_error = -ENETUNREACH;
	fake_run(20000);
	fake.send_error = 0;
	fake_run(20000);
	ck_assert_uint_eq(events_of(AGENT_UNREACHABLE), 2);
	ck_assert_int_eq(event_last()->type, AGENT_BACK);
}
END_TEST

START_TEST(test_plain_stun)
{
	fake_start(1);
	fake.plain = true;
	fake_run(20000);
	ck_assert_uint_eq(fake.event_count, 1);
	ck_assert_int_eq(event_last()->type, AGENT_SILENT);
	ck_assert_uint_eq(event_last()->code, 200);
}
END_TEST

static void media_flow(unsigned int count, int64_t gap_ms)
{
	for (unsigned int i = 0; i < count; i++) {
		fake_run(gap_ms);
		agent_media(&fake.agent, 0, 1, fake.now_ms);
	}
}

/* Among what was sent, for a keepalive may fall into the same time. */
static bool sent_at(int64_t at_ms)
{
	for (unsigned int i = 0; i < fake.sent_count; i++)
		if (fake.sent[i].at_ms == at_ms)
			return true;
	return false;
}

START_TEST(test_silence)
{
	const int64_t at[] = {250, 2000, 4000};
	int64_t last;

	fake_open(1);
	media_flow(100, 20);
	last = fake.now_ms;
	fake.sent_count = 0;
	fake_run(11000);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert(sent_at(last + at[i]));
	/* A slower stream may pause longer. */
	media_flow(100, 100);
	last = fake.now_ms;
	fake.sent_count = 0;
	fake_run(1000);
	ck_assert(sent_at(last + 500));
	/* Reports every five seconds are no flow. */
	fake.sent_count = 0;
	media_flow(40, 5000);
	ck_assert_uint_le(fake.sent_count, 200 / 12 + 1);
	ck_assert_uint_eq(fake.event_count, 1);
}
END_TEST

/* The NAT has lost its table in the middle of the stream. */
START_TEST(test_silence_moved)
{
	fake_open(2);
	media_flow(100, 20);
	fake.mapped.port = 50000;
	fake_run(1000);
	ck_assert_uint_eq(events_of(AGENT_MOVED), 2);
}
END_TEST

START_TEST(test_silence_lost)
{
	fake_open(1);
	media_flow(100, 20);
	fake.mute = true;
	fake_run(4000);
	ck_assert_int_eq(event_last()->type, AGENT_LOST);
}
END_TEST

static Suite *agent_suite(void)
{
	Suite *suite = suite_create("agent");
	TCase *tcase = tcase_create("agent");

	tcase_add_test(tcase, test_punch);
	tcase_add_test(tcase, test_retransmit);
	tcase_add_test(tcase, test_stale_nonce);
	tcase_add_test(tcase, test_stale_for_ever);
	tcase_add_test(tcase, test_wrong_key);
	tcase_add_test(tcase, test_changed_key);
	tcase_add_test(tcase, test_moved);
	tcase_add_test(tcase, test_pause);
	tcase_add_test(tcase, test_pause_open);
	tcase_add_test(tcase, test_sequence_back);
	tcase_add_test(tcase, test_keepalive);
	tcase_add_test(tcase, test_lost_and_back);
	tcase_add_test(tcase, test_many_ports);
	tcase_add_test(tcase, test_refused);
	tcase_add_test(tcase, test_conflict);
	tcase_add_test(tcase, test_conflict_fixed);
	tcase_add_test(tcase, test_unreachable);
	tcase_add_test(tcase, test_plain_stun);
	tcase_add_test(tcase, test_silence);
	tcase_add_test(tcase, test_silence_moved);
	tcase_add_test(tcase, test_silence_lost);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(agent_suite());
}
