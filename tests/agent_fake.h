/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agent_fake: the relay of check_agent*.c, made of stun's writers, and a clock that the test sets.
 */
#ifndef TESTS_AGENT_FAKE_H
#define TESTS_AGENT_FAKE_H

#include <check.h>
#include <string.h>

#include "punchctl/agent.h"
#include "tests/stun_text.h"

#define KEY	  "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I="
#define OTHER_KEY "b3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIgb3Q="
#define SENT_MAX  4096
#define EVENT_MAX 256
#define START_MS  1000000
#define SEQUENCE  1700000000000000u

struct sent {
	unsigned int hole;
	int64_t at_ms;
	bool answered;
	size_t len;
	uint8_t data[STUN_MAX];
};

/* The relay, the network between, and what the agent did. */
static struct fake {
	struct agent agent;
	int64_t now_ms;
	const char *key; /* that the relay knows */
	const char *nonce;
	struct endpoint relay, mapped; /* the port of a mapping is mapped.port + hole */
	bool mute, plain, unproven;    /* the relay: silent; only STUN; errors without integrity */
	uint16_t refuse;	       /* answers so what is proven */
	uint64_t sequence;	       /* smaller ones went back */
	uint32_t consent;
	int send_error;
	unsigned int sent_count, event_count;
	struct sent sent[SENT_MAX];
	struct agent_event events[EVENT_MAX];
} fake;

static inline int fake_send(void *arg, unsigned int hole, const void *data, size_t len)
{
	struct sent *sent = &fake.sent[fake.sent_count];

	ck_assert_ptr_eq(arg, &fake);
	ck_assert_uint_lt(fake.sent_count, SENT_MAX);
	ck_assert_uint_ge(len, PROOF_REQUEST_MIN);
	fake.sent_count++;
	*sent = (struct sent){.hole = hole, .at_ms = fake.now_ms, .len = len};
	memcpy(sent->data, data, len);
	return fake.send_error;
}

static inline void fake_event(void *arg, const struct agent_event *event)
{
	ck_assert_ptr_eq(arg, &fake);
	ck_assert_uint_lt(fake.event_count, EVENT_MAX);
	fake.events[fake.event_count++] = *event;
}

static inline void fake_start(unsigned int count)
{
	struct ports ports = {.count = (uint16_t)count};
	struct agent_config config = {.name = "cam1",
		.key = KEY,
		.ports = &ports,
		.sequence = SEQUENCE,
		.send = fake_send,
		.event = fake_event,
		.arg = &fake};

	memset(&fake, 0, sizeof(fake));
	fake.now_ms = START_MS;
	fake.key = KEY;
	fake.nonce = "obMatJos2AAABfirst";
	fake.consent = 45;
	ck_assert_int_eq(endpoint_parse("203.0.113.7:3478", 0, &fake.relay), 0);
	ck_assert_int_eq(endpoint_parse("192.0.2.9:40000", 0, &fake.mapped), 0);
	config.relay = fake.relay;
	for (unsigned int i = 0; i < count; i++)
		ports.port[i] = (uint16_t)(9099 + i);
	ck_assert_int_eq(agent_init(&fake.agent, &config, fake.now_ms), 0);
}

static inline bool fake_input(const struct sent *sent, const uint8_t *data, size_t len)
{
	struct agent_datagram datagram = {
		.hole = sent->hole, .from = fake.relay, .data = data, .len = len};

	return agent_input(&fake.agent, &datagram, fake.now_ms);
}

static inline void put_challenge(struct buf *buf)
{
	stun_put_text(buf, STUN_REALM, "relayd");
	stun_put_text(buf, STUN_NONCE, fake.nonce);
	stun_put_algorithms(buf);
}

static inline size_t fake_key(const struct stun *request, uint8_t key[static STUN_KEY_MAX])
{
	return stun_key(STUN_SHA256, request->username, request->realm, fake.key, key);
}

/* 0: a success; else the error that this request deserves. */
static inline uint16_t fake_judge(const struct stun *request)
{
	uint8_t key[STUN_KEY_MAX];
	size_t key_len;

	if (!request->integrity256)
		return fake.plain || !request->username.p ? 0 : 401;
	ck_assert_uint_eq(request->algorithm, STUN_SHA256);
	ck_assert_uint_eq(request->algorithms.len, 8);
	ck_assert(request->has_sequence);
	key_len = fake_key(request, key);
	if (!stun_verify(request, key, key_len))
		return 401;
	if (!stun_bytes_equal(request->nonce, fake.nonce))
		return 438;
	if (request->sequence < fake.sequence)
		return 400;
	return fake.refuse;
}

static inline void fake_answer(struct sent *sent)
{
	struct endpoint mapped = fake.mapped;
	uint8_t data[STUN_MAX], key[STUN_KEY_MAX];
	struct stun request;
	struct buf buf;
	uint16_t error;

	sent->answered = true;
	ck_assert_int_eq(stun_parse(sent->data, sent->len, &request), 0);
	error = fake_judge(&request);
	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, error ? STUN_ERROR : STUN_SUCCESS, request.tid);
	mapped.port = (uint16_t)(mapped.port + sent->hole);
	if (error)
		stun_put_error(&buf, error, "so it is");
	else
		stun_put_endpoint(&buf, STUN_XOR_MAPPED_ADDRESS, &mapped);
	if (error == 401 || error == 438)
		put_challenge(&buf);
	else if (error == 400)
		stun_put_sequence(&buf, fake.sequence);
	else if (!error)
		stun_put_consent(&buf, fake.consent);
	if (request.integrity256 && error != 401 && error != 438 && !fake.unproven)
		stun_put_integrity256(&buf, key, fake_key(&request, key));
	ck_assert(fake_input(sent, data, stun_end(&buf)));
}

/* Lets time pass; the relay answers within the same millisecond unless it is mute. */
static inline void fake_run(int64_t ms)
{
	int64_t end = fake.now_ms + ms;

	for (unsigned int turn = 0; turn < 100000; turn++) {
		int64_t due = agent_deadline(&fake.agent);

		if (due > end)
			break;
		if (due > fake.now_ms)
			fake.now_ms = due;
		agent_tick(&fake.agent, fake.now_ms);
		for (unsigned int i = 0; i < fake.sent_count; i++) {
			if (!fake.sent[i].answered && !fake.mute && !fake.send_error)
				fake_answer(&fake.sent[i]);
			fake.sent[i].answered = true;
		}
	}
	fake.now_ms = end;
}

static inline unsigned int events_of(enum agent_event_type type)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < fake.event_count; i++)
		count += fake.events[i].type == type;
	return count;
}

static inline const struct agent_event *event_last(void)
{
	ck_assert_uint_gt(fake.event_count, 0);
	return &fake.events[fake.event_count - 1];
}

static inline void fake_open(unsigned int count)
{
	fake_start(count);
	fake_run(0);
	ck_assert_uint_eq(events_of(AGENT_PUNCHED), count);
	ck_assert_uint_eq(fake.event_count, count);
	ck_assert(agent_is_open(&fake.agent));
}

#endif
