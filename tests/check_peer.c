/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hellos and words: what is written is read as the same, and nothing that is not whole is read. */
#include <errno.h>
#include <string.h>

#include "common/peer.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KEY	     "MDEyMzQ1Njc4OWFiY2RlZg=="

/* Places in the messages, as punch(7) draws them. */
#define HELLO_SIZE    88
#define HELLO_LANE    20
#define HELLO_PEER    36
#define HELLO_GATEWAY 68
#define WORD_SIZE     76
#define WORD_PEER     8
#define WORD_ROUND    44
#define ENDPOINT_SIZE 20

static const uint8_t lane_a[PEER_LANE] = "aaaaaaaaaaaaaaa";
static const uint8_t lane_b[PEER_LANE] = "bbbbbbbbbbbbbbb";
static const struct endpoint four = {{AF_INET, {192, 0, 2, 9}}, 40123};
static const struct endpoint six = {
	{AF_INET6, {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9}}, 5004};

static struct peer_hello hello_full(void)
{
	struct peer_hello hello = {
		.role = PEER_SERVICE,
		.heard = 0x01020304,
		.wants_direct = true,
		.shared = true,
		.rtt_ms = 250,
		.nat = {.mapping = NAT_MAPPING_PORT,
			.filtering = NAT_FILTERING_PORT,
			.ports = {.allocation = NAT_ALLOCATION_SEQUENTIAL, .step = -2},
			.layers = 2,
			.opener_ttl = 3},
		.host_count = 2,
		.hosts = {four, six},
		.gateway = four,
		.round = 7,
		.progress = PEER_READY,
		.last = 65535,
	};

	memcpy(hello.lane, lane_a, PEER_LANE);
	memcpy(hello.peer, lane_b, PEER_LANE);
	return hello;
}

static struct peer_word word_full(void)
{
	struct peer_word word = {
		.serial = 0xfffffffe,
		.state = PEER_PAIRED,
		.alternate = six,
		.pinned = true,
		.share_low = 3490,
		.share_high = 3521,
		.round = {.number = 7,
			.plan = PEER_BIRTHDAY,
			.part = 0,
			.go = true,
			.delay_ms = 123,
			.limit_ms = 12000,
			.pace_ms = 5,
			.count = PEER_PROBES_MAX,
			.last = 1024,
			.step = -65535,
			.low = 1024,
			.high = 65535,
			.target_count = 3,
			.targets = {four, six, four}},
	};

	memcpy(word.peer, lane_b, PEER_LANE);
	return word;
}

static void endpoint_same(const struct endpoint *a, const struct endpoint *b)
{
	ck_assert_uint_eq(a->addr.family, b->addr.family);
	ck_assert_mem_eq(a->addr.bytes, b->addr.bytes, sizeof(a->addr.bytes));
	ck_assert_uint_eq(a->port, b->port);
}

START_TEST(test_hello)
{
	struct peer_hello hello = hello_full(), got;
	uint8_t data[PEER_WIRE], again[PEER_WIRE];
	size_t len = peer_hello_encode(&hello, data);

	ck_assert_uint_eq(len, HELLO_SIZE + 2 * ENDPOINT_SIZE);
	ck_assert_int_eq(peer_hello_decode(data, len, &got), 0);
	ck_assert_int_eq(got.role, PEER_SERVICE);
	ck_assert_mem_eq(got.lane, lane_a, PEER_LANE);
	ck_assert_mem_eq(got.peer, lane_b, PEER_LANE);
	ck_assert_uint_eq(got.heard, 0x01020304);
	ck_assert(!got.bye && got.wants_direct && got.shared);
	ck_assert_uint_eq(got.rtt_ms, 250);
	ck_assert_int_eq(got.nat.mapping, NAT_MAPPING_PORT);
	ck_assert_int_eq(got.nat.ports.step, -2);
	ck_assert_uint_eq(got.nat.opener_ttl, 3);
	ck_assert_uint_eq(got.host_count, 2);
	endpoint_same(&got.hosts[0], &four);
	endpoint_same(&got.hosts[1], &six);
	endpoint_same(&got.gateway, &four);
	ck_assert_uint_eq(got.round, 7);
	ck_assert_int_eq(got.progress, PEER_READY);
	ck_assert_uint_eq(got.last, 65535);
	ck_assert_uint_eq(peer_hello_encode(&got, again), len);
	ck_assert_mem_eq(data, again, len);
}
END_TEST

START_TEST(test_word)
{
	struct peer_word word = word_full(), got;
	uint8_t data[PEER_WIRE], again[PEER_WIRE];
	size_t len = peer_word_encode(&word, data);

	ck_assert_uint_eq(len, WORD_SIZE + 3 * ENDPOINT_SIZE);
	ck_assert_int_eq(peer_word_decode(data, len, &got), 0);
	ck_assert(got.pinned);
	ck_assert_uint_eq(got.share_low, 3490);
	ck_assert_uint_eq(got.share_high, 3521);
	ck_assert_uint_eq(got.serial, 0xfffffffe);
	ck_assert_int_eq(got.state, PEER_PAIRED);
	ck_assert_mem_eq(got.peer, lane_b, PEER_LANE);
	endpoint_same(&got.alternate, &six);
	ck_assert_uint_eq(got.round.number, 7);
	ck_assert_int_eq(got.round.plan, PEER_BIRTHDAY);
	ck_assert_uint_eq(got.round.part, 0);
	ck_assert(got.round.go);
	ck_assert_uint_eq(got.round.delay_ms, 123);
	ck_assert_uint_eq(got.round.limit_ms, 12000);
	ck_assert_uint_eq(got.round.pace_ms, 5);
	ck_assert_uint_eq(got.round.count, PEER_PROBES_MAX);
	ck_assert_uint_eq(got.round.last, 1024);
	ck_assert_int_eq(got.round.step, -65535);
	ck_assert_uint_eq(got.round.low, 1024);
	ck_assert_uint_eq(got.round.high, 65535);
	ck_assert_uint_eq(got.round.target_count, 3);
	endpoint_same(&got.round.targets[2], &four);
	ck_assert_uint_eq(peer_word_encode(&got, again), len);
	ck_assert_mem_eq(data, again, len);
}
END_TEST

START_TEST(test_flags)
{
	for (unsigned int flags = 0; flags < 32; flags++) {
		struct peer_hello hello = hello_full(), got;
		uint8_t data[PEER_WIRE];

		hello.bye = flags & 1;
		hello.wants_direct = flags & 2;
		hello.shared = flags & 4;
		hello.lonely = flags & 8;
		hello.spare = flags & 16;
		ck_assert_int_eq(peer_hello_decode(data, peer_hello_encode(&hello, data), &got), 0);
		ck_assert_uint_eq(data[2], flags);
		ck_assert_uint_eq(got.bye + 2 * got.wants_direct + 4 * got.shared + 8 * got.lonely +
					  16 * got.spare,
			flags);
	}
}
END_TEST

/* The smallest there are, and every byte of one of each, so that nobody moves a field. */
START_TEST(test_bytes)
{
	static const uint8_t hello_bytes[HELLO_SIZE] =
		"\x01\x00\x02\x03\0\0\0\x05\0\0\0\x64\0\0\0\x09\0\0\0\0"
		"aaaaaaaaaaaaaaa";
	static const uint8_t word_bytes[WORD_SIZE + ENDPOINT_SIZE] =
		"\x02\x01\x01\x03\0\0\0\x05"
		"bbbbbbbbbbbbbbb\0\0\x02\x13\x8c"
		"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09\0\0\0\x09"
		"\x01\x01\0\x0a\0\0\x01\0\0\0\x02\0\x04\0\xc3\x50\xff\xff\xff\xff"
		"\0\x01\0\x02\x0d\xa2\x0d\xc1\0\x01\x9c\xbb\xc0\0\x02\x09";
	struct peer_hello hello = {.heard = 5,
		.wants_direct = true,
		.rtt_ms = 100,
		.round = 9,
		.progress = PEER_FAILED};
	struct peer_word word = {.serial = 5,
		.state = PEER_PAIRED,
		.alternate = six,
		.share_low = 3490,
		.share_high = 3521,
		.round = {.number = 9,
			.plan = PEER_STEP,
			.part = 1,
			.go = true,
			.delay_ms = 256,
			.limit_ms = 512,
			.pace_ms = 10,
			.count = 1024,
			.last = 50000,
			.step = -1,
			.low = 1,
			.high = 2,
			.target_count = 1,
			.targets = {four}}};
	uint8_t data[PEER_WIRE];

	memcpy(hello.lane, lane_a, PEER_LANE);
	memcpy(word.peer, lane_b, PEER_LANE);
	ck_assert_uint_eq(peer_hello_encode(&hello, data), HELLO_SIZE);
	ck_assert_mem_eq(data, hello_bytes, HELLO_SIZE);
	ck_assert_uint_eq(peer_word_encode(&word, data), WORD_SIZE + ENDPOINT_SIZE);
	ck_assert_mem_eq(data, word_bytes, WORD_SIZE + ENDPOINT_SIZE);
}
END_TEST

/* No shorter and no longer one is taken, and neither is one taken for the other. */
START_TEST(test_whole)
{
	struct peer_hello hello = hello_full(), hello_got;
	struct peer_word word = word_full(), word_got;
	uint8_t data[PEER_WIRE + 1];
	size_t len = peer_hello_encode(&hello, data);

	for (size_t i = 0; i <= PEER_WIRE; i++)
		ck_assert_int_eq(peer_hello_decode(data, i, &hello_got), i == len ? 0 : -EPROTO);
	ck_assert_int_eq(peer_word_decode(data, len, &word_got), -EPROTO);
	len = peer_word_encode(&word, data);
	for (size_t i = 0; i <= PEER_WIRE; i++)
		ck_assert_int_eq(peer_word_decode(data, i, &word_got), i == len ? 0 : -EPROTO);
	ck_assert_int_eq(peer_hello_decode(data, len, &hello_got), -EPROTO);
}
END_TEST

/* One byte that makes the message senseless. */
struct bad {
	size_t at;
	uint8_t value;
};

START_TEST(test_hello_bad)
{
	static const struct bad bad[] = {
		{0, 0},	 /* kind */
		{0, 3},	 /* kind */
		{1, 2},	 /* role */
		{2, 32}, /* flags */
		{3, 4},	 /* progress */
		{18, 1}, /* hosts: fewer than there are */
		{18, 3}, /* more */
		{18, 5}, /* more than there may be */
		{19, 1}, {66, 1}, {HELLO_GATEWAY, 1},
		{HELLO_GATEWAY + 1, 0},		     /* none, with a port */
		{HELLO_GATEWAY + 1, 3},		     /* family */
		{HELLO_GATEWAY + 8, 1},		     /* behind 32 bits */
		{HELLO_SIZE + 1, 0},		     /* a host that is none */
		{HELLO_SIZE + 19, 1},		     /* behind 32 bits */
		{HELLO_SIZE + ENDPOINT_SIZE + 1, 1}, /* 128 bits as IPv4 */
	};
	struct peer_hello hello = hello_full(), got;
	uint8_t data[PEER_WIRE];
	size_t len;

	for (size_t i = 0; i < COUNT(bad); i++) {
		len = peer_hello_encode(&hello, data);
		data[bad[i].at] = bad[i].value;
		ck_assert_msg(peer_hello_decode(data, len, &got) == -EPROTO, "byte %zu", bad[i].at);
	}
	len = peer_hello_encode(&hello, data);
	data[HELLO_SIZE + 2] = data[HELLO_SIZE + 3] = 0;
	ck_assert_int_eq(peer_hello_decode(data, len, &got), -EPROTO);
	len = peer_hello_encode(&hello, data);
	memset(data + HELLO_LANE, 0, PEER_LANE);
	ck_assert_int_eq(peer_hello_decode(data, len, &got), -EPROTO);
	len = peer_hello_encode(&hello, data);
	memcpy(data + HELLO_PEER, data + HELLO_LANE, PEER_LANE);
	ck_assert_int_eq(peer_hello_decode(data, len, &got), -EPROTO);
	/* Ready for a round that nobody has named. */
	hello.round = 0;
	len = peer_hello_encode(&hello, data);
	ck_assert_int_eq(peer_hello_decode(data, len, &got), -EPROTO);
}
END_TEST

START_TEST(test_word_bad)
{
	static const struct bad bad[] = {
		{0, 1},		    /* kind */
		{1, PEER_WAITING},  /* with a peer */
		{1, PEER_CLOSED},   /* with a peer */
		{1, 3},		    /* state */
		{2, 4},		    /* flags */
		{3, PEER_REST},	    /* go, and nothing to do */
		{3, 5},		    /* plan */
		{25, 0},	    /* alternate: none, with a port */
		{25, 4},	    /* alternate */
		{48, 1},	    /* 2048 sockets */
		{48, 2},	    /* part */
		{49, 2},	    /* targets: fewer than there are */
		{49, 7},	    /* more than there may be */
		{60, 0x08 + 1},	    /* count */
		{64, 0x01},	    /* step */
		{64, 0x80},	    /* step */
		{70, 0x03},	    /* high below low */
		{74, 0x0c},	    /* the same of the shared ports */
		{WORD_SIZE + 1, 0}, /* a target that is none */
		{WORD_SIZE + 8, 1}, /* behind 32 bits */
		{WORD_SIZE + ENDPOINT_SIZE, 1},
	};
	struct peer_word word = word_full(), got;
	uint8_t data[PEER_WIRE];
	size_t len;

	for (size_t i = 0; i < COUNT(bad); i++) {
		len = peer_word_encode(&word, data);
		data[bad[i].at] = bad[i].value;
		ck_assert_msg(peer_word_decode(data, len, &got) == -EPROTO, "byte %zu", bad[i].at);
	}
	len = peer_word_encode(&word, data);
	memset(data + WORD_PEER, 0, PEER_LANE);
	ck_assert_int_eq(peer_word_decode(data, len, &got), -EPROTO);
	len = peer_word_encode(&word, data);
	memset(data + WORD_ROUND, 0, 4);
	ck_assert_int_eq(peer_word_decode(data, len, &got), -EPROTO);
	/* Fire, at nothing. */
	word.round.target_count = 0;
	len = peer_word_encode(&word, data);
	ck_assert_int_eq(peer_word_decode(data, len, &got), -EPROTO);
	word.round.go = false;
	len = peer_word_encode(&word, data);
	ck_assert_int_eq(peer_word_decode(data, len, &got), 0);
}
END_TEST

/* The largest ones fit, and counts beyond the arrays write nothing beyond them. */
START_TEST(test_largest)
{
	struct peer_hello hello = hello_full(), hello_got;
	struct peer_word word = word_full(), word_got;
	uint8_t data[PEER_WIRE];
	size_t len;

	hello.host_count = PEER_HOSTS;
	hello.hosts[2] = hello.hosts[3] = six;
	len = peer_hello_encode(&hello, data);
	ck_assert_int_eq(peer_hello_decode(data, len, &hello_got), 0);
	hello.host_count = 255;
	ck_assert_uint_eq(peer_hello_encode(&hello, data), len);
	word.round.target_count = PEER_TARGETS;
	for (size_t i = 0; i < PEER_TARGETS; i++)
		word.round.targets[i] = six;
	len = peer_word_encode(&word, data);
	ck_assert_int_eq(peer_word_decode(data, len, &word_got), 0);
	word.round.target_count = 255;
	ck_assert_uint_eq(peer_word_encode(&word, data), len);
}
END_TEST

/* Made with Python's hmac. */
START_TEST(test_key)
{
	static const uint8_t client[MAC_SHA256] = {0x22, 0xd2, 0x51, 0x66, 0xc1, 0x05, 0xf4, 0x50,
		0x6c, 0x69, 0x3b, 0x45, 0x0c, 0x44, 0x7d, 0x07, 0x43, 0x4f, 0x05, 0xd9, 0x45, 0x30,
		0x1d, 0x7e, 0x88, 0x40, 0x96, 0x81, 0x90, 0x6b, 0x70, 0x8d};
	static const uint8_t service[MAC_SHA256] = {0x51, 0x37, 0x54, 0x9c, 0xf9, 0x6b, 0x88, 0x62,
		0x38, 0xb5, 0x0f, 0x43, 0x4d, 0x14, 0x88, 0xc7, 0x24, 0xb1, 0x76, 0xb9, 0x5e, 0xf1,
		0x04, 0x51, 0xa1, 0x47, 0x1c, 0x9f, 0x1d, 0x04, 0xb0, 0x9c};
	uint8_t key[MAC_SHA256];

	peer_key(KEY, PEER_CLIENT, lane_a, lane_b, key);
	ck_assert_mem_eq(key, client, sizeof(key));
	peer_key(KEY, PEER_SERVICE, lane_a, lane_b, key);
	ck_assert_mem_eq(key, service, sizeof(key));
	peer_key(KEY, PEER_CLIENT, lane_b, lane_a, key);
	ck_assert_mem_ne(key, client, sizeof(key));
}
END_TEST

static Suite *peer_suite(void)
{
	Suite *suite = suite_create("peer");
	TCase *tcase = tcase_create("peer");

	tcase_add_test(tcase, test_hello);
	tcase_add_test(tcase, test_word);
	tcase_add_test(tcase, test_flags);
	tcase_add_test(tcase, test_bytes);
	tcase_add_test(tcase, test_whole);
	tcase_add_test(tcase, test_hello_bad);
	tcase_add_test(tcase, test_word_bad);
	tcase_add_test(tcase, test_largest);
	tcase_add_test(tcase, test_key);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(peer_suite());
}
