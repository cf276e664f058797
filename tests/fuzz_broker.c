/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What peers of two streams say to the broker, in any order, with a kernel that answers late and
 * refuses. Each step is a byte that says what happens and, of a hello, nine that say what is in it.
 * However that goes: nobody is sent to an address that is no peer's, no stream has more pairs than
 * it may, and when all is over the kernel has nothing left.
 */
#undef NDEBUG /* the assertions are what is tested */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "relayd/broker_inner.h"

#define KEY	   "MDEyMzQ1Njc4OWFiY2RlZg=="
#define CONSENT_MS 40000
#define OVER_MS	   1000000
#define PEERS	   2
#define HOLES	   16
#define ELEMENTS   64
#define BATCHES	   256

enum step { HELLO = 4, PASS, PASS_LONG, COMMIT, REFUSE, FORGET, ADOPT, STEPS };

struct batch {
	struct rules_op ops[8];
	size_t count;
	void (*done)(void *data, int error);
	void *data;
};

static struct stream_table table;
static struct stream *streams[2];
static struct broker *broker;
static int64_t now_ms = OVER_MS;
static uint64_t sequence;

/* The kernel: what it has been asked, and what it has, by the ports of the holes. */
static struct batch batches[BATCHES];
static size_t batch_count;
static bool clients[HOLES];
static uint8_t peers[HOLES]; /* 0: none, else the other's number and 1 */

/* Some share an address; all are of 192.0.2.0/24. */
static struct endpoint hole_at(uint8_t number)
{
	uint8_t host = (uint8_t)(1 + number % HOLES / 2);

	return (struct endpoint){{AF_INET, {192, 0, 2, host}}, (uint16_t)(2000 + number % HOLES)};
}

static int apply(void *arg, const struct rules_op *ops, size_t count,
	void (*done)(void *data, int error), void *data)
{
	struct batch *batch = &batches[batch_count++];

	(void)arg;
	assert(batch_count < BATCHES && count <= 8);
	*batch = (struct batch){.count = count, .done = done, .data = data};
	memcpy(batch->ops, ops, count * sizeof(*ops));
	return 0;
}

static void op_do(const struct rules_op *op)
{
	unsigned int at = op->client.port - 2000u;

	assert(at < HOLES && op->punch.port == 3478);
	switch (op->kind) {
	case RULES_CLIENT:
		clients[at] = true;
		break;
	case RULES_UNCLIENT:
		clients[at] = false;
		break;
	case RULES_PEER:
		assert(op->peer.port - 2000u < HOLES && op->peer.port != op->client.port);
		peers[at] = (uint8_t)(op->peer.port - 2000 + 1);
		break;
	case RULES_UNPEER:
		peers[at] = 0;
		break;
	case RULES_CONSENT:
		break;
	default:
		abort();
	}
}

/*
 * The oldest; only what somebody waits for is refused. A move is not: when its hole has got
 * another owner meanwhile, only consent ends what was there before.
 */
static void kernel_answer(bool refuse)
{
	struct batch batch = batches[0];

	if (!batch_count)
		return;
	memmove(batches, batches + 1, --batch_count * sizeof(*batches));
	refuse = refuse && batch.done && batch.count < 6;
	for (size_t i = 0; i < batch.count && !refuse; i++)
		op_do(&batch.ops[i]);
	if (batch.done)
		batch.done(batch.data, refuse ? -12 : 0);
}

static void word_check(const struct peer_word *word)
{
	static const struct prefix all = {{AF_INET, {192, 0, 2}}, 24};
	static const struct prefix home = {{AF_INET, {10}}, 8};
	uint8_t data[PEER_WIRE];
	struct peer_word read;

	assert(peer_word_decode(data, peer_word_encode(word, data), &read) == 0);
	for (size_t i = 0; i < word->round.target_count; i++) {
		const struct endpoint *target = &word->round.targets[i];

		assert(prefix_contains(&all, &target->addr) ||
			prefix_contains(&home, &target->addr));
		assert(target->port >= 1024);
	}
}

static void push(void *arg, const struct hole *hole, const void *data, size_t len)
{
	struct peer_word word;
	struct stun stun;

	(void)arg;
	assert(hole->punch.port == 3478);
	assert(stun_parse(data, len, &stun) == 0);
	assert(stun_verify(&stun, (const uint8_t *)"key", 3));
	assert(peer_word_decode(stun.peer.p, stun.peer.len, &word) == 0);
	word_check(&word);
}

static void count_pair(void *data, const struct broker_pair *pair)
{
	(void)pair;
	++*(unsigned int *)data;
}

static void limits_check(void)
{
	for (size_t i = 0; i < 2; i++) {
		unsigned int count = 0;

		broker_each(broker, streams[i], count_pair, &count);
		assert(count <= PEERS);
		assert(broker_offers(broker, streams[i]) <= BROKER_OFFERS);
	}
}

/* Addresses of one's own, of the neighbours' home, and of strangers. */
static struct endpoint host_at(uint8_t byte)
{
	static const uint8_t addrs[4][4] = {
		{192, 0, 2, 1}, {10, 0, 0, 7}, {198, 51, 100, 9}, {127, 0, 0, 1}};
	struct endpoint out = {.addr.family = AF_INET, .port = byte & 4 ? 5000 : 53};

	memcpy(out.addr.bytes, addrs[byte & 3], 4);
	return out;
}

static void hello_read(struct buf *in, struct peer_hello *hello)
{
	uint8_t bits = buf_get_u8(in), nat = buf_get_u8(in);

	hello->role = bits & 1;
	hello->bye = (bits & 14) == 14;
	hello->wants_direct = bits & 16;
	hello->progress = bits >> 5 & 3;
	memset(hello->lane, 1 + buf_get_u8(in) % 24, PEER_LANE);
	memset(hello->peer, buf_get_u8(in) % 25, PEER_LANE);
	hello->heard = buf_get_u8(in);
	hello->round = buf_get_u8(in);
	hello->rtt_ms = bits & 128 ? UINT32_MAX : 20;
	hello->nat.mapping = (enum nat_mapping)((nat & 7) % 6);
	hello->nat.filtering = NAT_FILTERING_PORT;
	hello->nat.ports.allocation = (enum nat_allocation)(nat >> 3 & 3);
	hello->nat.ports.step = nat & 32 ? -UINT16_MAX : 2;
	hello->nat.ports.low = nat & 64 ? 1 : 40000;
	hello->nat.ports.high = UINT16_MAX;
	hello->nat.blocked = (nat & 192) == 192;
	hello->last = nat;
	hello->host_count = 1;
	hello->hosts[0] = host_at(nat >> 1);
	hello->gateway = host_at(nat >> 3);
}

static void hello_say(struct buf *in)
{
	struct peer_hello hello = {0}, read;
	struct broker_hello say = {.hello = &read, .key = "key", .key_len = 3};
	uint8_t data[PEER_WIRE], old;
	struct peer_word word;

	hello_read(in, &hello);
	say.stream = streams[buf_get_u8(in) & 1];
	say.hole.client = hole_at(buf_get_u8(in));
	say.hole.punch = (struct endpoint){{AF_INET, {203, 0, 113, 7}}, 3478};
	old = buf_get_u8(in);
	sequence += 1 + old % 2;
	say.sequence = old & 128 ? sequence - old % 8 : sequence;
	/* What cannot be read is refused before it comes to the broker. */
	if (in->bad || peer_hello_decode(data, peer_hello_encode(&hello, data), &read) < 0)
		return;
	if (broker_hello(broker, &say, now_ms, &word) == 0)
		word_check(&word);
}

static void adopt(struct buf *in)
{
	uint8_t a = buf_get_u8(in) % HOLES, b = buf_get_u8(in) % HOLES;
	static const struct endpoint relay = {{AF_INET, {203, 0, 113, 7}}, 3478};
	struct rules_peer peer = {.client = hole_at(a),
		.punch = relay,
		.peer = hole_at(b),
		.from = relay,
		.number = 1,
		.name = "one"};

	if (in->bad || a == b || peers[a])
		return;
	clients[a] = true;
	peers[a] = (uint8_t)(b + 1);
	broker_adopt(broker, &peer, now_ms);
}

static void pass(int64_t ms)
{
	int64_t end_ms = now_ms + ms, due_ms;

	for (unsigned int i = 0; i < 200 && now_ms < end_ms; i++) {
		due_ms = broker_deadline(broker);
		if (due_ms > now_ms)
			now_ms = due_ms < end_ms ? due_ms : end_ms;
		broker_tick(broker, now_ms);
		if (batch_count > BATCHES / 2)
			kernel_answer(false);
	}
	now_ms = end_ms;
	broker_tick(broker, now_ms);
}

static void step(uint8_t what, struct buf *in)
{
	switch (what % STEPS) {
	case PASS:
		pass(1 + buf_get_u8(in) * 8);
		break;
	case PASS_LONG:
		pass(1 + buf_get_u8(in) * 512);
		break;
	case COMMIT:
		kernel_answer(false);
		break;
	case REFUSE:
		kernel_answer(true);
		break;
	case FORGET:
		broker_forget(broker, streams[buf_get_u8(in) & 1]);
		break;
	case ADOPT:
		adopt(in);
		break;
	default:
		hello_say(in);
	}
	while (batch_count > BATCHES / 2)
		kernel_answer(false);
	limits_check();
}

static struct stream *stream_make(const char *name, uint32_t number)
{
	struct stream *stream;
	char why[SPEC_WHY];
	struct spec spec;

	assert(spec_init(&spec, name, why) == 0);
	assert(spec_set_key(&spec, KEY, why) == 0);
	spec.peers = PEERS;
	assert(stream_add(&table, &spec, number, &stream, why) == 0);
	return stream;
}

static void begin(void)
{
	static const bool four[STREAM_FAMILIES] = {true, false};
	const struct broker_config config = {
		.table = &table, .consent_ms = CONSENT_MS, .apply = apply, .send = push};

	if (!broker) {
		assert(stream_table_init(&table, four, CONSENT_MS) == 0);
		streams[0] = stream_make("one", 1);
		streams[1] = stream_make("two", 2);
		assert(broker_open(&config, &broker) == 0);
	}
	broker->started_ms = now_ms;
	broker_tick(broker, now_ms);
}

/* Everybody goes: nothing stays. */
static void end(void)
{
	broker_forget(broker, streams[0]);
	broker_forget(broker, streams[1]);
	while (batch_count)
		kernel_answer(false);
	now_ms += OVER_MS;
	broker_tick(broker, now_ms);
	while (batch_count)
		kernel_answer(false);
	for (uint8_t i = 0; i < HOLES; i++) {
		struct endpoint hole = hole_at(i);

		assert(!clients[i] && !peers[i]);
		assert(!broker_has_hole(broker, &hole));
	}
	assert(!heap_first(&broker->heap) && TAILQ_EMPTY(&broker->queue));
	for (size_t i = 0; i < BROKER_BUCKETS; i++)
		assert(broker->busy[i] == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf in;

	begin();
	buf_init_read(&in, data, size < 4096 ? size : 4096);
	while (buf_left(&in) && !in.bad)
		step(buf_get_u8(&in), &in);
	end();
	return 0;
}
