/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hellos of peers on their way to the broker, and what they are answered. */
#include <errno.h>
#include <string.h>

#include "relayd/punch.h"
#include "tests/endpoint.h"
#include "tests/suite.h"

#define NOW	   ((int64_t)100000000)
#define CONSENT_MS 45000
#define KEY	   "MDEyMzQ1Njc4OWFiY2RlZg=="
#define RELAY	   "203.0.113.7:3478"

static struct stream_table table;
static struct stream *media, *peers;
static struct punch punch;
static struct punch_answer answer;
static struct stun reply;
static struct peer_word word;
static uint8_t key[STUN_KEY_MAX];
static size_t key_len;

/* What is asked; what is NULL or 0 is left out. */
struct ask {
	const char *user, *source, *key;
	const char *local; /* where it arrives; NULL: RELAY */
	uint64_t sequence;
	struct peer_hello hello;
	bool cut; /* a byte of the hello is missing */
	bool punch;
};

static int apply(void *arg, const struct rules_op *ops, size_t count,
	void (*done)(void *data, int error), void *data)
{
	(void)arg, (void)ops, (void)count, (void)done, (void)data;
	return 0;
}

static void push(void *arg, const struct hole *hole, const void *data, size_t len)
{
	(void)arg, (void)hole, (void)data, (void)len;
}

static struct stream *stream_make(const char *name, const char *listen, uint16_t pairs)
{
	struct stream *stream;
	char why[SPEC_WHY];
	struct spec spec;

	ck_assert_int_eq(spec_init(&spec, name, why), 0);
	if (listen)
		ck_assert_int_eq(spec_set_listen(&spec, listen, why), 0);
	ck_assert_int_eq(spec_set_key(&spec, KEY, why), 0);
	spec.peers = pairs;
	ck_assert_int_eq(stream_add(&table, &spec, 1, &stream, why), 0);
	return stream;
}

static void set_up(void)
{
	static const bool both[STREAM_FAMILIES] = {true, true};
	const struct broker_config config = {
		.table = &table, .consent_ms = CONSENT_MS, .apply = apply, .send = push};

	ck_assert_int_eq(stream_table_init(&table, both, CONSENT_MS), 0);
	media = stream_make("cam1", "9099", 0);
	peers = stream_make("web", NULL, 2);
	punch_init(&punch, &table, "relayd", NOW);
	ck_assert_int_eq(broker_open(&config, &punch.broker), 0);
}

static void tear_down(void)
{
	broker_close(punch.broker);
	stream_table_fini(&table);
}

static struct ask ask_make(uint8_t lane, enum peer_role role)
{
	struct ask ask = {.user = "web",
		.source = "192.0.2.9:40123",
		.key = KEY,
		.sequence = 1000,
		.hello = {.role = role}};

	memset(ask.hello.lane, lane, PEER_LANE);
	return ask;
}

static void ask_send(const struct ask *ask)
{
	const struct nonce_binding binding = {
		endpoint(ask->source), endpoint(ask->local ? ask->local : RELAY)};
	struct punch_packet packet = {.source = binding.source, .local = binding.local};
	struct stun_bytes user = {(const uint8_t *)ask->user, (uint16_t)strlen(ask->user)};
	struct stun_bytes realm = {(const uint8_t *)"relayd", 6};
	uint8_t data[STUN_MAX], message[PEER_WIRE];
	size_t len = peer_hello_encode(&ask->hello, message);
	char nonce[NONCE_TEXT];
	struct buf buf;

	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, STUN_REQUEST, (const uint8_t *)"transactions");
	nonce_make(&punch.nonce, &binding, true, NOW, nonce);
	stun_put_text(&buf, STUN_USERNAME, ask->user);
	stun_put_text(&buf, STUN_REALM, "relayd");
	stun_put_text(&buf, STUN_NONCE, nonce);
	stun_put_algorithms(&buf);
	stun_put_algorithm(&buf, STUN_SHA256);
	if (ask->sequence)
		stun_put_sequence(&buf, ask->sequence);
	if (!ask->punch)
		stun_put_peer(&buf, message, len - ask->cut * 4);
	key_len = stun_key(STUN_SHA256, user, realm, ask->key, key);
	stun_put_integrity256(&buf, key, key_len);
	packet.data = data;
	packet.len = stun_end(&buf);
	punch_handle(&punch, &packet, NOW, &answer);
	ck_assert_uint_gt(answer.len, 0);
	ck_assert_int_eq(stun_parse(answer.data, answer.len, &reply), 0);
}

static void assert_word(const struct ask *ask, enum peer_state state)
{
	const struct endpoint source = endpoint(ask->source);

	ask_send(ask);
	ck_assert_int_eq(reply.type, STUN_SUCCESS);
	ck_assert(stun_verify(&reply, key, key_len));
	ck_assert(endpoint_equal(&reply.mapped, &source));
	ck_assert_uint_eq(reply.consent, CONSENT_MS / 1000);
	ck_assert_uint_eq(reply.sequence, ask->sequence);
	ck_assert_ptr_null(answer.slot);
	ck_assert_int_eq(peer_word_decode(reply.peer.p, reply.peer.len, &word), 0);
	ck_assert_int_eq(word.state, state);
}

static void assert_refused(const struct ask *ask, uint16_t code)
{
	ask_send(ask);
	ck_assert_int_eq(reply.type, STUN_ERROR);
	ck_assert_uint_eq(reply.error, code);
	ck_assert(code == 401 || stun_verify(&reply, key, key_len));
	ck_assert_uint_eq(table.holes, 0);
}

/* Known to the relay; the stream has not a single port. */
START_TEST(test_hello)
{
	struct ask ask = ask_make(1, PEER_SERVICE);

	ck_assert_uint_eq(peers->slot_count, 0);
	assert_word(&ask, PEER_WAITING);
	ck_assert_uint_eq(broker_offers(punch.broker, peers), 1);
	ck_assert_uint_eq(punch.counts[PUNCH_PEER], 1);
	ck_assert_uint_eq(table.holes, 0);
	/* Sent again, and a new one. */
	assert_word(&ask, PEER_WAITING);
	ask.sequence++;
	ask.hello.bye = true;
	assert_word(&ask, PEER_CLOSED);
	ck_assert_uint_eq(broker_offers(punch.broker, peers), 0);
}
END_TEST

START_TEST(test_replayed)
{
	struct ask ask = ask_make(1, PEER_SERVICE);

	assert_word(&ask, PEER_WAITING);
	ask.sequence--;
	assert_refused(&ask, 400);
	ck_assert(reply.has_sequence);
	ck_assert_uint_eq(reply.sequence, 1000);
	ck_assert_uint_eq(punch.counts[PUNCH_REPLAYED], 1);
}
END_TEST

START_TEST(test_senseless)
{
	struct ask ask = ask_make(1, PEER_SERVICE);

	ask.cut = true;
	assert_refused(&ask, 400);
	ck_assert(!reply.has_sequence);
	ask.cut = false;
	ask.sequence = 0;
	assert_refused(&ask, 400);
	ck_assert_uint_eq(punch.counts[PUNCH_INCOMPLETE], 2);
	ck_assert_uint_eq(broker_offers(punch.broker, peers), 0);
}
END_TEST

/* Not a word to who has not got the key, not even whether there is such a stream. */
START_TEST(test_unproven)
{
	struct ask ask = ask_make(1, PEER_SERVICE);
	uint8_t wrong[PUNCH_ANSWER_MAX];
	size_t len;

	ask.key = "ZmVkY2JhOTg3NjU0MzIxMA==";
	assert_refused(&ask, 401);
	len = answer.len;
	memcpy(wrong, answer.data, len);
	ask.user = "wex";
	assert_refused(&ask, 401);
	ck_assert_uint_eq(answer.len, len);
	ck_assert_mem_eq(answer.data, wrong, len);
	/* A port of it is none; without a hello it is nothing to be punched. */
	ask = ask_make(1, PEER_SERVICE);
	ask.user = "web:9099";
	assert_refused(&ask, 401);
	ask.user = "web";
	ask.punch = true;
	assert_refused(&ask, 401);
	ck_assert_uint_eq(broker_offers(punch.broker, peers), 0);
}
END_TEST

START_TEST(test_refused)
{
	struct ask ask = ask_make(1, PEER_SERVICE);

	/* A stream of media does not become a peer's, nor the other way round. */
	ask.user = "cam1";
	assert_refused(&ask, 403);
	ask.user = "web";
	ask.source = "127.0.0.1:5000";
	assert_refused(&ask, 403);
	ask = ask_make(1, PEER_SERVICE);
	assert_word(&ask, PEER_WAITING);
	ask.sequence++;
	ask.hello.role = PEER_CLIENT;
	assert_refused(&ask, 403);
	ask.punch = true;
	ask.user = "cam1";
	assert_refused(&ask, 437);
	ck_assert_uint_eq(media->slots[0]->want.client.addr.family, 0);
	/* As many callers as there may be pairs. */
	for (uint8_t i = 2; i < 4; i++) {
		static const char *const sources[] = {"192.0.2.9:2", "192.0.2.9:3"};

		ask = ask_make(i, PEER_CLIENT);
		ask.source = sources[i - 2];
		assert_word(&ask, PEER_WAITING);
	}
	ask = ask_make(5, PEER_CLIENT);
	ask.source = "192.0.2.9:5";
	assert_refused(&ask, 486);
	ck_assert_uint_eq(punch.counts[PUNCH_BUSY], 1);
}
END_TEST

/* Ports for the lanes of shared sockets take those, and nothing else. */
START_TEST(test_share)
{
	struct ask ask = ask_make(1, PEER_SERVICE);

	punch.share_low = 3490;
	punch.share_high = 3493;
	ask.local = "203.0.113.7:3493";
	assert_refused(&ask, 403);
	ask.hello.shared = true;
	ask.hello.role = PEER_CLIENT;
	assert_refused(&ask, 403);
	ask.punch = true;
	assert_refused(&ask, 401); /* a stream without ports */
	ask.user = "cam1";
	assert_refused(&ask, 403);
	ask = ask_make(1, PEER_SERVICE);
	ask.hello.shared = true;
	assert_word(&ask, PEER_WAITING);
	/* Another lane of the same socket, by another port of ours. */
	ask = ask_make(2, PEER_SERVICE);
	ask.hello.shared = true;
	ask.local = "203.0.113.7:3490";
	assert_word(&ask, PEER_WAITING);
	ck_assert_uint_eq(broker_offers(punch.broker, peers), 2);
	ck_assert_uint_eq(word.share_low, 0); /* the broker's to say */
}
END_TEST

static Suite *punch_peer_suite(void)
{
	Suite *suite = suite_create("punch_peer");
	TCase *tcase = tcase_create("punch_peer");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_hello);
	tcase_add_test(tcase, test_replayed);
	tcase_add_test(tcase, test_senseless);
	tcase_add_test(tcase, test_unproven);
	tcase_add_test(tcase, test_refused);
	tcase_add_test(tcase, test_share);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(punch_peer_suite());
}
