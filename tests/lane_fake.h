/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lane_fake: one lane, and both whom it talks to: the relay and the other, made of stun's writers.
 */
#ifndef TESTS_LANE_FAKE_H
#define TESTS_LANE_FAKE_H

#include <string.h>

#include "common/mac.h"
#include "punchctl/lane.h"
#include "tests/stun_text.h"

/* The fuzzer has another. */
#ifndef FAKE_ASSERT
#include <check.h>
#define FAKE_ASSERT(what) ck_assert(what)
#endif

#define KEY	  "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I="
#define SENT_MAX  8192
#define EVENT_MAX 64
#define START_MS  1000000

struct sent {
	unsigned int socket;
	struct endpoint to;
	uint8_t ttl;
	int64_t at_ms;
	bool seen; /* by the relay */
	size_t len;
	uint8_t data[640];
};

static struct fake {
	struct lane *lane;
	enum peer_role role;
	int64_t now_ms;
	struct endpoint relay, alternate, mapped, other;
	bool mute;	   /* the relay */
	uint16_t refuse;   /* with this error */
	unsigned int most; /* sockets that can be had */
	unsigned int sockets, kept;
	struct peer_word word;
	uint8_t peer[PEER_LANE]; /* the other's lane */
	uint8_t key[STUN_KEY_MAX];
	size_t key_len;
	struct peer_hello hello; /* the newest */
	unsigned int hellos;
	uint64_t sequence; /* that a refusal names */
	uint64_t newest;   /* of the newest hello */
	unsigned int sent_count, event_count;
	struct sent sent[SENT_MAX];
	struct lane_event events[EVENT_MAX];
} fake;

static const uint8_t media[] = {0x80, 1, 2, 3};

/* A lane that begins shares its socket. */
static bool fake_shared;

static inline int fake_send(void *arg, unsigned int socket, const struct endpoint *to, uint8_t ttl,
	const void *data, size_t len)
{
	struct sent *sent = &fake.sent[fake.sent_count++];

	FAKE_ASSERT(arg == &fake);
	FAKE_ASSERT(fake.sent_count < SENT_MAX);
	FAKE_ASSERT(socket <= fake.sockets);
	FAKE_ASSERT(len <= sizeof(sent->data));
	*sent = (struct sent){
		.socket = socket, .to = *to, .ttl = ttl, .at_ms = fake.now_ms, .len = len};
	memcpy(sent->data, data, len);
	return 0;
}

static inline unsigned int fake_sockets(void *arg, unsigned int keep, unsigned int count)
{
	FAKE_ASSERT(arg == &fake);
	FAKE_ASSERT(count <= PEER_SOCKETS_MAX);
	FAKE_ASSERT(keep <= fake.sockets);
	fake.kept = keep;
	fake.sockets = count < fake.most ? count : fake.most;
	return fake.sockets;
}

static inline void fake_event(void *arg, const struct lane_event *event)
{
	FAKE_ASSERT(arg == &fake);
	FAKE_ASSERT(fake.event_count < EVENT_MAX);
	fake.events[fake.event_count++] = *event;
}

static inline const struct lane_event *event_last(void)
{
	FAKE_ASSERT(fake.event_count > 0);
	return &fake.events[fake.event_count - 1];
}

static inline enum lane_verdict fake_input(
	unsigned int socket, const struct endpoint *from, const void *data, size_t len)
{
	return lane_input(fake.lane, socket, from, data, len, fake.now_ms);
}

static inline void relay_error(const struct sent *sent, const struct stun *request, uint16_t code)
{
	uint8_t data[STUN_MAX];
	struct buf buf;

	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, STUN_ERROR, request->tid);
	stun_put_error(&buf, code, "No");
	if (code == 401) {
		stun_put_text(&buf, STUN_REALM, "relayd");
		stun_put_text(&buf, STUN_NONCE, "obMatJos2AAABnonce");
		stun_put_algorithms(&buf);
	} else {
		stun_put_sequence(&buf, fake.sequence);
		stun_put_integrity256(&buf, fake.key, fake.key_len);
	}
	fake_input(sent->socket, &sent->to, data, stun_end(&buf));
}

static inline void relay_success(const struct sent *sent, const struct stun *request, bool proven)
{
	uint8_t data[STUN_MAX], wire[PEER_WIRE];
	struct endpoint mapped = fake.mapped;
	struct buf buf;

	mapped.port = (uint16_t)(mapped.port + sent->socket);
	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, STUN_SUCCESS, request->tid);
	stun_put_endpoint(&buf, STUN_XOR_MAPPED_ADDRESS, &mapped);
	if (proven) {
		stun_put_peer(&buf, wire, peer_word_encode(&fake.word, wire));
		stun_put_integrity256(&buf, fake.key, fake.key_len);
	}
	fake_input(sent->socket, &sent->to, data, stun_end(&buf));
}

static inline void relay_take(const struct sent *sent)
{
	struct stun request;

	FAKE_ASSERT(sent->len >= PROOF_REQUEST_MIN);
	FAKE_ASSERT(stun_parse(sent->data, sent->len, &request) == 0);
	if (!request.username.p) {
		relay_success(sent, &request, false);
		return;
	}
	FAKE_ASSERT(stun_bytes_equal(request.username, "files"));
	if (!request.integrity256) {
		relay_error(sent, &request, 401);
		return;
	}
	fake.key_len = stun_key(STUN_SHA256, request.username, request.realm, KEY, fake.key);
	FAKE_ASSERT(stun_verify(&request, fake.key, fake.key_len));
	FAKE_ASSERT(peer_hello_decode(request.peer.p, request.peer.len, &fake.hello) == 0);
	fake.newest = request.sequence;
	fake.hellos++;
	if (fake.refuse)
		relay_error(sent, &request, fake.refuse);
	else
		relay_success(sent, &request, true);
}

static inline void relay_take_all(void)
{
	for (unsigned int i = 0; i < fake.sent_count; i++) {
		struct sent *sent = &fake.sent[i];

		if (sent->seen || fake.mute)
			continue;
		sent->seen = true;
		if (endpoint_equal(&sent->to, &fake.relay) ||
			(endpoint_equal(&sent->to, &fake.alternate) &&
				sent->len >= PROOF_REQUEST_MIN))
			relay_take(sent);
	}
}

static inline void fake_run(int64_t ms)
{
	int64_t end_ms = fake.now_ms + ms, due;

	for (;;) {
		lane_tick(fake.lane, fake.now_ms);
		relay_take_all();
		due = lane_deadline(fake.lane);
		if (due <= fake.now_ms)
			due = fake.now_ms + 1;
		if (due > end_ms)
			break;
		fake.now_ms = due;
	}
	fake.now_ms = end_ms;
}

static inline void fake_start(enum peer_role role)
{
	struct lane_config config = {.role = role,
		.shared = fake_shared,
		.name = "files",
		.key = KEY,
		.sequence = 50000,
		.send = fake_send,
		.sockets = fake_sockets,
		.event = fake_event,
		.arg = &fake};

	memset(&fake, 0, sizeof(fake));
	fake.role = role;
	fake.now_ms = START_MS;
	fake.most = PEER_SOCKETS_MAX;
	fake.word.serial = 10;
	memset(fake.peer, 0x55, sizeof(fake.peer));
	FAKE_ASSERT(endpoint_parse("203.0.113.7:3478", 0, &fake.relay) == 0);
	FAKE_ASSERT(endpoint_parse("203.0.113.7:3479", 0, &fake.alternate) == 0);
	FAKE_ASSERT(endpoint_parse("192.0.2.9:40000", 0, &fake.mapped) == 0);
	FAKE_ASSERT(endpoint_parse("198.51.100.3:5000", 0, &fake.other) == 0);
	config.relay = fake.relay;
	FAKE_ASSERT(lane_open(&config, fake.now_ms, &fake.lane) == 0);
}

static inline void relay_say(void)
{
	uint8_t data[STUN_MAX], wire[PEER_WIRE], tid[STUN_TID] = {1};
	struct buf buf;

	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, STUN_INDICATION, tid);
	stun_put_sequence(&buf, fake.newest);
	stun_put_peer(&buf, wire, peer_word_encode(&fake.word, wire));
	stun_put_integrity256(&buf, fake.key, fake.key_len);
	fake_input(0, &fake.relay, data, stun_end(&buf));
	relay_take_all();
}

/* Paired, with a first word of it. */
static inline void fake_pair(enum peer_role role)
{
	fake_start(role);
	fake_run(10);
	fake.word.serial++;
	fake.word.state = PEER_PAIRED;
	fake.word.alternate = fake.alternate;
	memcpy(fake.word.peer, fake.peer, PEER_LANE);
	relay_say();
	FAKE_ASSERT(lane_state(fake.lane) == PEER_PAIRED);
}

/* A new round for the lane. */
static inline void fake_round(enum peer_plan plan, uint8_t part, bool go)
{
	fake.word.serial++;
	if (!go || !fake.word.round.number || fake.word.round.go)
		fake.word.round.number++;
	fake.word.round.plan = plan;
	fake.word.round.part = part;
	fake.word.round.go = go;
	if (!fake.word.round.limit_ms)
		fake.word.round.limit_ms = 2000;
	fake.word.round.target_count = 1;
	fake.word.round.targets[0] = fake.other;
	relay_say();
}

static inline void other_sign(struct buf *buf)
{
	uint8_t key[MAC_SHA256];

	if (fake.role == PEER_CLIENT)
		peer_key(KEY, PEER_SERVICE, fake.hello.lane, fake.peer, key);
	else
		peer_key(KEY, PEER_CLIENT, fake.peer, fake.hello.lane, key);
	stun_put_integrity256(buf, key, sizeof(key));
	stun_put_fingerprint(buf);
}

/* A check by the other. */
static inline enum lane_verdict other_check(
	unsigned int socket, const struct endpoint *from, bool choice)
{
	uint8_t data[STUN_MAX], tid[STUN_TID] = {2};
	struct buf buf;

	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, STUN_REQUEST, tid);
	if (choice)
		stun_put(&buf, STUN_USE_CANDIDATE, NULL, 0);
	other_sign(&buf);
	return fake_input(socket, from, data, stun_end(&buf));
}

/* Its answer to what was sent. */
static inline enum lane_verdict other_answer(const struct sent *sent, const struct endpoint *from)
{
	uint8_t data[STUN_MAX];
	struct buf buf;

	FAKE_ASSERT(sent->data[0] == 0);
	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, STUN_SUCCESS, sent->data + 8);
	stun_put_endpoint(&buf, STUN_XOR_MAPPED_ADDRESS, &fake.mapped);
	other_sign(&buf);
	return fake_input(sent->socket, from, data, stun_end(&buf));
}

/* The newest request that went there; NULL: none. */
static inline struct sent *sent_to(const struct endpoint *to)
{
	for (unsigned int i = fake.sent_count; i-- > 0;) {
		if (endpoint_equal(&fake.sent[i].to, to) && fake.sent[i].data[0] == 0)
			return &fake.sent[i];
	}
	return NULL;
}

/* How many requests went there since the first-th datagram. */
static inline unsigned int sent_count(unsigned int first, const struct addr *to)
{
	unsigned int count = 0;

	for (unsigned int i = first; i < fake.sent_count; i++)
		count += addr_equal(&fake.sent[i].to.addr, to) && fake.sent[i].data[0] == 0;
	return count;
}

#endif
