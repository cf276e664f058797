/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/natprobe_sim.h"
#include "tests/suite.h"

static const struct natprobe_config quick = {.thorough = false};
static const struct natprobe_config thorough = {.thorough = true};

static struct nat_config nat(
	enum nat_scope mapping, enum nat_scope filtering, enum nat_allocate allocate)
{
	return (struct nat_config){
		.mapping = mapping,
		.filtering = filtering,
		.allocate = allocate,
		.step = 1,
		.lifetime_ms = 120000,
	};
}

static struct sim_config behind(struct nat_config config)
{
	return (struct sim_config){.nats = 1, .nat = {config}, .two = true, .seed = 1};
}

static const enum nat_scope scopes[] = {NAT_ENDPOINT, NAT_ADDRESS, NAT_PORT};
static const enum nat_mapping mappings[] = {
	NAT_MAPPING_ENDPOINT, NAT_MAPPING_ADDRESS, NAT_MAPPING_PORT};
static const enum nat_filtering filterings[] = {
	NAT_FILTERING_ENDPOINT, NAT_FILTERING_ADDRESS, NAT_FILTERING_PORT};

/* Every mapping with every filtering, and with the help of a relay with two addresses. */
START_TEST(test_classes)
{
	int mapping = _i / 3, filtering = _i % 3;
	struct sim_config config = behind(nat(scopes[mapping], scopes[filtering], NAT_RANDOM));
	struct sim sim;

	sim_run(&config, &quick, &sim);
	ck_assert_int_eq(sim.result.report.mapping, mappings[mapping]);
	ck_assert_int_eq(sim.result.report.filtering, filterings[filtering]);
	ck_assert_int_eq(sim.result.report.ports.allocation, NAT_ALLOCATION_RANDOM);
	ck_assert_uint_eq(sim.result.report.ports.low, 1024);
	ck_assert_uint_eq(sim.result.report.ports.high, 65535);
	ck_assert_uint_eq(sim.result.report.layers, 1);
	ck_assert(!sim.result.report.blocked);
	ck_assert_uint_eq(sim.result.rtt_ms, 60);
	ck_assert_uint_eq(sim.small, 0);
	ck_assert_uint_le(sim.sockets_max, NATPROBE_SOCKETS);
	ck_assert_int_le(sim.now_ms, 2500);
}
END_TEST

/* With one address the other port tells half of it, and says that it does not know the rest. */
START_TEST(test_one_address)
{
	static const enum nat_mapping want_mapping[] = {
		NAT_MAPPING_NOT_PORT, NAT_MAPPING_NOT_PORT, NAT_MAPPING_PORT};
	static const enum nat_filtering want_filtering[] = {
		NAT_FILTERING_NOT_PORT, NAT_FILTERING_NOT_PORT, NAT_FILTERING_PORT};
	int mapping = _i / 3, filtering = _i % 3;
	struct sim_config config = behind(nat(scopes[mapping], scopes[filtering], NAT_RANDOM));
	struct sim sim;

	config.two = false;
	sim_run(&config, &quick, &sim);
	ck_assert_int_eq(sim.result.report.mapping, want_mapping[mapping]);
	ck_assert_int_eq(sim.result.report.filtering, want_filtering[filtering]);
	ck_assert_uint_eq(sim.result.other.addr.family, 0);
	ck_assert_int_le(sim.now_ms, 2500);
}
END_TEST

/* Whose other port is closed, and silence has no say: only an answer does. */
START_TEST(test_walled)
{
	struct sim_config config = behind(nat(NAT_ENDPOINT, scopes[_i], NAT_RANDOM));
	struct sim sim;

	config.two = false;
	config.walled = true;
	sim_run(&config, &quick, &sim);
	ck_assert_int_eq(sim.result.report.mapping, NAT_MAPPING_UNKNOWN);
	ck_assert_int_eq(sim.result.report.filtering, NAT_FILTERING_UNKNOWN);
	ck_assert_uint_eq(sim.result.alternate.port, 3479);
	ck_assert(sim.result.alternate_silent);
	config.nats = 0;
	sim_run(&config, &quick, &sim);
	ck_assert_int_eq(sim.result.report.mapping, NAT_MAPPING_NONE);
	ck_assert_int_eq(sim.result.report.filtering, NAT_FILTERING_UNKNOWN);
	config.nats = 1;
	config.walled = false;
	config.walled_in = true;
	sim_run(&config, &quick, &sim);
	ck_assert_int_eq(sim.result.report.mapping, NAT_MAPPING_UNKNOWN);
	ck_assert_int_eq(sim.result.report.filtering,
		scopes[_i] == NAT_PORT ? NAT_FILTERING_UNKNOWN : NAT_FILTERING_NOT_PORT);
	ck_assert(sim.result.alternate_silent);
}
END_TEST

/* Whose other address is closed: what one address tells. */
START_TEST(test_half)
{
	struct sim_config config = behind(nat(NAT_ENDPOINT, scopes[_i], NAT_RANDOM));
	struct sim sim;

	config.half = true;
	sim_run(&config, &quick, &sim);
	ck_assert_int_eq(sim.result.report.mapping, NAT_MAPPING_NOT_PORT);
	ck_assert_int_eq(sim.result.report.filtering,
		scopes[_i] == NAT_PORT ? NAT_FILTERING_PORT : NAT_FILTERING_NOT_PORT);
	ck_assert_uint_ne(sim.result.other.addr.family, 0);
	ck_assert(!sim.result.alternate_silent);
}
END_TEST

/* A server that is none of ours, and has one address: no verdict rests on its silence. */
START_TEST(test_plain)
{
	struct sim_config config = behind(nat(NAT_PORT, NAT_PORT, NAT_SEQUENTIAL));
	struct sim sim;

	config.two = false;
	config.plain = true;
	sim_run(&config, &thorough, &sim);
	ck_assert_int_eq(sim.result.report.mapping, NAT_MAPPING_UNKNOWN);
	ck_assert_int_eq(sim.result.report.filtering, NAT_FILTERING_UNKNOWN);
	ck_assert_int_eq(sim.result.report.ports.allocation, NAT_ALLOCATION_SEQUENTIAL);
}
END_TEST

START_TEST(test_no_nat)
{
	struct sim_config config = {.two = true, .seed = 1};
	struct sim sim;

	sim_run(&config, &thorough, &sim);
	ck_assert_int_eq(sim.result.report.mapping, NAT_MAPPING_NONE);
	ck_assert_int_eq(sim.result.report.filtering, NAT_FILTERING_ENDPOINT);
	ck_assert_int_eq(sim.result.report.ports.allocation, NAT_ALLOCATION_PRESERVING);
	ck_assert_uint_eq(sim.result.report.layers, 0);
	ck_assert_uint_eq(sim.result.report.opener_ttl, 0);
	ck_assert_int_eq(sim.result.hairpin, NATPROBE_UNKNOWN);
	ck_assert(endpoint_equal(&sim.result.mapped, &sim.result.local));
}
END_TEST

START_TEST(test_blocked)
{
	struct sim_config config = behind(nat(NAT_ENDPOINT, NAT_PORT, NAT_PRESERVE));
	struct sim sim;

	config.dead = true;
	sim_run(&config, &thorough, &sim);
	ck_assert(sim.result.report.blocked);
	ck_assert_int_eq(sim.result.report.mapping, NAT_MAPPING_UNKNOWN);
	ck_assert_uint_eq(sim.result.mapped.addr.family, 0);
	ck_assert_int_le(sim.now_ms, 2500);
}
END_TEST

START_TEST(test_preserving)
{
	struct sim_config config = behind(nat(NAT_PORT, NAT_PORT, NAT_PRESERVE));
	struct sim sim;

	sim_run(&config, &quick, &sim);
	ck_assert_int_eq(sim.result.report.ports.allocation, NAT_ALLOCATION_PRESERVING);
	/* What Linux does: towards everybody the same port, hence no different from independent. */
	config.nat[0].allocate = NAT_PRESERVE_CLASH;
	sim_run(&config, &quick, &sim);
	ck_assert_int_eq(sim.result.report.ports.allocation, NAT_ALLOCATION_PRESERVING);
	ck_assert_int_eq(sim.result.report.mapping, NAT_MAPPING_ENDPOINT);
	ck_assert_uint_eq(sim.result.report.opener_ttl, 2);
}
END_TEST

START_TEST(test_sequential)
{
	static const int steps[] = {1, 2, -1, -3, 256};
	struct sim_config config = behind(nat(NAT_PORT, NAT_PORT, NAT_SEQUENTIAL));
	struct sim sim;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		for (uint32_t seed = 1; seed < 20; seed++) {
			config.seed = seed;
			config.nat[0].step = steps[i];
			config.nat[0].foreign = i == 4 ? 0 : (int)(seed % 5) * 20;
			sim_run(&config, &quick, &sim);
			ck_assert_int_eq(sim.result.report.mapping, NAT_MAPPING_PORT);
			ck_assert_int_eq(
				sim.result.report.ports.allocation, NAT_ALLOCATION_SEQUENTIAL);
			ck_assert_int_eq(sim.result.report.ports.step, steps[i]);
		}
}
END_TEST

/* 1000 others a second: still counted on, if by the size of the distances only. */
START_TEST(test_busy)
{
	struct sim_config config = behind(nat(NAT_PORT, NAT_PORT, NAT_SEQUENTIAL));
	struct sim sim;

	config.nat[0].foreign = 1000;
	sim_run(&config, &quick, &sim);
	ck_assert_int_eq(sim.result.report.ports.allocation, NAT_ALLOCATION_SEQUENTIAL);
	ck_assert_int_eq(sim.result.report.ports.step, 1);
}
END_TEST

START_TEST(test_block)
{
	struct sim_config config = behind(nat(NAT_PORT, NAT_PORT, NAT_BLOCK));
	struct nat_ports *ports;
	struct sim sim;

	config.nat[0].block = 512;
	sim_run(&config, &thorough, &sim);
	ports = &sim.result.report.ports;
	ck_assert_int_eq(ports->allocation, NAT_ALLOCATION_RANDOM);
	ck_assert_uint_ge(ports->high - ports->low + 1, 256);
	ck_assert_uint_le(ports->high - ports->low + 1, 1024);
	for (unsigned int i = 0; i < sim.result.sample_count; i++) {
		ck_assert_uint_ge(sim.result.samples[i].mapped, ports->low);
		ck_assert_uint_le(sim.result.samples[i].mapped, ports->high);
	}
	ck_assert_uint_ge(sim.result.sample_count, 16);
}
END_TEST

/* One NAT after another, each a router further. */
START_TEST(test_layers)
{
	static const enum nat_scope filters[] = {NAT_ADDRESS, NAT_PORT};
	struct sim_config config = {.two = true, .seed = 3};
	struct sim sim;

	for (unsigned int i = 0; i < SIM_NATS; i++)
		config.nat[i] = nat(NAT_ENDPOINT, filters[_i], NAT_RANDOM);
	for (config.nats = 1; config.nats <= SIM_NATS; config.nats++) {
		sim_run(&config, &quick, &sim);
		ck_assert_uint_eq(sim.result.report.opener_ttl, config.nats + 1);
		ck_assert_uint_eq(sim.result.report.layers, config.nats > 1 ? 2 : 1);
	}
}
END_TEST

/* The provider's NAT is some routers away; one that is too far away stays unknown. */
START_TEST(test_far)
{
	struct sim_config config = {.two = true, .nats = 2, .seed = 3};
	struct sim sim;

	for (unsigned int i = 0; i < 2; i++)
		config.nat[i] = nat(NAT_ENDPOINT, NAT_PORT, NAT_RANDOM);
	for (config.routers = 0; config.routers <= 5; config.routers++) {
		sim_run(&config, &quick, &sim);
		ck_assert_uint_eq(sim.result.report.opener_ttl, 3 + config.routers);
		ck_assert_uint_eq(sim.result.report.layers, 2);
		ck_assert_int_le(sim.now_ms, 2500);
	}
	config.routers = 6;
	sim_run(&config, &quick, &sim);
	ck_assert_uint_eq(sim.result.report.opener_ttl, 0);
	ck_assert_int_le(sim.now_ms, 2500);
}
END_TEST

/* Each question of a sample makes a mapping, also where only the address counts. */
START_TEST(test_samples)
{
	struct sim_config config = behind(nat(NAT_ADDRESS, NAT_ADDRESS, NAT_SEQUENTIAL));
	struct sim sim;

	sim_run(&config, &quick, &sim);
	ck_assert_uint_ge(sim.result.sample_count, 15);
	for (unsigned int i = 1; i < sim.result.sample_count; i++)
		ck_assert_uint_ne(sim.result.samples[i].mapped, sim.result.samples[i - 1].mapped);
	ck_assert_int_eq(sim.result.report.ports.allocation, NAT_ALLOCATION_SEQUENTIAL);
	ck_assert_int_eq(sim.result.report.ports.step, 1);
}
END_TEST

/* Where a mapping hides it, the opener is to fall short of the relay. */
START_TEST(test_guess)
{
	struct sim_config config = behind(nat(NAT_PORT, NAT_PORT, NAT_RANDOM));
	static const uint8_t guesses[] = {2, 2, 3, 4, 4};
	struct sim sim;

	config.hops = 2 + (unsigned int)_i;
	sim_run(&config, &quick, &sim);
	ck_assert(sim.result.opener_guessed);
	ck_assert_uint_eq(sim.result.report.opener_ttl, guesses[_i]);
	ck_assert_uint_eq(sim.result.report.layers, 1);
	ck_assert_int_le(sim.now_ms, 2500);
}
END_TEST

START_TEST(test_hairpin)
{
	struct sim_config config = behind(nat(NAT_ENDPOINT, scopes[_i], NAT_RANDOM));
	struct sim sim;

	sim_run(&config, &thorough, &sim);
	ck_assert_int_eq(sim.result.hairpin, NATPROBE_NO);
	config.nat[0].hairpin = true;
	sim_run(&config, &thorough, &sim);
	ck_assert_int_eq(sim.result.hairpin, NATPROBE_YES);
	sim_run(&config, &quick, &sim);
	ck_assert_int_eq(sim.result.hairpin, NATPROBE_UNKNOWN);
}
END_TEST

START_TEST(test_lifetime)
{
	static const uint32_t lives[] = {10000, 30000, 65000, 120000, 400000};
	struct natprobe_config ask = {.lifetime = true, .lifetime_max_ms = 180000};
	struct sim_config config = behind(nat(NAT_ENDPOINT, NAT_PORT, NAT_RANDOM));
	struct sim sim;

	config.nat[0].lifetime_ms = lives[_i];
	sim_run(&config, &ask, &sim);
	if (lives[_i] > ask.lifetime_max_ms) {
		ck_assert(sim.result.lifetime_is_minimum);
		ck_assert_uint_ge(sim.result.lifetime_ms, 179000);
		ck_assert_int_le(sim.now_ms, 190000);
		return;
	}
	ck_assert(!sim.result.lifetime_is_minimum);
	ck_assert_uint_le(sim.result.lifetime_ms, lives[_i]);
	ck_assert_uint_ge(sim.result.lifetime_ms + 4000, lives[_i]);
	ck_assert_uint_le(sim.sockets_max, NATPROBE_SOCKETS);
}
END_TEST

START_TEST(test_lifetime_unknown)
{
	struct natprobe_config ask = {.lifetime = true, .lifetime_max_ms = 180000};
	struct sim_config config = behind(nat(NAT_ENDPOINT, NAT_PORT, NAT_RANDOM));
	struct sim sim;

	config.deaf = true;
	sim_run(&config, &ask, &sim);
	ck_assert_uint_eq(sim.result.lifetime_ms, 0);
	ck_assert(!sim.result.lifetime_is_minimum);
	ck_assert_int_le(sim.now_ms, 30000);
}
END_TEST

/* What is lost on the way changes no verdict. */
START_TEST(test_loss)
{
	unsigned int wrong = 0, slow = 0;
	struct sim sim;

	for (uint32_t seed = 1; seed <= 600; seed++) {
		int mapping = (int)seed % 3, filtering = (int)(seed / 3) % 3;
		struct sim_config config =
			behind(nat(scopes[mapping], scopes[filtering], NAT_SEQUENTIAL));
		const struct nat_report *report = &sim.result.report;
		bool opens = mapping < 2 && filtering == 2;

		config.seed = seed;
		config.loss = 10;
		sim_run(&config, &quick, &sim);
		wrong += report->mapping != mappings[mapping] ||
			 report->filtering != filterings[filtering] ||
			 report->ports.allocation != NAT_ALLOCATION_SEQUENTIAL ||
			 report->ports.step != 1 || report->blocked ||
			 (opens && report->opener_ttl != 2);
		slow += sim.now_ms > 2500;
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_eq(slow, 0);
}
END_TEST

/* Much loss: a verdict may be missing, the probe must end. */
START_TEST(test_bad_line)
{
	struct sim sim;

	for (uint32_t seed = 1; seed <= 60; seed++) {
		struct sim_config config = behind(nat(NAT_PORT, NAT_PORT, NAT_RANDOM));

		config.seed = seed;
		config.loss = seed * 10;
		sim_run(&config, &thorough, &sim);
		ck_assert_int_le(sim.now_ms, 12000);
	}
}
END_TEST

static TCase *probe_case(void)
{
	TCase *tcase = tcase_create("natprobe");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, test_classes, 0, 9);
	tcase_add_loop_test(tcase, test_one_address, 0, 9);
	tcase_add_loop_test(tcase, test_walled, 0, 3);
	tcase_add_loop_test(tcase, test_half, 0, 3);
	tcase_add_test(tcase, test_plain);
	tcase_add_test(tcase, test_no_nat);
	tcase_add_test(tcase, test_blocked);
	tcase_add_test(tcase, test_preserving);
	tcase_add_test(tcase, test_sequential);
	tcase_add_test(tcase, test_busy);
	tcase_add_test(tcase, test_block);
	tcase_add_loop_test(tcase, test_layers, 0, 2);
	tcase_add_test(tcase, test_far);
	tcase_add_test(tcase, test_samples);
	tcase_add_loop_test(tcase, test_guess, 0, 5);
	tcase_add_loop_test(tcase, test_hairpin, 0, 3);
	tcase_add_loop_test(tcase, test_lifetime, 0, 5);
	tcase_add_test(tcase, test_lifetime_unknown);
	tcase_add_test(tcase, test_loss);
	tcase_add_test(tcase, test_bad_line);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("natprobe");

	suite_add_tcase(suite, probe_case());
	return suite_run(suite);
}
