/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The broker with a clock, a kernel and peers of straw. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "relayd/broker.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CONSENT_MS   40000
#define KEY	     "MDEyMzQ1Njc4OWFiY2RlZg=="
#define PEERS	     32

static struct stream_table table;
static struct stream *stream, *other_stream;
static struct broker *broker;
static int64_t now_ms;

/* The kernel: what it has been told, and what it has not answered yet. */
#define ASKED_MAX 4096
static struct {
	void (*done)(void *data, int error);
	void *data;
} asked[ASKED_MAX];
static size_t asked_count;
static int kernel_error;
static bool kernel_waits;
static char told[65536];
static unsigned int batches;

static char events[4096];

/* A peer. */
struct straw {
	struct peer_hello hello;
	struct hole hole;
	struct stream *stream;
	uint64_t sequence;
	bool deaf, known, news;
	int64_t said_ms;
	struct peer_word word; /* the newest, */
	int64_t word_ms;       /* and when it came */
	unsigned int pushed;
	uint8_t key[16];
};
static struct straw straws[PEERS];
static struct endpoint alternate_is;

static struct endpoint endpoint(const char *text)
{
	struct endpoint out;

	ck_assert_int_eq(endpoint_parse(text, 0, &out), 0);
	return out;
}

/* The relay's end of the hole of the peer with this port. */
static uint16_t port_of_1002;

static const char *op_text(const struct rules_op *op)
{
	static const char *const kinds[] = {[RULES_CLIENT] = "+c",
		[RULES_UNCLIENT] = "-c",
		[RULES_CONSENT] = "=c",
		[RULES_PEER] = "+p",
		[RULES_UNPEER] = "-p"};
	static char text[32];

	ck_assert(kinds[op->kind] != NULL);
	ck_assert_str_eq(op->name, "cam1");
	if (op->kind == RULES_CLIENT || op->kind == RULES_CONSENT)
		ck_assert_uint_eq(op->consent_ms, CONSENT_MS);
	snprintf(text, sizeof(text), "%s%u", kinds[op->kind], op->client.port);
	if (op->kind == RULES_PEER) {
		ck_assert_uint_eq(op->number, 7);
		ck_assert_uint_eq(op->from.port, op->peer.port == 1002 ? port_of_1002 : 3478);
		snprintf(text, sizeof(text), "%s%u>%u", kinds[op->kind], op->client.port,
			op->peer.port);
	}
	if (op->kind != RULES_CONSENT && op->punch.port != 3478)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "@%u", op->punch.port);
	return text;
}

static int apply(void *arg, const struct rules_op *ops, size_t count,
	void (*done)(void *data, int error), void *data)
{
	ck_assert_ptr_eq(arg, &table);
	ck_assert_uint_le(count, 8);
	batches++;
	for (size_t i = 0; i < count; i++) {
		ck_assert_uint_lt(strlen(told) + 64, sizeof(told));
		strcat(told, op_text(&ops[i]));
		strcat(told, i + 1 < count ? " " : "; ");
	}
	if (done) {
		ck_assert_uint_lt(asked_count, ASKED_MAX);
		asked[asked_count].done = done;
		asked[asked_count++].data = data;
	}
	return 0;
}

static void commit(void)
{
	for (size_t i = 0; i < asked_count; i++)
		asked[i].done(asked[i].data, kernel_error);
	asked_count = 0;
}

static void assert_told(const char *expected)
{
	ck_assert_str_eq(told, expected);
	told[0] = '\0';
}

static void word_take(struct straw *straw, const struct peer_word *word)
{
	uint8_t data[PEER_WIRE];
	struct peer_word read;

	/* What is said can be written and read. */
	ck_assert_int_eq(peer_word_decode(data, peer_word_encode(word, data), &read), 0);
	if (straw->known && (int32_t)(word->serial - straw->word.serial) <= 0)
		return;
	straw->word = *word;
	straw->word_ms = now_ms;
	straw->known = straw->news = true;
	straw->hello.heard = word->serial;
	memcpy(straw->hello.peer, word->peer, PEER_LANE);
	if (word->round.number && word->round.number != straw->hello.round) {
		straw->hello.round = word->round.number;
		straw->hello.progress = PEER_IDLE;
	}
}

static void receive(void *arg, const struct hole *hole, const void *data, size_t len)
{
	struct peer_word word;
	struct stun stun;

	ck_assert_ptr_eq(arg, &table);
	ck_assert_int_eq(stun_parse(data, len, &stun), 0);
	ck_assert_int_eq(stun.type, STUN_INDICATION);
	ck_assert(stun.has_sequence && stun.integrity256 && stun.peer.p);
	ck_assert_int_eq(peer_word_decode(stun.peer.p, stun.peer.len, &word), 0);
	for (size_t i = 0; i < PEERS; i++) {
		struct straw *straw = &straws[i];

		if (!straw->sequence || !hole_equal(&straw->hole, hole))
			continue;
		ck_assert(stun_verify(&stun, straw->key, sizeof(straw->key)));
		straw->pushed++;
		if (!straw->deaf)
			word_take(straw, &word);
		return;
	}
}

static struct endpoint alternate(void *arg, const struct endpoint *punch)
{
	(void)arg;
	ck_assert(punch->port == 3478 || (punch->port >= 3490 && punch->port <= 3493));
	return alternate_is;
}

static bool own(void *arg, const struct addr *addr)
{
	const struct endpoint mine = endpoint("192.168.7.7:1");

	(void)arg;
	return addr_equal(addr, &mine.addr);
}

static void event(void *arg, const char *what, const struct stream *of,
	const struct endpoint *client, const char *text)
{
	(void)arg;
	(void)text;
	ck_assert(of == stream || of == other_stream);
	ck_assert(client->addr.family != 0);
	strcat(events, what);
	strcat(events, " ");
}

static void assert_events(const char *expected)
{
	ck_assert_str_eq(events, expected);
	events[0] = '\0';
}

static void broker_start(void)
{
	const struct broker_config config = {
		&table, CONSENT_MS, &table, apply, receive, alternate, own, event, 3490, 3493};

	ck_assert_int_eq(broker_open(&config, &broker), 0);
	broker_tick(broker, now_ms);
}

static struct stream *stream_make(const char *name, const char *listen, uint32_t number)
{
	char why[SPEC_WHY];
	struct stream *made;
	struct spec spec;

	ck_assert_int_eq(spec_init(&spec, name, why), 0);
	ck_assert_int_eq(spec_set_listen(&spec, listen, why), 0);
	ck_assert_int_eq(spec_set_key(&spec, KEY, why), 0);
	spec.peers = 4;
	ck_assert_int_eq(stream_add(&table, &spec, number, &made, why), 0);
	return made;
}

static void set_up(void)
{
	static const bool both[STREAM_FAMILIES] = {true, true};

	now_ms = 1000000;
	asked_count = 0;
	kernel_error = 0;
	kernel_waits = false;
	told[0] = events[0] = '\0';
	memset(straws, 0, sizeof(straws));
	alternate_is.addr.family = 0;
	port_of_1002 = 3478;
	ck_assert_int_eq(stream_table_init(&table, both, CONSENT_MS), 0);
	stream = stream_make("cam1", "9099", 7);
	other_stream = stream_make("cam2", "9100", 8);
	broker_start();
}

static void tear_down(void)
{
	broker_close(broker);
	stream_table_fini(&table);
}

/* Peers have the addresses 192.0.2.1, ... and the ports 1001, ... */
static struct straw *straw_make(enum peer_role role, unsigned int number)
{
	struct straw *straw = &straws[number];
	char text[ENDPOINT_TEXT];

	memset(straw, 0, sizeof(*straw));
	straw->stream = stream;
	straw->hello.role = role;
	straw->hello.rtt_ms = 40;
	memset(straw->hello.lane, (int)number, PEER_LANE);
	snprintf(text, sizeof(text), "192.0.2.%u:%u", number, 1000 + number);
	straw->hole.client = endpoint(text);
	straw->hole.punch = endpoint("203.0.113.7:3478");
	memset(straw->key, (int)number, sizeof(straw->key));
	straw->sequence = 1000;
	return straw;
}

static int hello_send(struct straw *straw, uint64_t sequence, struct peer_word *word)
{
	struct broker_hello hello = {.stream = straw->stream,
		.hole = straw->hole,
		.hello = &straw->hello,
		.key_len = sizeof(straw->key),
		.sequence = sequence};

	memcpy(hello.key, straw->key, sizeof(straw->key));
	return broker_hello(broker, &hello, now_ms, word);
}

static uint64_t sequence_of(const struct straw *straw, uint64_t said)
{
	const struct broker_hello hello = {
		.hole = straw->hole, .hello = &straw->hello, .sequence = said};

	return broker_sequence(broker, &hello);
}

/* Nothing in it is of the straw's own doing when it is deaf. */
static int try_say(struct straw *straw)
{
	struct peer_word word;
	int err;

	straw->news = false;
	straw->said_ms = now_ms;
	err = hello_send(straw, ++straw->sequence, &word);
	if (!err && !straw->deaf)
		word_take(straw, &word);
	if (!kernel_waits)
		commit();
	return err;
}

static void say(struct straw *straw)
{
	ck_assert_int_eq(try_say(straw), 0);
}

static void straw_turn(struct straw *straw)
{
	if (!straw->sequence || straw->deaf || !straw->known || straw->word.state == PEER_CLOSED)
		return;
	while (straw->news || now_ms - straw->said_ms >= 15000)
		try_say(straw);
}

/* So much time passes; who has heard something new says so at once, the others every 15 s. */
static void run(int64_t ms)
{
	int64_t end_ms = now_ms + ms, due_ms;

	do {
		due_ms = broker_deadline(broker);
		due_ms = due_ms < now_ms + 1000 ? due_ms : now_ms + 1000;
		due_ms = due_ms < end_ms ? due_ms : end_ms;
		now_ms = due_ms > now_ms ? due_ms : now_ms;
		broker_tick(broker, now_ms);
		if (!kernel_waits)
			commit();
		for (size_t i = 0; i < PEERS; i++)
			straw_turn(&straws[i]);
	} while (now_ms < end_ms || broker_deadline(broker) <= now_ms);
}

static void pair_of(struct straw **client, struct straw **service)
{
	*service = straw_make(PEER_SERVICE, 2);
	*client = straw_make(PEER_CLIENT, 1);
	say(*service);
	ck_assert_int_eq((*service)->word.state, PEER_WAITING);
	say(*client);
	run(1000);
	ck_assert_int_eq((*client)->word.state, PEER_PAIRED);
	ck_assert_int_eq((*service)->word.state, PEER_PAIRED);
	ck_assert_mem_eq((*client)->word.peer, (*service)->hello.lane, PEER_LANE);
	ck_assert_mem_eq((*service)->word.peer, (*client)->hello.lane, PEER_LANE);
	assert_told("+c1001 +c1002 +p1001>1002 +p1002>1001; ");
	assert_events("paired ");
}

/* The word that says so comes when the kernel has it, not before. */
START_TEST(test_pair)
{
	struct straw *client, *service;

	kernel_waits = true;
	service = straw_make(PEER_SERVICE, 2);
	client = straw_make(PEER_CLIENT, 1);
	say(service);
	ck_assert_uint_eq(broker_offers(broker, stream), 1);
	say(client);
	ck_assert_uint_eq(broker_offers(broker, stream), 0);
	run(300);
	ck_assert_int_eq(client->word.state, PEER_WAITING);
	ck_assert_int_eq(service->word.state, PEER_WAITING);
	commit();
	run(1);
	ck_assert_int_eq(client->word.state, PEER_PAIRED);
	ck_assert_int_eq(service->word.state, PEER_PAIRED);
	ck_assert_uint_eq(broker_counter(broker, BROKER_PAIRED), 1);
	ck_assert(broker_has_hole(broker, &client->hole.client));
	/* It is heard: no more of it. */
	run(20000);
	ck_assert_uint_le(client->pushed, 2);
	ck_assert_uint_le(service->pushed, 2);
	ck_assert_uint_eq(broker_counter(broker, BROKER_DIRECT), 0);
}
END_TEST

/* The client first, then the service. */
START_TEST(test_unserved)
{
	struct straw *client = straw_make(PEER_CLIENT, 1), *service;

	say(client);
	say(client);
	ck_assert_uint_eq(broker_counter(broker, BROKER_UNSERVED), 1);
	ck_assert_int_eq(client->word.state, PEER_WAITING);
	assert_told("");
	service = straw_make(PEER_SERVICE, 2);
	say(service);
	run(1000);
	ck_assert_int_eq(client->word.state, PEER_PAIRED);
	ck_assert_int_eq(service->word.state, PEER_PAIRED);
}
END_TEST

/* IPv4 and IPv6 do not meet in the kernel. */
START_TEST(test_families)
{
	struct straw *client = straw_make(PEER_CLIENT, 1), *service = straw_make(PEER_SERVICE, 2);

	service->hole.client = endpoint("[2001:db8::2]:1002");
	service->hole.punch = endpoint("[2001:db8::1]:3478");
	say(service);
	say(client);
	assert_told("");
	service = straw_make(PEER_SERVICE, 3);
	say(service);
	assert_told("+c1001 +c1003 +p1001>1003 +p1003>1001; ");
}
END_TEST

/* A word that is lost is repeated for a while, less and less often, and then no more. */
START_TEST(test_push)
{
	struct straw *client, *service;

	pair_of(&client, &service);
	service->deaf = true;
	client->hello.wants_direct = true;
	client->hello.nat.mapping = service->hello.nat.mapping = NAT_MAPPING_ENDPOINT;
	service->pushed = 0;
	say(client);
	run(1500);
	ck_assert_uint_ge(service->pushed, 4);
	ck_assert_uint_le(service->pushed, 6);
	client->hello.wants_direct = false;
	say(client);
	run(20000);
	service->pushed = 0;
	run(10000);
	ck_assert_uint_eq(service->pushed, 0);
}
END_TEST

/* A service that does not answer any more is no offer: the next one is taken. */
START_TEST(test_stale_offer)
{
	struct straw *client, *dead, *service;

	service = straw_make(PEER_SERVICE, 3);
	say(service);
	dead = straw_make(PEER_SERVICE, 2);
	say(dead);
	dead->deaf = true;
	client = straw_make(PEER_CLIENT, 1);
	say(client);
	run(500);
	ck_assert_mem_eq(client->word.peer, dead->hello.lane, PEER_LANE);
	run(2000);
	ck_assert_int_eq(client->word.state, PEER_PAIRED);
	ck_assert_mem_eq(client->word.peer, service->hello.lane, PEER_LANE);
	assert_told("+c1001 +c1002 +p1001>1002 +p1002>1001; -p1001 -p1002 -c1001 -c1002; "
		    "+c1001 +c1003 +p1001>1003 +p1003>1001; ");
	/* Back to life, it is told that its lane has ended. */
	dead->deaf = false;
	say(dead);
	ck_assert_int_eq(dead->word.state, PEER_CLOSED);
	assert_events("paired unpaired paired ");
}
END_TEST

START_TEST(test_stale_offer_alone)
{
	struct straw *client, *dead = straw_make(PEER_SERVICE, 2);

	say(dead);
	dead->deaf = true;
	client = straw_make(PEER_CLIENT, 1);
	say(client);
	run(3000);
	ck_assert_int_eq(client->word.state, PEER_WAITING);
	straw_make(PEER_SERVICE, 3);
	say(&straws[3]);
	run(1000);
	ck_assert_int_eq(client->word.state, PEER_PAIRED);
}
END_TEST

/* A pair that was heard, whose service dies, and whose client notices. */
static void lonely_pair(struct straw **client, struct straw **service)
{
	pair_of(client, service);
	run(4000);
	(*service)->deaf = true;
	(*service)->pushed = 0;
	run(3000);
	(*client)->hello.lonely = true;
	say(*client);
}

/* The service that was started in the dead one's place gets its client. */
START_TEST(test_lonely)
{
	struct straw *client, *dead, *service;
	int64_t began_ms;

	lonely_pair(&client, &dead);
	service = straw_make(PEER_SERVICE, 3);
	say(service);
	began_ms = now_ms;
	while (memcmp(client->word.peer, service->hello.lane, PEER_LANE) != 0) {
		ck_assert_int_le(now_ms - began_ms, 2500);
		run(10);
	}
	ck_assert_int_eq(client->word.state, PEER_PAIRED);
	ck_assert_uint_ge(dead->pushed, 4);
	assert_told("-p1001 -p1002 -c1001 -c1002; +c1001 +c1003 +p1001>1003 +p1003>1001; ");
	assert_events("unpaired paired ");
	dead->deaf = false;
	say(dead);
	ck_assert_int_eq(dead->word.state, PEER_CLOSED);
}
END_TEST

/* It comes later than that is noticed; until then they stay together. */
START_TEST(test_lonely_early)
{
	struct straw *client, *dead, *service;

	service = straw_make(PEER_SERVICE, 3);
	say(service);
	run(1000);
	lonely_pair(&client, &dead);
	service->deaf = true; /* it died with the other */
	run(6000);
	ck_assert_mem_eq(client->word.peer, dead->hello.lane, PEER_LANE);
	assert_events("");
	service = straw_make(PEER_SERVICE, 4);
	say(service);
	run(1000);
	ck_assert_mem_eq(client->word.peer, service->hello.lane, PEER_LANE);
}
END_TEST

/* A service that is there is asked now and then, and stays. */
START_TEST(test_lonely_alive)
{
	struct straw *client, *service, *other;

	pair_of(&client, &service);
	other = straw_make(PEER_SERVICE, 3);
	say(other);
	run(10000);
	client->hello.lonely = true;
	service->pushed = 0;
	for (unsigned int i = 0; i < 100; i++) {
		say(client);
		run(100);
	}
	ck_assert_mem_eq(client->word.peer, service->hello.lane, PEER_LANE);
	ck_assert_uint_ge(service->pushed, 2);
	ck_assert_uint_le(service->pushed, 3);
	/* Of a service it is nothing new: its clients come and go. */
	client->hello.lonely = false;
	service->hello.lonely = true;
	client->pushed = 0;
	say(client);
	say(service);
	client->deaf = true;
	run(10000);
	ck_assert_uint_eq(client->pushed, 0);
	ck_assert_int_eq(service->word.state, PEER_PAIRED);
	assert_events("");
}
END_TEST

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
		slot_claim(&table, &other_stream->slots[0], &client->hole, now_ms, &moved), 0);
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

/* The places that are waited for are given away too, and services that are short. */
START_TEST(test_spare_waits)
{
	struct straw *used, *spare, *waits, *last;

	say(straw_make(PEER_SERVICE, 10));
	say(straw_make(PEER_SERVICE, 11));
	used = straw_make(PEER_CLIENT, 1);
	say(used);
	spare = straw_make(PEER_CLIENT, 2);
	spare->hello.spare = true;
	say(spare);
	run(1000);
	ck_assert_int_eq(spare->word.state, PEER_PAIRED);
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

static void nat_set(
	struct straw *straw, enum nat_mapping mapping, enum nat_allocation allocation, int32_t step)
{
	straw->hello.nat.mapping = mapping;
	straw->hello.nat.filtering = NAT_FILTERING_PORT;
	straw->hello.nat.ports.allocation = allocation;
	straw->hello.nat.ports.step = step;
	if (allocation == NAT_ALLOCATION_RANDOM) {
		straw->hello.nat.ports.low = 1024;
		straw->hello.nat.ports.high = 65535;
	}
}

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

static void report(struct straw *straw, enum peer_progress progress, uint16_t last)
{
	straw->hello.round = straw->word.round.number;
	straw->hello.progress = progress;
	straw->hello.last = last;
	say(straw);
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
static void adopt(const struct straw *a, const struct straw *b, uint32_t number)
{
	struct rules_peer peer = {
		a->hole.client, a->hole.punch, b->hole.client, number, "cam1", b->hole.punch};

	broker_adopt(broker, &peer, now_ms);
}

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

/* relayd was restarted: what it finds is each pair's own. */
START_TEST(test_shared_restart)
{
	struct straw *clients[2], *services[2];

	shared_pairs(clients, services);
	broker_close(broker);
	broker_start();
	for (unsigned int i = 0; i < 2; i++) {
		adopt(clients[i], services[i], 7);
		adopt(services[i], clients[i], 7);
	}
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

	shared_pairs(clients, services);
	broker_close(broker);
	broker_start();
	for (unsigned int i = 0; i < 2; i++) {
		adopt(clients[i], services[i], 7);
		adopt(services[i], clients[i], 7);
	}
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

/* What has failed is tried again after half a minute, a minute, ... ten minutes. */
START_TEST(test_backoff)
{
	struct straw *client, *service;
	uint64_t failed;

	pair_of(&client, &service);
	client->hello.wants_direct = true;
	nat_set(client, NAT_MAPPING_ENDPOINT, NAT_ALLOCATION_UNKNOWN, 0);
	nat_set(service, NAT_MAPPING_ENDPOINT, NAT_ALLOCATION_UNKNOWN, 0);
	say(client);
	say(service);
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

	pair_of(&client, &service);
	client->hello.wants_direct = true;
	nat_set(client, NAT_MAPPING_ENDPOINT, NAT_ALLOCATION_UNKNOWN, 0);
	nat_set(service, NAT_MAPPING_PORT, NAT_ALLOCATION_RANDOM, 0);
	say(client);
	say(service);
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

	pair_of(&client, &service);
	client->hello.wants_direct = true;
	nat_set(client, NAT_MAPPING_ENDPOINT, NAT_ALLOCATION_UNKNOWN, 0);
	nat_set(service, NAT_MAPPING_ENDPOINT, NAT_ALLOCATION_UNKNOWN, 0);
	say(client);
	say(service);
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

	pair_of(&client, &service);
	client->hello.wants_direct = true;
	nat_set(client, NAT_MAPPING_ENDPOINT, NAT_ALLOCATION_UNKNOWN, 0);
	nat_set(service, NAT_MAPPING_PORT, NAT_ALLOCATION_RANDOM, 0);
	say(client);
	say(service);
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

	for (size_t first = 0; first < COUNT(hosts); first += 4) {
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

/* relayd was restarted; the kernel relays on, and both come back. */
START_TEST(test_restart)
{
	struct straw *client, *service;

	pair_of(&client, &service);
	client->hello.progress = service->hello.progress = PEER_DIRECT;
	client->hello.round = service->hello.round = 5;
	broker_close(broker);
	broker_start();
	adopt(client, service, 7);
	adopt(service, client, 7);
	ck_assert(broker_has_hole(broker, &client->hole.client));
	run(5000);
	say(client);
	/* It is not sent away, and offered to nobody else. */
	ck_assert_int_eq(client->word.state, PEER_PAIRED);
	ck_assert_mem_eq(client->word.peer, service->hello.lane, PEER_LANE);
	say(straw_make(PEER_SERVICE, 3));
	run(1000);
	say(service);
	run(1000);
	assert_told("=c1001; =c1001 =c1002; ");
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
	broker_close(broker);
	broker_start();
	adopt(client, service, 7);
	adopt(service, client, 7);
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
	broker_close(broker);
	broker_start();
	adopt(client, service, 7);
	adopt(service, client, 7);
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

static void count_pair(void *data, const struct broker_pair *pair)
{
	unsigned int *count = data;

	ck_assert_ptr_eq(pair->stream, stream);
	ck_assert_uint_eq(pair->client.port, 1001);
	ck_assert_uint_eq(pair->service.port, 1002);
	++*count;
}

START_TEST(test_each)
{
	struct straw *client, *service;
	unsigned int count = 0;

	alternate_is = endpoint("203.0.113.8:3479");
	pair_of(&client, &service);
	ck_assert(endpoint_equal(&client->word.alternate, &alternate_is));
	broker_each(broker, stream, count_pair, &count);
	ck_assert_uint_eq(count, 1);
	broker_each(broker, other_stream, count_pair, &count);
	ck_assert_uint_eq(count, 1);
	for (unsigned int i = 0; i < BROKER_COUNTS; i++)
		ck_assert_ptr_nonnull(broker_count_text(i));
}
END_TEST

static Suite *broker_suite(void)
{
	Suite *suite = suite_create("broker");
	TCase *tcase = tcase_create("broker");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_pair);
	tcase_add_test(tcase, test_unserved);
	tcase_add_test(tcase, test_families);
	tcase_add_test(tcase, test_push);
	tcase_add_test(tcase, test_stale_offer);
	tcase_add_test(tcase, test_stale_offer_alone);
	tcase_add_test(tcase, test_lonely);
	tcase_add_test(tcase, test_lonely_early);
	tcase_add_test(tcase, test_lonely_alive);
	tcase_add_test(tcase, test_consent);
	tcase_add_test(tcase, test_expire);
	tcase_add_loop_test(tcase, test_killed, 0, 3);
	tcase_add_test(tcase, test_bye);
	tcase_add_test(tcase, test_roam);
	tcase_add_test(tcase, test_kernel_refuses);
	tcase_add_test(tcase, test_bye_before_commit);
	tcase_add_test(tcase, test_sequence);
	tcase_add_test(tcase, test_strangers);
	tcase_add_test(tcase, test_hole_of_stream);
	tcase_add_test(tcase, test_same_hole);
	tcase_add_test(tcase, test_limits);
	tcase_add_test(tcase, test_spare);
	tcase_add_test(tcase, test_spare_waits);
	tcase_add_test(tcase, test_flood);
	tcase_add_test(tcase, test_punch);
	tcase_add_test(tcase, test_delay);
	tcase_add_test(tcase, test_predict);
	tcase_add_test(tcase, test_silent_rounds);
	tcase_add_test(tcase, test_shared);
	tcase_add_test(tcase, test_shared_again);
	tcase_add_test(tcase, test_shared_restart);
	tcase_add_test(tcase, test_shared_restart_alone);
	tcase_add_test(tcase, test_shared_hopeless);
	tcase_add_test(tcase, test_hopeless);
	tcase_add_test(tcase, test_backoff);
	tcase_add_test(tcase, test_lost);
	tcase_add_test(tcase, test_fickle);
	tcase_add_test(tcase, test_boast);
	tcase_add_test(tcase, test_queue);
	tcase_add_test(tcase, test_restart_claims);
	tcase_add_test(tcase, test_lies);
	tcase_add_test(tcase, test_neighbours);
	tcase_add_test(tcase, test_restart);
	tcase_add_test(tcase, test_restart_moved);
	tcase_add_test(tcase, test_restart_overtaken);
	tcase_add_test(tcase, test_restart_alone);
	tcase_add_test(tcase, test_restart_replaced);
	tcase_add_test(tcase, test_adopt_orphan);
	tcase_add_test(tcase, test_forget);
	tcase_add_test(tcase, test_each);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(broker_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
