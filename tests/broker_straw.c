/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/broker_straw.h"

#include <stdio.h>
#include <string.h>

#define KEY "MDEyMzQ1Njc4OWFiY2RlZg=="

struct straw straws[PEERS];
struct stream_table table;
struct stream *stream, *other_stream;
struct broker *broker;
int64_t now_ms;
struct endpoint alternate_is;
uint16_t port_of_1002;

/* The kernel: what it has been told, and what it has not answered yet. */
#define ASKED_MAX 4096
static struct {
	void (*done)(void *data, int error);
	void *data;
} asked[ASKED_MAX];
static size_t asked_count;
int kernel_error;
bool kernel_waits;
char told[65536];
uint32_t consent_is;
uint64_t rate_is;

static char events[4096];

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
		ck_assert_uint_eq(op->consent_ms, consent_is);
	if (op->kind == RULES_CLIENT)
		ck_assert_uint_eq(op->rate, rate_is);
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

void commit(void)
{
	for (size_t i = 0; i < asked_count; i++)
		asked[i].done(asked[i].data, kernel_error);
	asked_count = 0;
}

void assert_told(const char *expected)
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

void assert_events(const char *expected)
{
	ck_assert_str_eq(events, expected);
	events[0] = '\0';
}

void broker_start(void)
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

void set_up(void)
{
	static const bool both[STREAM_FAMILIES] = {true, true};

	now_ms = 1000000;
	asked_count = 0;
	kernel_error = 0;
	kernel_waits = false;
	consent_is = CONSENT_MS;
	rate_is = 0;
	told[0] = events[0] = '\0';
	memset(straws, 0, sizeof(straws));
	alternate_is.addr.family = 0;
	port_of_1002 = 3478;
	ck_assert_int_eq(stream_table_init(&table, both, CONSENT_MS), 0);
	stream = stream_make("cam1", "9099", 7);
	other_stream = stream_make("cam2", "9100", 8);
	broker_start();
}

void tear_down(void)
{
	broker_close(broker);
	stream_table_fini(&table);
}

struct straw *straw_make(enum peer_role role, unsigned int number)
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

int hello_send(struct straw *straw, uint64_t sequence, struct peer_word *word)
{
	struct broker_hello hello = {.stream = straw->stream,
		.hole = straw->hole,
		.hello = &straw->hello,
		.key_len = sizeof(straw->key),
		.sequence = sequence};

	memcpy(hello.key, straw->key, sizeof(straw->key));
	return broker_hello(broker, &hello, now_ms, word);
}

int try_say(struct straw *straw)
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

void say(struct straw *straw)
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

void run(int64_t ms)
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

void pair_of(struct straw **client, struct straw **service)
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

void nat_set(
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

void report(struct straw *straw, enum peer_progress progress, uint16_t last)
{
	straw->hello.round = straw->word.round.number;
	straw->hello.progress = progress;
	straw->hello.last = last;
	say(straw);
}

void adopt(const struct straw *a, const struct straw *b, uint32_t number)
{
	struct rules_peer peer = {
		a->hole.client, a->hole.punch, b->hole.client, number, "cam1", b->hole.punch};

	broker_adopt(broker, &peer, now_ms);
}
