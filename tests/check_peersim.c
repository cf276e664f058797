/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lanes behind NATs of every kind, hundreds of sessions in simulated time. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/peersim.h"

enum kind {
	FULL,
	RESTRICTED,
	PORT_RESTRICTED,
	LINUX, /* port restricted, and spoilt by what comes too early */
	PRESERVING,
	SEQUENTIAL,
	RANDOM,
	KINDS,
};

static const char *const names[KINDS] = {"full cone", "restricted", "port restricted", "linux",
	"symmetric preserving", "symmetric sequential", "symmetric random"};

static void kind_set(
	enum kind kind, double foreign, struct nat_config *nat, struct nat_report *report)
{
	static const enum nat_scope filters[] = {[FULL] = NAT_ENDPOINT, [RESTRICTED] = NAT_ADDRESS};
	static const enum nat_allocate allocates[] = {[LINUX] = NAT_PRESERVE_CLASH,
		[PRESERVING] = NAT_PRESERVE,
		[SEQUENTIAL] = NAT_SEQUENTIAL,
		[RANDOM] = NAT_RANDOM};
	static const enum nat_allocation allocations[] = {
		[NAT_PRESERVE] = NAT_ALLOCATION_PRESERVING,
		[NAT_PRESERVE_CLASH] = NAT_ALLOCATION_PRESERVING,
		[NAT_SEQUENTIAL] = NAT_ALLOCATION_SEQUENTIAL,
		[NAT_RANDOM] = NAT_ALLOCATION_RANDOM};

	*nat = (struct nat_config){
		.mapping = kind >= PRESERVING ? NAT_PORT : NAT_ENDPOINT,
		.filtering = kind <= RESTRICTED ? filters[kind] : NAT_PORT,
		.allocate = kind >= LINUX ? allocates[kind] : NAT_RANDOM,
		.step = 1,
		.foreign = foreign,
		.inbound_refreshes = true,
	};
	*report = (struct nat_report){
		.mapping = nat->mapping == NAT_PORT ? NAT_MAPPING_PORT : NAT_MAPPING_ENDPOINT,
		.filtering = kind == FULL	  ? NAT_FILTERING_ENDPOINT
			     : kind == RESTRICTED ? NAT_FILTERING_ADDRESS
						  : NAT_FILTERING_PORT,
		.ports = {.allocation = allocations[nat->allocate]},
		.layers = 1,
		.opener_ttl = 2,
	};
	if (report->ports.allocation == NAT_ALLOCATION_SEQUENTIAL)
		report->ports.step = nat->step;
	if (report->ports.allocation == NAT_ALLOCATION_RANDOM) {
		report->ports.low = 1024;
		report->ports.high = 65535;
	}
}

static struct sim_config pair_config(enum kind a, enum kind b, uint32_t seed)
{
	struct sim_config config = {
		.delay_ms = 30, .jitter_ms = 5, .loss = 0.01, .data_ms = 50, .seed = seed};

	kind_set(a, 2, &config.nat[0], &config.report[0]);
	kind_set(b, 2, &config.nat[1], &config.report[1]);
	return config;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

#define SESSIONS_MAX 2000

/* The share of sessions that became direct. */
static double pair_measure(enum kind a, enum kind b, unsigned int sessions)
{
	static int64_t ms[SESSIONS_MAX];
	unsigned int direct = 0, probes = 0, first = 0;

	for (unsigned int i = 0; i < sessions; i++) {
		struct sim_config config = pair_config(a, b, i + 1);
		struct sim *sim = sim_open(&config);

		if (sim_run_direct(sim, 120000)) {
			const struct sim_side *one = sim_side(sim, 0), *two = sim_side(sim, 1);

			first += one->rounds_failed == 0;
			ms[direct++] =
				one->direct_ms > two->direct_ms ? one->direct_ms : two->direct_ms;
		}
		probes += sim_side(sim, 0)->probes + sim_side(sim, 1)->probes;
		sim_close(sim);
	}
	qsort(ms, direct, sizeof(ms[0]), compare);
	printf("# figure: %s x %s: direct %.1f %% (%.1f %% in the first round), %u packets, "
	       "median %lld ms, 95 %% %lld ms\n",
		names[a], names[b], 100.0 * direct / sessions, 100.0 * first / sessions,
		probes / sessions, direct ? (long long)ms[direct / 2] : 0,
		direct ? (long long)ms[direct * 95 / 100] : 0);
	fflush(stdout);
	return 100.0 * direct / sessions;
}

/* What is asked of each pair, in percent. */
static double pair_wanted(enum kind a, enum kind b)
{
	if (a > b)
		return pair_wanted(b, a);
	if (a <= RESTRICTED)
		return 100;
	if (b <= PRESERVING)
		return a == PRESERVING || b == PRESERVING ? 99 : 100;
	if (b == SEQUENTIAL)
		return a == SEQUENTIAL ? 95 : 97;
	return a == SEQUENTIAL || a == RANDOM ? 0 : 98;
}

START_TEST(test_pairs)
{
	const char *only = getenv("PAIR"), *count = getenv("SESSIONS");
	enum kind a = _i / KINDS, b = _i % KINDS;
	double rate, wanted = pair_wanted(a, b);
	unsigned int sessions = b == RANDOM || a == RANDOM ? 40 : 200;

	if (only && atoi(only) != _i)
		return;
	if (a > b && !only)
		return; /* roles are told apart by test_roles */
	if (count)
		sessions = (unsigned int)atoi(count);
	rate = pair_measure(a, b, sessions);
	ck_assert_msg(rate >= wanted, "%s x %s: %.1f %%", names[a], names[b], rate);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("peersim");
	TCase *tcase = tcase_create("pairs");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 300);
	tcase_add_loop_test(tcase, test_pairs, 0, KINDS * KINDS);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
