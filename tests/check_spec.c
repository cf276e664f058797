/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "relayd/spec.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KEY	     "MDEyMzQ1Njc4OWFiY2RlZg=="
#define KEY2	     "ZmVkY2JhOTg3NjU0MzIxMA=="
#define NAME_63	     "a23456789012345678901234567890123456789012345678901234567890123"

static struct spec make(const char *name, const char *listen, uint16_t raw)
{
	char why[SPEC_WHY];
	struct spec spec;

	ck_assert_int_eq(spec_init(&spec, name, why), 0);
	ck_assert_int_eq(spec_set_listen(&spec, listen, why), 0);
	ck_assert_int_eq(spec_set_key(&spec, KEY, why), 0);
	ck_assert_int_eq(spec_set_raw_punch(&spec, raw, why), 0);
	return spec;
}

/* What a reason must be: one sentence, with what is wrong and what would be right. */
static void assert_reason(const char *why, const char *part)
{
	ck_assert_msg(strstr(why, part) != NULL, "\"%s\" does not say \"%s\"", why, part);
	ck_assert_msg(strstr(why, "; ") != NULL, "\"%s\" does not say what is right", why);
	ck_assert_ptr_null(strchr(why, '\n'));
	ck_assert_uint_lt(strlen(why), SPEC_WHY - 1);
}

static const char *const good_names[] = {"a", "cam1", "0", "Cam.1_b-2", NAME_63};

START_TEST(test_name_good)
{
	char why[SPEC_WHY];
	struct spec spec;

	ck_assert_int_eq(spec_init(&spec, good_names[_i], why), 0);
	ck_assert_str_eq(spec.name, good_names[_i]);
	ck_assert_int_eq(spec.source, SPEC_FIRST);
	ck_assert_uint_eq(spec.clients.bits, 0);
	ck_assert_uint_eq(spec.listen.count, 0);
}
END_TEST

static const char *const bad_names[] = {"", (NAME_63 "4"), "a:9099", "a@b", ".a", "-a", "_a", "a b",
	"a/b", "a\n", "caf\xc3\xa9", "a\"", "%s%n"};

START_TEST(test_name_bad)
{
	struct spec spec = {.rate = 7};
	char why[SPEC_WHY];

	ck_assert_int_eq(spec_init(&spec, bad_names[_i], why), -EINVAL);
	ck_assert_msg(strstr(why, "; names ") != NULL, "%s", why);
	ck_assert_uint_eq(spec.rate, 7);
}
END_TEST

struct setting {
	int (*set)(struct spec *spec, const char *text, char why[static SPEC_WHY]);
	const char *text;
	const char *why; /* NULL: it is good */
};

static const struct setting settings[] = {
	{spec_set_listen, "9099", NULL},
	{spec_set_listen, "9099-9102,9200", NULL},
	{spec_set_listen, "1-64", NULL},
	{spec_set_listen, "1-65", "at most 64"},
	{spec_set_listen, "", "is not a list of ports"},
	{spec_set_listen, "0", "is not a list of ports"},
	{spec_set_listen, "65536", "\"65536\" is not"},
	{spec_set_listen, "9099, 9101", "without spaces"},
	{spec_set_listen, "9099,9099", "each port once"},
	{spec_set_listen, "9102-9099", "is not a list of ports"},
	{spec_set_source, "any", NULL},
	{spec_set_source, "first", NULL},
	{spec_set_source, "198.51.100.175", NULL},
	{spec_set_source, "198.51.100.0/24", NULL},
	{spec_set_source, "2001:db8::/32", NULL},
	{spec_set_source, "", "is not an address"},
	{spec_set_source, "First", "\"First\" is not an address"},
	{spec_set_source, "198.51.100.175/24", "is not a prefix"},
	{spec_set_source, "198.51.100.0/33", "is not a prefix"},
	{spec_set_source, "2001:db8::/129", "is not a prefix"},
	{spec_set_source, "example.org", "\"first\" or \"any\""},
	{spec_set_key, KEY, NULL},
	{spec_set_key, "", "is not a key"},
	{spec_set_key, "secret", "punchctl key"},
	{spec_set_clients, "0.0.0.0/0", NULL},
	{spec_set_clients, "::/0", NULL},
	{spec_set_clients, "any", NULL},
	{spec_set_clients, "192.0.2.0/24", NULL},
	{spec_set_clients, "first", "or \"any\""},
	{spec_set_clients, "192.0.2.1/24", "is not a prefix"},
};

/* What is refused changes nothing. */
START_TEST(test_set)
{
	const struct setting *setting = &settings[_i];
	struct spec spec = make("a", "9099", 0), before = spec;
	char why[SPEC_WHY] = "";

	if (!setting->why) {
		ck_assert_int_eq(setting->set(&spec, setting->text, why), 0);
		return;
	}
	ck_assert_int_eq(setting->set(&spec, setting->text, why), -EINVAL);
	assert_reason(why, setting->why);
	ck_assert(spec_equal(&spec, &before));
}
END_TEST

/* The longest texts that a file can hold must not be cut in the middle of the advice. */
START_TEST(test_set_long)
{
	struct spec spec = make("a", "9099", 0);
	char text[1000], why[SPEC_WHY];

	memset(text, '1', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(spec_set_listen(&spec, text, why), -EINVAL);
	assert_reason(why, "1 to 65535");
	ck_assert_int_eq(spec_set_source(&spec, text, why), -EINVAL);
	assert_reason(why, "\"any\"");
	ck_assert_int_eq(spec_set_key(&spec, text, why), -EINVAL);
	assert_reason(why, "128");
	ck_assert_int_eq(spec_init(&spec, text, why), -EINVAL);
	assert_reason(why, "too long");
	memcpy(text, "1.2.3.4/", 8);
	ck_assert_int_eq(spec_set_source(&spec, text, why), -EINVAL);
	assert_reason(why, "2001:db8::/32");
}
END_TEST

/* A key is a secret even when a letter of it is wrong. */
START_TEST(test_key_not_told)
{
	struct spec spec = make("a", "9099", 0);
	char why[SPEC_WHY];

	ck_assert_int_eq(spec_set_key(&spec, "MDEyMzQ1Njc4OWFiY2RlZ?==", why), -EINVAL);
	ck_assert_ptr_null(strstr(why, "MDEy"));
	ck_assert_str_eq(spec.key, KEY);
}
END_TEST

START_TEST(test_numbers)
{
	static const long long bad_rates[] = {-1, 1, 999, 10000000001, INT64_MIN, INT64_MAX};
	static const long long bad_ports[] = {-1, 65536, 9099LL << 32};
	struct spec spec = make("a", "9099", 0);
	char why[SPEC_WHY];

	for (size_t i = 0; i < COUNT(bad_rates); i++) {
		ck_assert_int_eq(spec_set_rate(&spec, bad_rates[i], why), -EINVAL);
		assert_reason(why, "1000 to 10000000000 bytes per second");
	}
	for (size_t i = 0; i < COUNT(bad_ports); i++) {
		ck_assert_int_eq(spec_set_raw_punch(&spec, bad_ports[i], why), -EINVAL);
		assert_reason(why, "is not a port");
	}
	ck_assert_int_eq(spec_set_rate(&spec, 10000000000, why), 0);
	ck_assert_uint_eq(spec.rate, 10000000000);
	ck_assert_int_eq(spec_set_rate(&spec, 0, why), 0);
	ck_assert_int_eq(spec_set_raw_punch(&spec, 65535, why), 0);
	ck_assert_uint_eq(spec.raw_punch, 65535);
}
END_TEST

static const struct {
	const char *text, *formatted;
	uint64_t quota;
	enum spec_period period;
} quotas[] = {
	{"50G/month", "50G/month", 50000000000, SPEC_MONTH},
	{"2000M/day", "2G/day", 2000000000, SPEC_DAY},
	{"1500", "1500", 1500, SPEC_EVER},
	{"1001k", "1001k", 1001000, SPEC_EVER},
	{"1000000T", "1000000T", 1000000000000000000, SPEC_EVER},
	{"0", "0", 0, SPEC_EVER},
	{"0/day", "0", 0, SPEC_EVER},
};

START_TEST(test_quota)
{
	struct spec spec = make("a", "9099", 0);
	char why[SPEC_WHY], text[SPEC_QUOTA];

	ck_assert_int_eq(spec_set_quota(&spec, quotas[_i].text, why), 0);
	ck_assert_uint_eq(spec.quota, quotas[_i].quota);
	ck_assert_int_eq(spec.period, quotas[_i].period);
	ck_assert_str_eq(spec_quota_format(&spec, text), quotas[_i].formatted);
}
END_TEST

static const char *const bad_quotas[] = {"", "-1", " 1", "G", "1g", "1GB", "50G/year", "50G/",
	"50 G", "/day", "1000001T", "18446744073709551615G", "99999999999999999999"};

START_TEST(test_bad_quota)
{
	struct spec spec = make("a", "9099", 0);
	char why[SPEC_WHY];

	ck_assert_int_eq(spec_set_quota(&spec, bad_quotas[_i], why), -EINVAL);
	assert_reason(why, "is not a quota; write bytes");
	ck_assert_uint_eq(spec.quota, 0);
}
END_TEST

START_TEST(test_quota_peers)
{
	struct spec spec = make("a", "9099", 0);
	char why[SPEC_WHY];

	ck_assert_int_eq(spec_set_quota(&spec, "1G", why), 0);
	ck_assert_int_eq(spec_check(&spec, why), 0);
	spec.peers = 1;
	ck_assert_int_eq(spec_check(&spec, why), -EINVAL);
	assert_reason(why, "a quota does not count what peers send");
}
END_TEST

START_TEST(test_check)
{
	struct spec spec = make("a", "9099-9102", 0);
	char why[SPEC_WHY];

	ck_assert_int_eq(spec_check(&spec, why), 0);
	spec.raw_punch = 9095;
	ck_assert_int_eq(spec_check(&spec, why), 0);
	spec.raw_punch = 9103;
	ck_assert_int_eq(spec_check(&spec, why), 0);
	spec.raw_punch = 65532;
	ck_assert_int_eq(spec_check(&spec, why), 0);
	spec.raw_punch = 65533;
	ck_assert_int_eq(spec_check(&spec, why), -EINVAL);
	assert_reason(why, "at most 65532");
	spec.raw_punch = 9096;
	ck_assert_int_eq(spec_check(&spec, why), -EINVAL);
	assert_reason(why, "port 9099");
	spec.raw_punch = 9102;
	ck_assert_int_eq(spec_check(&spec, why), -EINVAL);
	assert_reason(why, "port 9102");
	spec.raw_punch = 0;
	spec.key[0] = '\0';
	ck_assert_int_eq(spec_check(&spec, why), -EINVAL);
	assert_reason(why, "no key");
	spec.listen.count = 0;
	ck_assert_int_eq(spec_check(&spec, why), -EINVAL);
	assert_reason(why, "no port");
}
END_TEST

START_TEST(test_overlap)
{
	static const struct {
		const char *a, *b;
		uint16_t a_raw, b_raw, port;
	} cases[] = {
		{"9099", "9100", 0, 0, 0},
		{"9099-9102", "9102", 0, 0, 9102},
		{"9099", "9100", 8000, 8000, 8000},
		{"9099-9102", "9110-9111", 8000, 8003, 8003},
		{"9099-9102", "9110-9111", 8000, 8004, 0},
		{"9099", "9100", 9100, 0, 9100},
		{"65535", "65533", 65534, 1, 0},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct spec a = make("a", cases[i].a, cases[i].a_raw);
		struct spec b = make("b", cases[i].b, cases[i].b_raw);

		ck_assert_uint_eq(spec_overlap(&a, &b), cases[i].port);
		ck_assert_uint_eq(spec_overlap(&b, &a), cases[i].port);
	}
}
END_TEST

START_TEST(test_equal)
{
	static const struct setting changes[] = {
		{spec_set_listen, "9099,9101", NULL},
		{spec_set_source, "any", NULL},
		{spec_set_source, "192.0.2.1", NULL},
		{spec_set_key, KEY2, NULL},
		{spec_set_clients, "192.0.2.0/24", NULL},
	};
	struct spec a = make("a", "9099-9100", 0), b = a;
	char why[SPEC_WHY];

	ck_assert(spec_equal(&a, &b));
	for (size_t i = 0; i < COUNT(changes); i++) {
		b = a;
		ck_assert_int_eq(changes[i].set(&b, changes[i].text, why), 0);
		ck_assert(!spec_equal(&a, &b));
	}
	ck_assert_int_eq(spec_set_source(&a, "192.0.2.1", why), 0);
	b = a;
	ck_assert_int_eq(spec_set_source(&b, "192.0.2.2", why), 0);
	ck_assert(!spec_equal(&a, &b));
	b = a;
	b.rate = 1000;
	ck_assert(!spec_equal(&a, &b));
	b = a;
	b.raw_punch = 1;
	ck_assert(!spec_equal(&a, &b));
	b = a;
	b.peers = 1;
	ck_assert(!spec_equal(&a, &b));
	b = a;
	b.quota = 1;
	ck_assert(!spec_equal(&a, &b));
	b = a;
	b.period = SPEC_DAY;
	ck_assert(!spec_equal(&a, &b));
	b = make("b", "9099-9100", 0);
	ck_assert(!spec_equal(&a, &b));
}
END_TEST

START_TEST(test_peers)
{
	struct spec spec = make("a", "9099", 0);
	char why[SPEC_WHY];

	ck_assert_int_eq(spec_set_peers(&spec, -1, why), -EINVAL);
	ck_assert_int_eq(spec_set_peers(&spec, SPEC_PEERS_MAX + 1, why), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "1 to 1024"));
	ck_assert_int_eq(spec_set_peers(&spec, SPEC_PEERS_MAX, why), 0);
	ck_assert_uint_eq(spec.peers, SPEC_PEERS_MAX);
	ck_assert_int_eq(spec_check(&spec, why), 0);
	spec.listen.count = 0;
	ck_assert_int_eq(spec_check(&spec, why), 0);
	spec.raw_punch = 9000;
	ck_assert_int_eq(spec_check(&spec, why), -EINVAL);
	spec.raw_punch = 0;
	ck_assert_int_eq(spec_set_peers(&spec, 0, why), 0);
	ck_assert_int_eq(spec_check(&spec, why), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "or peers"));
}
END_TEST

/* Ways of writing the same, and what a setting before has left behind. */
START_TEST(test_equal_forms)
{
	struct spec a = make("a", "9099-9100", 0), b = make("a", "9099,9100", 0);
	char why[SPEC_WHY];

	ck_assert_int_eq(spec_set_clients(&b, "::/0", why), 0);
	ck_assert(spec_equal(&a, &b));
	ck_assert_int_eq(spec_set_source(&b, "192.0.2.1", why), 0);
	ck_assert_int_eq(spec_set_source(&b, "first", why), 0);
	ck_assert_int_eq(spec_set_key(&b, KEY "MDEyMzQ1Njc4OWFiY2RlZg==", why), -EINVAL);
	ck_assert_int_eq(spec_set_key(&b, "MDEyMzQ1Njc4OWFiY2RlZmdo", why), 0);
	ck_assert_int_eq(spec_set_key(&b, KEY, why), 0);
	ck_assert(spec_equal(&a, &b));
}
END_TEST

START_TEST(test_source_format)
{
	static const char *const texts[][2] = {{"any", "any"}, {"first", "first"},
		{"192.0.2.1", "192.0.2.1/32"}, {"2001:db8::/32", "2001:db8::/32"}};
	struct spec a = make("a", "9099", 0), b = a;
	char out[PREFIX_TEXT], why[SPEC_WHY];

	for (size_t i = 0; i < COUNT(texts); i++) {
		ck_assert_int_eq(spec_set_source(&a, texts[i][0], why), 0);
		ck_assert_str_eq(spec_source_format(&a, out), texts[i][1]);
		ck_assert_int_eq(spec_set_source(&b, out, why), 0);
		ck_assert(spec_equal(&a, &b));
	}
}
END_TEST

static Suite *spec_suite(void)
{
	Suite *suite = suite_create("spec");
	TCase *tcase = tcase_create("spec");

	tcase_add_loop_test(tcase, test_name_good, 0, COUNT(good_names));
	tcase_add_loop_test(tcase, test_name_bad, 0, COUNT(bad_names));
	tcase_add_loop_test(tcase, test_set, 0, COUNT(settings));
	tcase_add_test(tcase, test_set_long);
	tcase_add_test(tcase, test_key_not_told);
	tcase_add_test(tcase, test_numbers);
	tcase_add_loop_test(tcase, test_quota, 0, COUNT(quotas));
	tcase_add_loop_test(tcase, test_bad_quota, 0, COUNT(bad_quotas));
	tcase_add_test(tcase, test_quota_peers);
	tcase_add_test(tcase, test_check);
	tcase_add_test(tcase, test_overlap);
	tcase_add_test(tcase, test_equal);
	tcase_add_test(tcase, test_peers);
	tcase_add_test(tcase, test_equal_forms);
	tcase_add_test(tcase, test_source_format);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(spec_suite());
}
