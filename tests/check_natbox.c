/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/natbox/nat.h"
#include "tests/suite.h"

#define NOW ((int64_t)1000000)

static struct nat_config config;
static struct nat *nat;

static struct endpoint at(const char *text)
{
	struct endpoint out;

	ck_assert_int_eq(endpoint_parse(text, 0, &out), 0);
	return out;
}

static void set_up(void)
{
	memset(&config, 0, sizeof(config));
	ck_assert_int_eq(addr_parse("192.0.2.9", &config.public), 0);
	config.mapping = NAT_PORT;
	config.filtering = NAT_PORT;
	config.lifetime_ms = 30000;
	config.seed = 7;
	nat = NULL;
}

static void tear_down(void)
{
	nat_close(nat);
}

static void nat_begin(void)
{
	nat_close(nat);
	nat = nat_open(&config);
	ck_assert_ptr_nonnull(nat);
}

/* The port that a datagram leaves from; 0: none is free. */
static unsigned int out(const char *inside, const char *to, int64_t now_ms)
{
	struct endpoint from = at(inside), remote = at(to), mapped;

	if (!nat_out(nat, &from, &remote, now_ms, &mapped))
		return 0;
	ck_assert(addr_equal(&mapped.addr, &config.public));
	return mapped.port;
}

/* Who gets a datagram that comes to this port. */
static const char *in(const char *from, unsigned int port, int64_t now_ms)
{
	static char text[ENDPOINT_TEXT];
	struct endpoint remote = at(from), to = {config.public, (uint16_t)port}, inside;

	if (!nat_in(nat, &remote, &to, now_ms, &inside))
		return "refused";
	return endpoint_format(&inside, text);
}

#define A  "10.0.0.2:5000"
#define B  "10.0.0.3:5000"
#define R1 "203.0.113.7:3478"
#define R2 "203.0.113.7:3479"
#define R3 "203.0.113.8:3478"

/* Which of three destinations share a port: one bit for another port, one for another address. */
START_TEST(test_mapping)
{
	static const struct {
		enum nat_scope scope;
		bool port, addr;
	} cases[] = {
		{NAT_ENDPOINT, true, true},
		{NAT_ADDRESS, true, false},
		{NAT_PORT, false, false},
	};
	unsigned int port;

	config.allocate = NAT_RANDOM;
	config.mapping = cases[_i].scope;
	nat_begin();
	port = out(A, R1, NOW);
	ck_assert_uint_eq(out(A, R1, NOW), port);
	ck_assert_int_eq(out(A, R2, NOW) == port, cases[_i].port);
	ck_assert_int_eq(out(A, R3, NOW) == port, cases[_i].addr);
	ck_assert_uint_ne(out(B, R1, NOW), port);
	ck_assert_uint_ne(out("10.0.0.2:5001", R1, NOW), port);
}
END_TEST

START_TEST(test_filtering)
{
	static const char *const want[][2] = {{A, A}, {A, "refused"}, {"refused", "refused"}};
	unsigned int port;

	config.mapping = NAT_ENDPOINT;
	config.filtering = (enum nat_scope)_i;
	nat_begin();
	port = out(A, R1, NOW);
	ck_assert_uint_eq(port, 5000);
	ck_assert_str_eq(in(R1, port, NOW), A);
	ck_assert_str_eq(in(R2, port, NOW), want[_i][0]);
	ck_assert_str_eq(in(R3, port, NOW), want[_i][1]);
	ck_assert_str_eq(in(R1, port + 1, NOW), "refused");
}
END_TEST

/* Both scopes in every combination: an answer comes back, and goes to whom it is for. */
START_TEST(test_return)
{
	config.mapping = (enum nat_scope)(_i % 3);
	config.filtering = (enum nat_scope)(_i / 3 % 3);
	config.allocate = (enum nat_allocate)(_i / 9);
	nat_begin();
	for (int i = 0; i < 3; i++) {
		static const char *const remote[] = {R1, R2, R3};

		ck_assert_str_eq(in(remote[i], out(A, remote[i], NOW), NOW), A);
		ck_assert_str_eq(in(remote[i], out(B, remote[i], NOW), NOW), B);
	}
	for (int i = 0; i < 3; i++) {
		static const char *const remote[] = {R1, R2, R3};

		ck_assert_str_eq(in(remote[i], out(A, remote[i], NOW), NOW), A);
		ck_assert_str_eq(in(remote[i], out(B, remote[i], NOW), NOW), B);
	}
}
END_TEST

START_TEST(test_preserve)
{
	nat_begin();
	ck_assert_uint_eq(out(A, R1, NOW), 5000);
	ck_assert_uint_eq(out(A, R3, NOW), 5000);
	ck_assert_uint_eq(out(B, R1, NOW), 5001);
	ck_assert_uint_eq(out("10.0.0.2:5001", R1, NOW), 5002);
	ck_assert_str_eq(in(R1, 5001, NOW), B);
	ck_assert_uint_eq(out("10.0.0.2:80", R1, NOW), 1024);
}
END_TEST

/* What comes too early spoils the port towards its sender, and towards nobody else. */
START_TEST(test_clash)
{
	unsigned int port;

	config.allocate = NAT_PRESERVE_CLASH;
	nat_begin();
	ck_assert_uint_eq(out(A, R1, NOW), 5000);
	ck_assert_str_eq(in(R3, 5000, NOW), "refused");
	port = out(A, R3, NOW);
	ck_assert_uint_ne(port, 5000);
	ck_assert_str_eq(in(R3, 5000, NOW), "refused");
	ck_assert_str_eq(in(R3, port, NOW), A);
	ck_assert_uint_eq(out(A, R1, NOW), 5000);
	ck_assert_uint_eq(out(A, R2, NOW), port);
	/* Another host may have the same port towards somebody else. */
	ck_assert_uint_eq(out(B, R2, NOW), 5000);
	ck_assert_uint_ne(out(B, R1, NOW), 5000);
	ck_assert_str_eq(in(R2, 5000, NOW), B);
}
END_TEST

START_TEST(test_clash_ends)
{
	config.allocate = NAT_PRESERVE_CLASH;
	nat_begin();
	ck_assert_str_eq(in(R3, 5000, NOW), "refused");
	ck_assert_uint_ne(out(A, R3, NOW + 29999), 5000);
	nat_begin();
	ck_assert_str_eq(in(R3, 5000, NOW), "refused");
	ck_assert_uint_eq(out(A, R3, NOW + 30000), 5000);
}
END_TEST

START_TEST(test_sequential)
{
	static const int steps[] = {1, 2, -1, 256};
	int last;

	config.allocate = NAT_SEQUENTIAL;
	config.step = steps[_i];
	config.low = 20000;
	config.high = 29999;
	nat_begin();
	last = (int)out(A, R1, NOW) - 20000;
	for (int i = 1; i < 3000; i++) {
		char to[ENDPOINT_TEXT];
		int port;

		snprintf(to, sizeof(to), "203.0.113.9:%d", i);
		port = (int)out(A, to, NOW) - 20000;
		ck_assert_int_ge(port, 0);
		ck_assert_int_lt(port, 10000);
		if (i < 30)
			ck_assert_int_eq((port - last - config.step + 20000) % 10000, 0);
		last = port;
	}
}
END_TEST

/* Some hundred ports spread over the range, no two the same, and another seed gives others. */
START_TEST(test_random)
{
	unsigned int first = 0, below = 0;
	bool seen[65536] = {false};

	config.allocate = NAT_RANDOM;
	config.low = 40000;
	config.high = 59999;
	nat_begin();
	for (int i = 1; i <= 1000; i++) {
		char to[ENDPOINT_TEXT];
		unsigned int port;

		snprintf(to, sizeof(to), "203.0.113.9:%d", i);
		port = out(A, to, NOW);
		first = first ? first : port;
		ck_assert(port >= 40000 && port <= 59999 && !seen[port]);
		seen[port] = true;
		below += port < 50000;
	}
	ck_assert_uint_gt(below, 400);
	ck_assert_uint_lt(below, 600);
	nat_begin();
	ck_assert_uint_eq(out(A, R1, NOW), first);
	config.seed++;
	nat_begin();
	ck_assert_uint_ne(out(A, R1, NOW), first);
}
END_TEST

START_TEST(test_block)
{
	unsigned int base[2] = {0, 0};

	config.allocate = NAT_BLOCK;
	config.block = 64;
	config.low = 1024;
	nat_begin();
	for (int i = 1; i <= 128; i++) {
		char to[ENDPOINT_TEXT];
		unsigned int port;

		snprintf(to, sizeof(to), "203.0.113.9:%d", i);
		port = out(i % 2 ? A : B, to, NOW);
		ck_assert_uint_ne(port, 0);
		port = (port - 1024) / 64 + 1;
		ck_assert(!base[i % 2] || base[i % 2] == port);
		base[i % 2] = port;
	}
	ck_assert_uint_ne(base[0], base[1]);
	ck_assert_uint_eq(out(A, R1, NOW), 0);
	ck_assert_uint_eq(nat_counters(nat)->exhausted, 1);
	ck_assert_uint_ne(out(A, R1, NOW + 30000), 0);
}
END_TEST

/* Foreign mappings come at their rate and are in the way of ours. */
START_TEST(test_foreign)
{
	unsigned int port, last;
	int moved = 0;

	config.allocate = NAT_SEQUENTIAL;
	config.foreign = 20;
	nat_begin();
	last = out(A, "203.0.113.9:1", NOW);
	for (int i = 1; i <= 1000; i++) {
		char to[ENDPOINT_TEXT];

		snprintf(to, sizeof(to), "203.0.113.9:%d", i + 1);
		port = out(A, to, NOW + (int64_t)i * 100);
		moved += (int)(port - last + 64512) % 64512;
		last = port;
	}
	/* In 100 s 2000 of theirs, give or take four standard deviations, and 1000 of ours. */
	ck_assert_int_gt(moved, 2820);
	ck_assert_int_lt(moved, 3180);
	ck_assert_uint_eq(nat_counters(nat)->foreign + 1000, (unsigned int)moved);
}
END_TEST

START_TEST(test_lifetime)
{
	unsigned int port;

	config.allocate = NAT_RANDOM;
	config.inbound_refreshes = _i;
	nat_begin();
	port = out(A, R1, NOW);
	ck_assert_str_eq(in(R1, port, NOW + 29999), A);
	ck_assert_str_eq(in(R1, port, NOW + 30000), _i ? A : "refused");
	ck_assert_int_eq(out(A, R1, NOW + 31000) == port, _i);
	port = out(A, R1, NOW + 60000);
	ck_assert_uint_eq(out(A, R1, NOW + 89999), port);
	ck_assert_str_eq(in(R1, port, NOW + 119998), A);
	ck_assert_uint_ne(out(A, R1, NOW + 150000), port);
}
END_TEST

/* The filter of a mapping ends by itself while the mapping goes on. */
START_TEST(test_filter_lifetime)
{
	config.mapping = NAT_ENDPOINT;
	nat_begin();
	out(A, R1, NOW);
	out(A, R3, NOW + 20000);
	ck_assert_str_eq(in(R1, 5000, NOW + 40000), "refused");
	ck_assert_str_eq(in(R3, 5000, NOW + 40000), A);
}
END_TEST

START_TEST(test_hairpin)
{
	char public[ENDPOINT_TEXT];

	config.mapping = NAT_ENDPOINT;
	config.filtering = NAT_ENDPOINT;
	config.hairpin = _i;
	nat_begin();
	snprintf(public, sizeof(public), "192.0.2.9:%u", out(B, R1, NOW));
	ck_assert_uint_eq(out(A, public, NOW), 5001);
	ck_assert_str_eq(in("192.0.2.9:5001", 5000, NOW), _i ? B : "refused");
}
END_TEST

START_TEST(test_other_address)
{
	struct endpoint from = at(R1), to = at("192.0.2.10:5000"), inside;

	nat_begin();
	out(A, R1, NOW);
	ck_assert(!nat_in(nat, &from, &to, NOW, &inside));
}
END_TEST

/* Full, it says so, forgets nothing, and recovers. */
START_TEST(test_full)
{
	unsigned int given = 0;

	config.allocate = NAT_RANDOM;
	nat_begin();
	out(A, R1, NOW);
	for (int i = 1; i < 70000; i++) {
		char to[ENDPOINT_TEXT];

		snprintf(to, sizeof(to), "203.0.%d.9:%d", i / 60000, 1 + i % 60000);
		given += out(A, to, NOW) != 0;
	}
	ck_assert_uint_eq(given, 64511);
	ck_assert_uint_eq(nat_counters(nat)->exhausted, 69999 - 64511);
	ck_assert_uint_ne(out(A, R1, NOW), 0);
	ck_assert_uint_ne(out(B, R1, NOW + 30000), 0);
}
END_TEST

static Suite *natbox_suite(void)
{
	Suite *suite = suite_create("natbox");
	TCase *tests = tcase_create("nat");

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_set_timeout(tests, 30);
	tcase_add_loop_test(tests, test_mapping, 0, 3);
	tcase_add_loop_test(tests, test_filtering, 0, 3);
	tcase_add_loop_test(tests, test_return, 0, 45);
	tcase_add_test(tests, test_preserve);
	tcase_add_test(tests, test_clash);
	tcase_add_test(tests, test_clash_ends);
	tcase_add_loop_test(tests, test_sequential, 0, 4);
	tcase_add_test(tests, test_random);
	tcase_add_test(tests, test_block);
	tcase_add_test(tests, test_foreign);
	tcase_add_loop_test(tests, test_lifetime, 0, 2);
	tcase_add_test(tests, test_filter_lifetime);
	tcase_add_loop_test(tests, test_hairpin, 0, 2);
	tcase_add_test(tests, test_other_address);
	tcase_add_test(tests, test_full);
	suite_add_tcase(suite, tests);
	return suite;
}

int main(void)
{
	return suite_run(natbox_suite());
}
