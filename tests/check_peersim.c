/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lanes behind NATs of every kind, hundreds of sessions in simulated time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/peersim.h"
#include "tests/suite.h"

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

/* For experiments: PAIR (7 times the one kind plus the other), SESSIONS, LOSS, FOREIGN. */
static double knob(const char *name, double usual)
{
	const char *text = getenv(name);

	return text ? strtod(text, NULL) : usual;
}

static struct sim_config pair_config(enum kind a, enum kind b, uint32_t seed)
{
	struct sim_config config = {.delay_ms = 30,
		.jitter_ms = 5,
		.loss = knob("LOSS", 0.01),
		.data_ms = 50,
		.seed = seed};

	kind_set(a, knob("FOREIGN", 2), &config.nat[0], &config.report[0]);
	kind_set(b, knob("FOREIGN", 2), &config.nat[1], &config.report[1]);
	return config;
}

static struct sim *sim_direct(enum kind a, enum kind b, double loss)
{
	struct sim_config config = pair_config(a, b, 7);
	struct sim *sim;

	config.loss = loss;
	sim = sim_open(&config);
	ck_assert(sim_run_direct(sim, 60000));
	return sim;
}

/* All that was sent came, once. */
static void assert_whole(struct sim *sim)
{
	sim_data(sim, 0);
	sim_run(sim, 1000);
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert_uint_eq(sim_side(sim, i)->got, sim_side(sim, !i)->sent);
		ck_assert_uint_eq(sim_side(sim, i)->doubled, 0);
	}
}

START_TEST(test_moving_loses_nothing)
{
	static const enum kind others[] = {FULL, PORT_RESTRICTED, SEQUENTIAL, RANDOM};
	struct sim *sim = sim_direct(LINUX, others[_i], 0);

	sim_run(sim, 5000);
	ck_assert_uint_gt(sim_side(sim, 0)->got, 100);
	ck_assert_uint_eq(sim_side(sim, 0)->losts + sim_side(sim, 1)->losts, 0);
	assert_whole(sim);
	sim_close(sim);
}
END_TEST

/*
 * Back to the relay as long as the path lives, and to a direct path again. Linux may have kept a
 * shifted port from the first search, and then is not found by birthdays a second time.
 */
START_TEST(test_leaving_loses_nothing)
{
	static const enum kind others[] = {FULL, PORT_RESTRICTED, SEQUENTIAL, RANDOM};
	enum kind other = others[_i / 2];
	struct sim *sim = sim_direct(other == RANDOM ? PORT_RESTRICTED : LINUX, other, 0);
	unsigned int side = (unsigned int)_i % 2;

	sim_run(sim, 2000);
	lane_set_relayed(sim_lane(sim, side), true, sim_now(sim));
	sim_run(sim, 5000);
	for (unsigned int i = 0; i < 2; i++)
		ck_assert(!lane_is_direct(sim_lane(sim, i)));
	lane_set_relayed(sim_lane(sim, side), false, sim_now(sim));
	sim_run(sim, 15000);
	ck_assert(sim_run_direct(sim, 60000));
	assert_whole(sim);
	sim_close(sim);
}
END_TEST

/* The path dies under data: what went it until that was noticed is lost, and nothing after. */
START_TEST(test_cut)
{
	struct sim *sim = sim_direct(PORT_RESTRICTED, PORT_RESTRICTED, 0);
	unsigned int lost;

	sim_run(sim, 2000);
	sim_cut(sim, true);
	sim_run(sim, LANE_DEAD_MS + LANE_CHECK_MS);
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert(!lane_is_direct(sim_lane(sim, i)));
		ck_assert_uint_eq(sim_side(sim, i)->losts, 1);
	}
	sim_run(sim, 500);
	sim_cut(sim, false);
	ck_assert(sim_run_direct(sim, 20000));
	sim_data(sim, 0);
	sim_run(sim, 1000);
	for (unsigned int i = 0; i < 2; i++) {
		lost = sim_side(sim, i)->sent - sim_side(sim, !i)->got;
		ck_assert_uint_gt(lost, 0);
		/* Until the check that is not answered, and that doubt. */
		ck_assert_uint_le(lost, (LANE_CHECK_MS + LANE_DOUBT_MS + 100) / 50);
		ck_assert_uint_eq(sim_side(sim, i)->doubled, 0);
	}
	sim_close(sim);
}
END_TEST

/* A path that was idle is not trusted before it has answered: data lose nothing by its death. */
START_TEST(test_idle)
{
	struct sim *sim = sim_direct(PORT_RESTRICTED, LINUX, 0);

	sim_data(sim, 0);
	sim_run(sim, 200000);
	ck_assert(lane_is_direct(sim_lane(sim, 0)) && lane_is_direct(sim_lane(sim, 1)));
	sim_cut(sim, true);
	sim_run(sim, LANE_DEAD_MS);
	sim_data(sim, 50);
	sim_run(sim, 5000);
	ck_assert(!lane_is_direct(sim_lane(sim, 0)) && !lane_is_direct(sim_lane(sim, 1)));
	assert_whole(sim);
	sim_close(sim);
}
END_TEST

/* Another address of the NAT: the hole moves, and the direct path is found anew. */
START_TEST(test_renumber)
{
	struct sim *sim = sim_direct(PORT_RESTRICTED, PORT_RESTRICTED, 0.01);
	unsigned int side = (unsigned int)_i;

	sim_run(sim, 2000);
	sim_renumber(sim, side);
	lane_network(sim_lane(sim, side), sim_now(sim));
	sim_run(sim, 3000);
	ck_assert(sim_run_direct(sim, 20000));
	ck_assert_uint_ge(sim_side(sim, 0)->directs, 2);
	sim_close(sim);
}
END_TEST

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

#define SESSIONS_MAX 2000

struct figures {
	unsigned int sessions, direct, first;
	uint64_t probes;
	int64_t ms[SESSIONS_MAX]; /* until both were direct */
};

static void session_measure(const struct sim_config *config, struct figures *figures)
{
	struct sim *sim = sim_open(config);
	const struct sim_side *one = sim_side(sim, 0), *two = sim_side(sim, 1);

	if (sim_run_direct(sim, 120000)) {
		figures->first += one->rounds_failed == 0;
		figures->ms[figures->direct++] =
			one->direct_ms > two->direct_ms ? one->direct_ms : two->direct_ms;
	}
	figures->probes += one->probes + two->probes;
	figures->sessions++;
	sim_close(sim);
}

static void figures_print(struct figures *figures, const char *a, const char *b)
{
	unsigned int direct = figures->direct;
	double sessions = figures->sessions;

	qsort(figures->ms, direct, sizeof(figures->ms[0]), compare);
	printf("# figure: %s x %s: direct %.1f %% (%.1f %% in the first round), %.0f packets, "
	       "median %lld ms, 95 %% %lld ms\n",
		a, b, 100 * direct / sessions, 100 * figures->first / sessions,
		(double)figures->probes / sessions, direct ? (long long)figures->ms[direct / 2] : 0,
		direct ? (long long)figures->ms[direct * 95 / 100] : 0);
	fflush(stdout);
}

/* What is asked of each pair, in percent; a is the smaller. */
static unsigned int pair_wanted(enum kind a, enum kind b)
{
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
	static struct figures figures;
	enum kind a = _i / KINDS, b = _i % KINDS;
	unsigned int sessions = (unsigned int)knob("SESSIONS", b == RANDOM ? 40 : 100), least;

	if (a > b || knob("PAIR", _i) != _i)
		return;
	ck_assert_uint_le(sessions, SESSIONS_MAX);
	memset(&figures, 0, sizeof(figures));
	/* Either may be the client. */
	for (unsigned int i = 0; i < sessions; i++) {
		struct sim_config config =
			i % 2 ? pair_config(b, a, i + 1) : pair_config(a, b, i + 1);

		session_measure(&config, &figures);
	}
	figures_print(&figures, names[a], names[b]);
	/* What is sure has no exceptions; else so few sessions may have two by chance. */
	least = sessions * pair_wanted(a, b) / 100;
	ck_assert_uint_ge(figures.direct + (least < sessions ? 2 : 0), least);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("peersim");
	TCase *tcase = tcase_create("pairs");

	tcase_set_timeout(tcase, 300);
	tcase_add_loop_test(tcase, test_pairs, 0, KINDS * KINDS);
	tcase_add_loop_test(tcase, test_moving_loses_nothing, 0, 4);
	tcase_add_loop_test(tcase, test_leaving_loses_nothing, 0, 8);
	tcase_add_test(tcase, test_cut);
	tcase_add_test(tcase, test_idle);
	tcase_add_loop_test(tcase, test_renumber, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
