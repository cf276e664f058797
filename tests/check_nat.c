/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "common/nat.h"
#include "tests/suite.h"

#define ROUNDS 2000

static uint32_t state = 1;

static uint32_t draw(uint32_t n)
{
	state = state * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)state * n) >> 32);
}

static void classify(const uint16_t *mapped, size_t count, struct nat_ports *out)
{
	struct nat_sample samples[NAT_SAMPLES];

	for (size_t i = 0; i < count; i++)
		samples[i] = (struct nat_sample){.local = (uint16_t)(100 + i), .mapped = mapped[i]};
	nat_ports_classify(samples, count, out);
}

#define CLASSIFY(out, ...)                                                                         \
	do {                                                                                       \
		static const uint16_t mapped[] = {__VA_ARGS__};                                    \
		classify(mapped, sizeof(mapped) / sizeof(mapped[0]), out);                         \
	} while (0)

#define ASSERT_STEP(want, ...)                                                                     \
	do {                                                                                       \
		struct nat_ports found;                                                            \
		CLASSIFY(&found, __VA_ARGS__);                                                     \
		ck_assert_int_eq(found.allocation, NAT_ALLOCATION_SEQUENTIAL);                     \
		ck_assert_int_eq(found.step, want);                                                \
	} while (0)

#define ASSERT_RANGE(want_low, want_high, ...)                                                     \
	do {                                                                                       \
		struct nat_ports found;                                                            \
		CLASSIFY(&found, __VA_ARGS__);                                                     \
		ck_assert_int_eq(found.allocation, NAT_ALLOCATION_RANDOM);                         \
		ck_assert_uint_eq(found.low, want_low);                                            \
		ck_assert_uint_eq(found.high, want_high);                                          \
	} while (0)

START_TEST(test_too_few)
{
	static const struct nat_sample kept = {4000, 4000};
	struct nat_ports ports;

	classify(NULL, 0, &ports);
	ck_assert_int_eq(ports.allocation, NAT_ALLOCATION_UNKNOWN);
	CLASSIFY(&ports, 5000);
	ck_assert_int_eq(ports.allocation, NAT_ALLOCATION_UNKNOWN);
	CLASSIFY(&ports, 5000, 5000, 5000);
	ck_assert_int_eq(ports.allocation, NAT_ALLOCATION_UNKNOWN);
	nat_ports_classify(&kept, 1, &ports);
	ck_assert_int_eq(ports.allocation, NAT_ALLOCATION_PRESERVING);
}
END_TEST

START_TEST(test_preserving)
{
	struct nat_sample samples[8];
	struct nat_ports ports;

	for (uint16_t i = 0; i < 8; i++)
		samples[i] =
			(struct nat_sample){(uint16_t)(40000 + i * 77), (uint16_t)(40000 + i * 77)};
	nat_ports_classify(samples, 8, &ports);
	ck_assert_int_eq(ports.allocation, NAT_ALLOCATION_PRESERVING);
	samples[3].mapped = 1025; /* another host had it */
	nat_ports_classify(samples, 8, &ports);
	ck_assert_int_eq(ports.allocation, NAT_ALLOCATION_PRESERVING);
	for (uint16_t i = 0; i < 4; i++)
		samples[i].mapped = (uint16_t)(2000 + i * i * 5003);
	nat_ports_classify(samples, 8, &ports);
	ck_assert_int_ne(ports.allocation, NAT_ALLOCATION_PRESERVING);
}
END_TEST

START_TEST(test_sequential)
{
	ASSERT_STEP(1, 20000, 20001, 20002, 20003);
	ASSERT_STEP(1, 20000, 20001);
	ASSERT_STEP(-1, 20000, 19999, 19998);
	ASSERT_STEP(256, 8270, 8526, 8782, 9038);
	ASSERT_STEP(2, 20000, 20002, 20004, 20006);
	ASSERT_STEP(-2, 20000, 19998, 19994, 19992); /* foreign traffic */
	ASSERT_STEP(4, 20000, 20004, 20024, 20032, 20036);
	ASSERT_STEP(1, 20000, 20003, 20009, 20010);
	ASSERT_STEP(1, 20000, 20000, 20001, 20001, 20002); /* seen twice */
}
END_TEST

START_TEST(test_wrap)
{
	ASSERT_STEP(1, 65533, 65534, 65535, 1024, 1025);
	ASSERT_STEP(1, 65534, 65535, 1024);
	ASSERT_STEP(-1, 1025, 1024, 65535, 65534);
	ASSERT_STEP(2, 21996, 21998, 20000, 20002); /* of a small range */
	ASSERT_STEP(-3, 20006, 20003, 20000, 25997, 25994);
	ASSERT_STEP(256, 65000, 65256, 65512, 233, 489, 745); /* host order as network order */
}
END_TEST

/* A busy carrier's NAT: the divisor is 1, only the distances tell it from a random one. */
START_TEST(test_busy)
{
	ASSERT_STEP(1, 20000, 20017, 20036, 20059, 20075, 20101, 20123, 20140);
	ASSERT_STEP(1, 65400, 65431, 65490, 1045, 1077, 1120, 1149, 1201);
	ASSERT_STEP(1, 3000, 3700, 4101, 4902, 5300, 6402, 6803, 7201);
}
END_TEST

START_TEST(test_random)
{
	ASSERT_RANGE(1024, 65535, 5000, 40123);
	ASSERT_RANGE(1024, 65535, 5000, 60123, 33001);
	ASSERT_RANGE(1024, 65535, 5000, 60123, 33001, 9091, 51234, 22222, 1777, 45454);
	ASSERT_RANGE(32768, 60999, 33000, 60123, 41001, 59091, 51234, 42222, 35777, 45454);
	ASSERT_RANGE(49152, 65535, 50000, 60123, 63001, 59091, 51234, 62222, 55777, 65454);
	ASSERT_RANGE(1, 65535, 900, 60123, 33001, 9091, 51234, 22222, 1777, 45454);
}
END_TEST

START_TEST(test_block)
{
	/* 512 ports from 20480 on */
	ASSERT_RANGE(20480, 20991, 20500, 20931, 20610, 20800, 20555, 20702, 20985, 20640);
	/* 64 */
	ASSERT_RANGE(1024, 1087, 1030, 1080, 1044, 1071, 1026, 1059, 1084, 1040);
	/* 512 around 32768, to which nothing is aligned: wherever they fit */
	ASSERT_RANGE(32468, 33011, 32500, 32931, 32610, 32800, 32555, 32702, 32979, 32640);
	/* Four may all lie in one half of it. */
	ASSERT_RANGE(20480, 21503, 20500, 20931, 20610, 20800);
}
END_TEST

static uint16_t sequential_next(uint32_t *at, uint32_t low, uint32_t size, uint32_t foreign)
{
	*at = (*at + 1 + draw(foreign + 1)) % size;
	return (uint16_t)(low + *at);
}

/* Verdicts over many NATs, with eight samples as the probe takes them. */
START_TEST(test_verdicts)
{
	static const uint32_t foreign[] = {0, 2, 20, 200};
	unsigned int wrong[4] = {0}, random_wrong = 0, block_wrong = 0;
	struct nat_ports ports;
	uint16_t mapped[8];

	for (unsigned int round = 0; round < ROUNDS; round++) {
		for (size_t f = 0; f < 4; f++) {
			uint32_t at = draw(60000);

			for (size_t i = 0; i < 8; i++)
				mapped[i] = sequential_next(&at, 1024, 60000, foreign[f]);
			classify(mapped, 8, &ports);
			wrong[f] += ports.allocation != NAT_ALLOCATION_SEQUENTIAL;
		}
		for (size_t i = 0; i < 8; i++)
			mapped[i] = (uint16_t)(1024 + draw(64512));
		classify(mapped, 8, &ports);
		random_wrong += ports.allocation != NAT_ALLOCATION_RANDOM || ports.low != 1024;
		for (size_t i = 0; i < 8; i++)
			mapped[i] = (uint16_t)(20480 + draw(512));
		classify(mapped, 8, &ports);
		block_wrong += ports.allocation != NAT_ALLOCATION_RANDOM || ports.low != 20480 ||
			       ports.high != 20991;
	}
	for (size_t f = 0; f < 4; f++)
		ck_assert_uint_le(wrong[f], ROUNDS / 100);
	ck_assert_uint_le(random_wrong, ROUNDS / 100);
	ck_assert_uint_le(block_wrong, ROUNDS / 50);
}
END_TEST

START_TEST(test_next)
{
	struct nat_ports ports = {.allocation = NAT_ALLOCATION_SEQUENTIAL, .step = 1};

	ck_assert_uint_eq(nat_ports_next(&ports, 20000, 1), 20001);
	ck_assert_uint_eq(nat_ports_next(&ports, 20000, 0), 20000);
	ck_assert_uint_eq(nat_ports_next(&ports, 65535, 1), 1024);
	ck_assert_uint_eq(nat_ports_next(&ports, 65535, 64512), 65535);
	ports.step = -2;
	ck_assert_uint_eq(nat_ports_next(&ports, 1025, 1), 65535);
	ck_assert_uint_eq(nat_ports_next(&ports, 1026, 1), 1024);
	ports.step = -65535;
	ck_assert_uint_ge(nat_ports_next(&ports, 500, 4000000000), 1024);
	ports.allocation = NAT_ALLOCATION_RANDOM;
	ck_assert_uint_eq(nat_ports_next(&ports, 20000, 7), 20000);
}
END_TEST

START_TEST(test_predictable)
{
	struct nat_report report = {.mapping = NAT_MAPPING_UNKNOWN};

	ck_assert(!nat_is_predictable(&report));
	report.mapping = NAT_MAPPING_NONE;
	ck_assert(nat_is_predictable(&report));
	report.mapping = NAT_MAPPING_ENDPOINT;
	ck_assert(nat_is_predictable(&report));
	report.mapping = NAT_MAPPING_PORT;
	report.ports.allocation = NAT_ALLOCATION_SEQUENTIAL;
	ck_assert(!nat_is_predictable(&report));
	report.ports.allocation = NAT_ALLOCATION_PRESERVING;
	ck_assert(nat_is_predictable(&report));
}
END_TEST

START_TEST(test_text)
{
	ck_assert_str_eq(nat_mapping_text(NAT_MAPPING_ENDPOINT), "endpoint-independent");
	ck_assert_str_eq(nat_filtering_text(NAT_FILTERING_PORT), "address- and port-dependent");
	ck_assert_str_eq(nat_allocation_text(NAT_ALLOCATION_SEQUENTIAL), "sequential");
}
END_TEST

static const struct nat_report whole = {
	.mapping = NAT_MAPPING_PORT,
	.filtering = NAT_FILTERING_ADDRESS,
	.ports = {NAT_ALLOCATION_SEQUENTIAL, -256, 1024, 65535},
	.layers = 2,
	.opener_ttl = 4,
	.blocked = true,
};

START_TEST(test_wire)
{
	uint8_t wire[NAT_WIRE];
	struct nat_report report;
	struct buf buf;

	buf_init(&buf, wire, sizeof(wire));
	nat_put(&buf, &whole);
	ck_assert(!buf.bad);
	ck_assert_uint_eq(buf_left(&buf), 0);
	buf_init_read(&buf, wire, sizeof(wire));
	nat_get(&buf, &report);
	ck_assert(!buf.bad);
	ck_assert_int_eq(report.mapping, NAT_MAPPING_PORT);
	ck_assert_int_eq(report.filtering, NAT_FILTERING_ADDRESS);
	ck_assert_int_eq(report.ports.allocation, NAT_ALLOCATION_SEQUENTIAL);
	ck_assert_int_eq(report.ports.step, -256);
	ck_assert_uint_eq(report.ports.low, 1024);
	ck_assert_uint_eq(report.ports.high, 65535);
	ck_assert_uint_eq(report.layers, 2);
	ck_assert_uint_eq(report.opener_ttl, 4);
	ck_assert(report.blocked);
	buf_init_read(&buf, wire, sizeof(wire) - 1);
	nat_get(&buf, &report);
	ck_assert(buf.bad);
	ck_assert_int_eq(report.mapping, NAT_MAPPING_UNKNOWN);
}
END_TEST

static bool is_refused(struct nat_report report)
{
	uint8_t wire[NAT_WIRE];
	struct buf buf;

	buf_init(&buf, wire, sizeof(wire));
	nat_put(&buf, &report);
	buf_init_read(&buf, wire, sizeof(wire));
	nat_get(&buf, &report);
	return buf.bad;
}

START_TEST(test_nonsense)
{
	struct nat_report report = whole;

	ck_assert(!is_refused(report));
	ck_assert(!is_refused((struct nat_report){.layers = 0}));
	report.ports.step = 0;
	ck_assert(is_refused(report));
	report.ports.step = 65536;
	ck_assert(is_refused(report));
	report.ports.step = INT32_MIN;
	ck_assert(is_refused(report));
	report = whole;
	report.mapping = NAT_MAPPING_PORT + 1;
	ck_assert(is_refused(report));
	report = whole;
	report.filtering = NAT_FILTERING_PORT + 1;
	ck_assert(is_refused(report));
	report = whole;
	report.ports.allocation = NAT_ALLOCATION_RANDOM + 1;
	ck_assert(is_refused(report));
	report.ports = (struct nat_ports){NAT_ALLOCATION_RANDOM, 0, 0, 65535};
	ck_assert(is_refused(report));
	report.ports.low = 2000;
	ck_assert(!is_refused(report));
	report.ports.high = 1999;
	ck_assert(is_refused(report));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nat");
	TCase *tcase = tcase_create("nat");

	tcase_add_test(tcase, test_too_few);
	tcase_add_test(tcase, test_preserving);
	tcase_add_test(tcase, test_sequential);
	tcase_add_test(tcase, test_wrap);
	tcase_add_test(tcase, test_busy);
	tcase_add_test(tcase, test_random);
	tcase_add_test(tcase, test_block);
	tcase_add_test(tcase, test_verdicts);
	tcase_add_test(tcase, test_next);
	tcase_add_test(tcase, test_predictable);
	tcase_add_test(tcase, test_text);
	tcase_add_test(tcase, test_wire);
	tcase_add_test(tcase, test_nonsense);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
