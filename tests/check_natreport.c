/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "punchctl/natreport.h"
#include "tests/suite.h"

static struct natrun_outcome behind(
	enum nat_mapping mapping, enum nat_filtering filtering, enum nat_allocation allocation)
{
	return (struct natrun_outcome){.probe = {
					       .report = {.mapping = mapping,
						       .filtering = filtering,
						       .ports = {.allocation = allocation,
							       .step = 1,
							       .low = 1024,
							       .high = 65535}},
					       .mapped = {{AF_INET, {192, 0, 2, 9}}, 40000},
					       .local = {{AF_INET, {10, 0, 0, 2}}, 40000},
				       }};
}

static void assert_chances(const struct natrun_outcome *outcome, const char *want)
{
	static const char letters[] = "-s+";

	for (int i = 0; i < NATREPORT_PEERS; i++)
		ck_assert_int_eq(letters[natreport_chance(outcome, i)], want[i]);
}

/* Peers: open, independent, sequential, random. */
START_TEST(test_chances)
{
	struct natrun_outcome outcome;

	outcome = behind(NAT_MAPPING_NONE, NAT_FILTERING_ENDPOINT, NAT_ALLOCATION_PRESERVING);
	assert_chances(&outcome, "++++");
	outcome = behind(NAT_MAPPING_ENDPOINT, NAT_FILTERING_ENDPOINT, NAT_ALLOCATION_RANDOM);
	assert_chances(&outcome, "++++");
	outcome = behind(NAT_MAPPING_ENDPOINT, NAT_FILTERING_ADDRESS, NAT_ALLOCATION_RANDOM);
	assert_chances(&outcome, "++++");
	outcome = behind(NAT_MAPPING_ENDPOINT, NAT_FILTERING_PORT, NAT_ALLOCATION_RANDOM);
	assert_chances(&outcome, "++ss");
	outcome = behind(NAT_MAPPING_NOT_PORT, NAT_FILTERING_NOT_PORT, NAT_ALLOCATION_RANDOM);
	assert_chances(&outcome, "++ss");
	outcome = behind(NAT_MAPPING_PORT, NAT_FILTERING_PORT, NAT_ALLOCATION_PRESERVING);
	assert_chances(&outcome, "++ss");
	outcome = behind(NAT_MAPPING_PORT, NAT_FILTERING_PORT, NAT_ALLOCATION_SEQUENTIAL);
	assert_chances(&outcome, "+ss-");
	outcome = behind(NAT_MAPPING_PORT, NAT_FILTERING_PORT, NAT_ALLOCATION_RANDOM);
	assert_chances(&outcome, "+s--");
	outcome.probe.report.blocked = true;
	assert_chances(&outcome, "----");
}
END_TEST

/* A port that the router maps makes up for everything, if it is what the world sees. */
START_TEST(test_gateway)
{
	struct natrun_outcome outcome =
		behind(NAT_MAPPING_PORT, NAT_FILTERING_PORT, NAT_ALLOCATION_RANDOM);

	outcome.has_gateway = true;
	outcome.gateway.external = (struct endpoint){{AF_INET, {100, 64, 0, 2}}, 40000};
	assert_chances(&outcome, "+s--");
	outcome.gateway.external = outcome.probe.mapped;
	assert_chances(&outcome, "++++");
}
END_TEST

static const char *text_of(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	ck_assert_msg(value != NULL, "%s", name);
	return json_is_null(value) ? "null" : json_string_value(value);
}

START_TEST(test_json)
{
	struct natrun_config config = {.relay = {{AF_INET, {203, 0, 113, 7}}, 3478}};
	struct natrun_outcome outcome =
		behind(NAT_MAPPING_PORT, NAT_FILTERING_NOT_PORT, NAT_ALLOCATION_SEQUENTIAL);
	json_t *object;

	outcome.probe.alternate = (struct endpoint){{AF_INET, {203, 0, 113, 7}}, 3479};
	object = natreport_json(&config, &outcome);
	ck_assert_str_eq(text_of(object, "relay"), "203.0.113.7:3478");
	ck_assert_str_eq(text_of(object, "alternate"), "203.0.113.7:3479");
	ck_assert_str_eq(text_of(object, "other"), "null");
	ck_assert_str_eq(text_of(object, "mapped"), "192.0.2.9:40000");
	ck_assert_str_eq(text_of(object, "mapping"), "address-and-port-dependent");
	ck_assert_str_eq(text_of(object, "filtering"), "not-port-dependent");
	ck_assert_str_eq(text_of(object, "allocation"), "sequential");
	ck_assert_int_eq(json_integer_value(json_object_get(object, "step")), 1);
	ck_assert_str_eq(text_of(object, "low"), "null");
	ck_assert_str_eq(text_of(object, "opener_ttl"), "null");
	ck_assert_str_eq(text_of(object, "hairpinning"), "null");
	ck_assert_str_eq(text_of(object, "lifetime"), "null");
	ck_assert_str_eq(text_of(object, "gateway"), "null");
	ck_assert_str_eq(text_of(json_object_get(object, "peers"), "random"), "relay");
	json_decref(object);
	outcome.has_gateway = true;
	object = natreport_json(&config, &outcome);
	ck_assert_str_eq(text_of(json_object_get(object, "gateway"), "mapping"), "null");
	ck_assert(json_is_false(json_object_get(json_object_get(object, "gateway"), "useful")));
	json_decref(object);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("natreport");
	TCase *tcase = tcase_create("natreport");

	tcase_add_test(tcase, test_chances);
	tcase_add_test(tcase, test_gateway);
	tcase_add_test(tcase, test_json);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
