/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which plan, in which order, how large, and what is remembered of it. */
#include <limits.h>
#include <string.h>

#include "relayd/plan.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CONE                                                                                       \
	{                                                                                          \
		.mapping = NAT_MAPPING_ENDPOINT, .filtering = NAT_FILTERING_PORT                   \
	}
#define PRESERVING                                                                                 \
	{                                                                                          \
		.mapping = NAT_MAPPING_PORT, .ports = {.allocation = NAT_ALLOCATION_PRESERVING }   \
	}
#define SEQUENTIAL(n)                                                                              \
	{                                                                                          \
		.mapping = NAT_MAPPING_PORT, .ports = {                                            \
			.allocation = NAT_ALLOCATION_SEQUENTIAL,                                   \
			.step = (n)                                                                \
		}                                                                                  \
	}
#define RANDOM(from, to)                                                                           \
	{                                                                                          \
		.mapping = NAT_MAPPING_PORT, .ports = {                                            \
			.allocation = NAT_ALLOCATION_RANDOM,                                       \
			.low = (from),                                                             \
			.high = (to)                                                               \
		}                                                                                  \
	}
#define ONE_SERVER                                                                                 \
	{                                                                                          \
		.mapping = NAT_MAPPING_NOT_PORT, .ports = {.allocation = NAT_ALLOCATION_UNKNOWN }  \
	}

static const struct nat_report none = {.mapping = NAT_MAPPING_NONE}, unknown, cone = CONE,
			       preserving = PRESERVING, sequential = SEQUENTIAL(1),
			       backwards = SEQUENTIAL(-2), random_all = RANDOM(1024, 65535),
			       random_block = RANDOM(4096, 4607), no_allocation = ONE_SERVER,
			       symmetric = {.mapping = NAT_MAPPING_PORT},
			       blocked = {.mapping = NAT_MAPPING_ENDPOINT, .blocked = true};

/* What is tried in which order: one letter for each try. */
static void search(const struct nat_report *a, const struct nat_report *b, enum peer_plan known,
	char out[static 32])
{
	struct plan_side side[2] = {{.nat = *a}, {.nat = *b}};
	struct plan_history history = {0};
	size_t n = 0;

	while (n < 31) {
		enum peer_plan plan = plan_choose(side, &history, known);

		if (plan == PEER_REST)
			break;
		out[n++] = "-UPSB"[plan];
		history.tries[plan]++;
	}
	out[n] = '\0';
}

static const struct {
	const struct nat_report *a, *b;
	enum peer_plan known;
	const char *tries;
} orders[] = {
	{&none, &none, PEER_REST, "UU"},
	{&cone, &cone, PEER_REST, "UU"},
	{&cone, &preserving, PEER_REST, "UU"},
	{&cone, &sequential, PEER_REST, "PPPPPBBBU"},
	{&preserving, &backwards, PEER_REST, "UUPPPPPBBB"},
	{&sequential, &backwards, PEER_REST, "UUSSSS"},
	{&cone, &random_all, PEER_REST, "BBBU"},
	{&none, &random_block, PEER_REST, "UUBBB"},
	{&cone, &symmetric, PEER_REST, "BBBU"},
	{&cone, &no_allocation, PEER_REST, "BBBU"},
	{&no_allocation, &random_all, PEER_REST, "UUBBB"},
	{&no_allocation, &sequential, PEER_REST, "UUPPPPPBBB"},
	{&no_allocation, &no_allocation, PEER_REST, "UUBBB"},
	{&sequential, &random_all, PEER_REST, "UU"},
	{&random_all, &random_block, PEER_REST, "UU"},
	{&random_block, &random_block, PEER_REST, "UU"},
	/* No report yet. */
	{&unknown, &cone, PEER_REST, "UU"},
	{&unknown, &random_all, PEER_REST, "UU"},
	{&unknown, &unknown, PEER_BIRTHDAY, "UU"},
	{&blocked, &cone, PEER_REST, ""},
	{&blocked, &cone, PEER_PUNCH, ""},
	/* What worked before comes first, if it can. */
	{&cone, &random_all, PEER_BIRTHDAY, "BBBU"},
	{&cone, &cone, PEER_PUNCH, "UU"},
	{&cone, &cone, PEER_STEP, "UU"},
	{&sequential, &sequential, PEER_STEP, "SUUSSS"},
	{&random_all, &random_all, PEER_BIRTHDAY, "UU"},
};

START_TEST(test_order)
{
	char got[32];

	search(orders[_i].a, orders[_i].b, orders[_i].known, got);
	ck_assert_str_eq(got, orders[_i].tries);
	search(orders[_i].b, orders[_i].a, orders[_i].known, got);
	ck_assert_str_eq(got, orders[_i].tries);
}
END_TEST

/* A socket that is somebody else's is the only one: its side is found by what is proven, or not. */
START_TEST(test_fixed)
{
	static const struct {
		const struct nat_report *a, *fixed;
		enum peer_plan known;
		bool finds[PEER_BIRTHDAY + 1];
	} list[] = {
		{&cone, &cone, PEER_REST, {[PEER_PUNCH] = true}},
		{&sequential, &cone, PEER_REST, {[PEER_PREDICT] = true}},
		{&random_all, &cone, PEER_BIRTHDAY, {[PEER_BIRTHDAY] = true}},
		{&none, &random_all, PEER_REST, {[PEER_PUNCH] = true}},
		{&none, &random_all, PEER_BIRTHDAY, {[PEER_PUNCH] = true}},
		{&none, &sequential, PEER_PREDICT, {[PEER_PUNCH] = true}},
		{&sequential, &sequential, PEER_STEP, {[PEER_PUNCH] = true}},
	};

	for (unsigned int swap = 0; swap < 2; swap++) {
		struct plan_side side[2] = {0};
		struct plan_history history = {0};
		enum peer_plan plan;

		side[swap].nat = *list[_i].a;
		side[!swap].nat = *list[_i].fixed;
		side[!swap].fixed = true;
		plan = plan_choose(side, &history, list[_i].known);
		ck_assert(list[_i].finds[plan]);
		history.tries[PEER_PUNCH] = UINT_MAX;
		plan = plan_choose(side, &history, PEER_REST);
		ck_assert(plan == PEER_REST || list[_i].finds[PEER_PUNCH] == false);
	}
}
END_TEST

static struct peer_round fill(enum peer_plan plan, const struct nat_report *a,
	const struct nat_report *b, unsigned int which, unsigned int tries)
{
	struct plan_side side[2] = {{.nat = *a, .hole = {{AF_INET, {192, 0, 2, 1}}, 3000}},
		{.nat = *b, .hole = {{AF_INET, {192, 0, 2, 2}}, 4000}, .last = 5000}};
	struct peer_round round;

	memset(&round, 0xaa, sizeof(round));
	round.number = 7;
	plan_fill(plan, side, which, tries, &round);
	ck_assert_uint_eq(round.number, 7);
	ck_assert_uint_le(round.count, PEER_PROBES_MAX);
	ck_assert_int_eq(round.plan, plan);
	/* The datagrams are out, and an answer has had a second, before it has failed. */
	ck_assert_uint_ge(round.limit_ms, (unsigned int)round.count * round.pace_ms);
	return round;
}

START_TEST(test_punch)
{
	for (unsigned int which = 0; which < 2; which++) {
		struct peer_round round = fill(PEER_PUNCH, &random_all, &cone, which, 0);

		ck_assert_uint_eq(round.part, 0);
		ck_assert_uint_gt(round.count, 5);
		ck_assert_uint_le(round.limit_ms, 2000);
	}
}
END_TEST

/* Who may be reached elsewhere too is sought there first. */
START_TEST(test_listed)
{
	struct plan_side side[2] = {{.nat = cone}, {.nat = random_all}};
	struct plan_history history = {0};

	ck_assert_int_eq(plan_choose(side, &history, PEER_REST), PEER_BIRTHDAY);
	side[1].listed = true;
	ck_assert_int_eq(plan_choose(side, &history, PEER_REST), PEER_PUNCH);
}
END_TEST

/* The window is where the next mappings of the other are, and grows. */
START_TEST(test_predict)
{
	struct peer_round round = fill(PEER_PREDICT, &cone, &backwards, 0, 0);
	uint16_t before = 0;

	ck_assert_uint_eq(round.part, 0);
	ck_assert_uint_eq(round.last, 5000);
	ck_assert_int_eq(round.step, -2);
	for (unsigned int tries = 0; tries < 5; tries++) {
		round = fill(PEER_PREDICT, &cone, &backwards, 0, tries);
		ck_assert_uint_ge(round.count, before);
		ck_assert(round.count >= 8 && round.count <= 64);
		before = round.count;
	}
	ck_assert_uint_eq(before, 64);
	round = fill(PEER_PREDICT, &cone, &backwards, 1, 0);
	ck_assert_uint_eq(round.part, 1);
	/* No mapping was seen: that of the hole. */
	round = fill(PEER_PREDICT, &sequential, &cone, 1, 0);
	ck_assert_uint_eq(round.part, 0);
	ck_assert_uint_eq(round.last, 3000);
	ck_assert_int_eq(round.step, 1);
	ck_assert_uint_eq(fill(PEER_PREDICT, &sequential, &cone, 0, 0).part, 1);
}
END_TEST

START_TEST(test_step)
{
	struct peer_round client = fill(PEER_STEP, &sequential, &backwards, 0, 0);
	struct peer_round service = fill(PEER_STEP, &sequential, &backwards, 1, 0);

	ck_assert_uint_eq(client.part, 0);
	ck_assert_uint_eq(client.last, 5000);
	ck_assert_int_eq(client.step, -2);
	ck_assert_uint_eq(service.part, 1);
	ck_assert_uint_eq(service.last, 3000);
	ck_assert_int_eq(service.step, 1);
	ck_assert_uint_eq(client.count, service.count);
	ck_assert_uint_eq(client.count, 32);
	ck_assert_uint_eq(client.pace_ms, 10);
	ck_assert_uint_eq(fill(PEER_STEP, &sequential, &backwards, 0, 3).count, 1024);
}
END_TEST

/* No probe repeats a port: the chance that none of k probes among n ports meets one of m. */
static double chance(unsigned int n, unsigned int m, unsigned int k)
{
	double miss = 1;

	for (unsigned int i = 0; i < k; i++)
		miss *= (double)(n - m - i > n ? 0 : n - m - i) / (n - i);
	return 1 - miss;
}

static const struct {
	uint16_t low, high;
	double least;
	unsigned int most;
} blocks[] = {{1024, 65535, 0.98, 2048}, {32768, 60999, 0.99, 1100}, {10000, 12047, 0.99, 110},
	{10000, 10511, 0.99, 60}, {10000, 10063, 0.99, 30}, {10000, 10003, 0.99, 4},
	{10000, 10000, 0.99, 1}};

START_TEST(test_birthday)
{
	const struct nat_report nat = RANDOM(blocks[_i].low, blocks[_i].high);
	struct peer_round probes = fill(PEER_BIRTHDAY, &cone, &nat, 0, 0);
	struct peer_round sockets = fill(PEER_BIRTHDAY, &cone, &nat, 1, 0);
	unsigned int ports = blocks[_i].high - blocks[_i].low + 1u;

	ck_assert_uint_eq(probes.part, 0);
	ck_assert_uint_eq(sockets.part, 1);
	ck_assert_uint_eq(probes.low, blocks[_i].low);
	ck_assert_uint_eq(probes.high, blocks[_i].high);
	ck_assert_uint_le(sockets.count, PEER_SOCKETS_MAX);
	ck_assert_uint_le(probes.count, blocks[_i].most);
	ck_assert_uint_le(probes.count, ports);
	ck_assert_uint_eq(probes.limit_ms, sockets.limit_ms);
	ck_assert_double_ge(chance(ports, sockets.count, probes.count), blocks[_i].least);
	ck_assert_uint_eq(fill(PEER_BIRTHDAY, &nat, &cone, 1, 0).count, probes.count);
}
END_TEST

/* A sequential NAT that could not be predicted: its next ports are a block after the last. */
START_TEST(test_birthday_nearby)
{
	struct plan_side side[2] = {{.nat = cone}, {.nat = sequential, .last = 65000}};
	struct peer_round round = fill(PEER_BIRTHDAY, &cone, &sequential, 0, 0);

	ck_assert_uint_eq(round.low, 5000);
	ck_assert_uint_eq(round.high, 6024);
	ck_assert_uint_lt(round.count, 100);
	round = fill(PEER_BIRTHDAY, &cone, &backwards, 0, 0);
	ck_assert_uint_eq(round.low, 5000 - 2048);
	ck_assert_uint_eq(round.high, 5000);
	plan_fill(PEER_BIRTHDAY, side, 0, 0, &round);
	ck_assert_uint_eq(round.high, 65535);
	ck_assert_uint_eq(round.low, 65535 - 1024);
	side[1].nat.ports.step = -1;
	side[1].last = 1030;
	plan_fill(PEER_BIRTHDAY, side, 0, 0, &round);
	ck_assert_uint_eq(round.low, 1024);
	ck_assert_uint_eq(round.high, 2048);
	side[1].nat.ports.step = -60000;
	plan_fill(PEER_BIRTHDAY, side, 0, 0, &round);
	ck_assert_uint_eq(round.low, 1024);
	ck_assert_uint_eq(round.high, 65535);
}
END_TEST

static struct plan_memory memory;

START_TEST(test_memory)
{
	static const struct addr a = {AF_INET, {192, 0, 2, 1}}, a2 = {AF_INET, {192, 0, 2, 200}},
				 b = {AF_INET, {198, 51, 100, 1}}, c = {AF_INET, {192, 0, 3, 1}},
				 six = {AF_INET6, {0x20, 1, 0xd, 0xb8, 0, 0, 1, 2}},
				 six2 = {AF_INET6, {0x20, 1, 0xd, 0xb8, 0, 0, 1, 3, 9}};

	memset(&memory, 0, sizeof(memory));
	memory.seed = 7;
	ck_assert_int_eq(plan_recall(&memory, &a, &b, 0), PEER_REST);
	plan_remember(&memory, &a, &b, PEER_BIRTHDAY, 1000);
	ck_assert_int_eq(plan_recall(&memory, &a, &b, 2000), PEER_BIRTHDAY);
	ck_assert_int_eq(plan_recall(&memory, &b, &a2, 2000), PEER_BIRTHDAY);
	ck_assert_int_eq(plan_recall(&memory, &c, &b, 2000), PEER_REST);
	plan_remember(&memory, &b, &a, PEER_PUNCH, 3000);
	ck_assert_int_eq(plan_recall(&memory, &a, &b, 3000), PEER_PUNCH);
	plan_remember(&memory, &six, &b, PEER_STEP, 3000);
	ck_assert_int_eq(plan_recall(&memory, &six2, &b, 3000), PEER_STEP);
	/* After a day it may be another NAT. */
	ck_assert_int_eq(plan_recall(&memory, &a, &b, 3000 + 86400000LL), PEER_REST);
}
END_TEST

/* It never grows, and what is newest is there. */
START_TEST(test_memory_full)
{
	static const struct addr b = {AF_INET, {198, 51, 100, 1}};
	struct addr a = {AF_INET, {10}};
	unsigned int there = 0;

	memset(&memory, 0, sizeof(memory));
	memory.seed = 9;
	for (int i = 0; i < 3 * PLAN_MEMORY; i++) {
		a.bytes[1] = (uint8_t)(i >> 8);
		a.bytes[2] = (uint8_t)i;
		plan_remember(&memory, &a, &b, PEER_PUNCH, i);
		ck_assert_int_eq(plan_recall(&memory, &a, &b, i), PEER_PUNCH);
	}
	for (int i = 2 * PLAN_MEMORY; i < 3 * PLAN_MEMORY; i++) {
		a.bytes[1] = (uint8_t)(i >> 8);
		a.bytes[2] = (uint8_t)i;
		there += plan_recall(&memory, &a, &b, 3 * PLAN_MEMORY) == PEER_PUNCH;
	}
	ck_assert_uint_gt(there, PLAN_MEMORY / 2);
}
END_TEST

static Suite *plan_suite(void)
{
	Suite *suite = suite_create("plan");
	TCase *tcase = tcase_create("plan");

	tcase_add_loop_test(tcase, test_order, 0, COUNT(orders));
	tcase_add_test(tcase, test_punch);
	tcase_add_test(tcase, test_listed);
	tcase_add_loop_test(tcase, test_fixed, 0, 7);
	tcase_add_test(tcase, test_predict);
	tcase_add_test(tcase, test_step);
	tcase_add_loop_test(tcase, test_birthday, 0, COUNT(blocks));
	tcase_add_test(tcase, test_birthday_nearby);
	tcase_add_test(tcase, test_memory);
	tcase_add_test(tcase, test_memory_full);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(plan_suite());
}
