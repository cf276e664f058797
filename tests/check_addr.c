/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "common/addr.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What is read from text, and what is written again; NULL: the text is bad. */
struct pair {
	const char *text;
	const char *again;
};

static const struct pair addrs[] = {
	{"192.0.2.1", "192.0.2.1"},
	{"0.0.0.0", "0.0.0.0"},
	{"255.255.255.255", "255.255.255.255"},
	{"2001:db8::1", "2001:db8::1"},
	{"2001:0DB8:0:0:0:0:0:1", "2001:db8::1"},
	{"::", "::"},
	{"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
	{"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	{"", NULL},
	{"192.0.2", NULL},
	{"192.0.2.256", NULL},
	{"192.0.2.01", NULL},
	{"192.0.2.1 ", NULL},
	{" 192.0.2.1", NULL},
	{"0x7f000001", NULL},
	{"2001:db8::1::2", NULL},
	{"fe80::1%eth0", NULL},
	{"[2001:db8::1]", NULL},
	{"example.org", NULL},
};

static const struct pair endpoints[] = {
	{"192.0.2.1:5004", "192.0.2.1:5004"},
	{"192.0.2.1", "192.0.2.1:3478"},
	{"192.0.2.1:65535", "192.0.2.1:65535"},
	{"[2001:db8::1]:5004", "[2001:db8::1]:5004"},
	{"[2001:db8::1]", "[2001:db8::1]:3478"},
	{"", NULL},
	{":5004", NULL},
	{"192.0.2.1:", NULL},
	{"192.0.2.1:0", NULL},
	{"192.0.2.1:65536", NULL},
	{"192.0.2.1:99999999999999999999", NULL},
	{"192.0.2.1:+5", NULL},
	{"192.0.2.1: 5", NULL},
	{"192.0.2.1:05", NULL},
	{"[192.0.2.1]:5004", NULL},
	{"2001:db8::1", NULL},
	{"2001:db8::1:5004", NULL},
	{"[2001:db8::1", NULL},
	{"[2001:db8::1]5004", NULL},
	{"[2001:db8::1]:", NULL},
	{"[]:5004", NULL},
	{"[2001:db8:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001]:5004", NULL},
};

static const struct pair prefixes[] = {
	{"192.0.2.0/24", "192.0.2.0/24"},
	{"192.0.2.1", "192.0.2.1/32"},
	{"192.0.2.1/32", "192.0.2.1/32"},
	{"192.0.2.128/25", "192.0.2.128/25"},
	{"0.0.0.0/0", "0.0.0.0/0"},
	{"2001:db8::/32", "2001:db8::/32"},
	{"2001:db8::1", "2001:db8::1/128"},
	{"2001:db8:8000::/33", "2001:db8:8000::/33"},
	{"::/0", "::/0"},
	{"192.0.2.0/", NULL},
	{"192.0.2.0/33", NULL},
	{"192.0.2.0/-1", NULL},
	{"192.0.2.0/024", NULL},
	{"192.0.2.0/24 ", NULL},
	{"192.0.2.1/24", NULL},
	{"192.0.2.128/24", NULL},
	{"192.0.2.0/255.255.255.0", NULL},
	{"2001:db8::/129", NULL},
	{"2001:db8::1/127", NULL},
	{"128.0.0.0/0", NULL},
	{"/24", NULL},
	{"", NULL},
};

static const struct pair port_lists[] = {
	{"9099", "9099"},
	{"9099-9102", "9099-9102"},
	{"9099,9101", "9099,9101"},
	{"9099,9100", "9099-9100"},
	{"1-3,7,65534-65535,5", "1-3,7,65534-65535,5"},
	{"9102,9101", "9102,9101"},
	{"5-5", "5"},
	{"1-64", "1-64"},
	{"", NULL},
	{"0", NULL},
	{"65536", NULL},
	{"9099-", NULL},
	{"-9099", NULL},
	{"9102-9099", NULL},
	{"9099,", NULL},
	{",9099", NULL},
	{"9099,,9100", NULL},
	{"9099, 9100", NULL},
	{"9099-9100-9101", NULL},
	{"9099,9099", NULL},
	{"9099-9102,9100", NULL},
	{"9099x", NULL},
};

START_TEST(test_addr_parse)
{
	const struct pair *pair = &addrs[_i];
	struct addr addr = {.family = 99};
	char text[ADDR_TEXT];

	if (!pair->again) {
		ck_assert_msg(addr_parse(pair->text, &addr) == -EINVAL, "%s", pair->text);
		ck_assert_uint_eq(addr.family, 99);
		return;
	}
	ck_assert_msg(addr_parse(pair->text, &addr) == 0, "%s", pair->text);
	ck_assert_str_eq(addr_format(&addr, text), pair->again);
}
END_TEST

START_TEST(test_endpoint_parse)
{
	const struct pair *pair = &endpoints[_i];
	struct endpoint endpoint = {.port = 99};
	char text[ENDPOINT_TEXT];

	if (!pair->again) {
		ck_assert_msg(
			endpoint_parse(pair->text, 3478, &endpoint) == -EINVAL, "%s", pair->text);
		ck_assert_uint_eq(endpoint.port, 99);
		return;
	}
	ck_assert_msg(endpoint_parse(pair->text, 3478, &endpoint) == 0, "%s", pair->text);
	ck_assert_str_eq(endpoint_format(&endpoint, text), pair->again);
}
END_TEST

START_TEST(test_endpoint_needs_port)
{
	struct endpoint endpoint;

	ck_assert_int_eq(endpoint_parse("192.0.2.1", 0, &endpoint), -EINVAL);
	ck_assert_int_eq(endpoint_parse("[2001:db8::1]", 0, &endpoint), -EINVAL);
	ck_assert_int_eq(endpoint_parse("192.0.2.1:1", 0, &endpoint), 0);
}
END_TEST

START_TEST(test_prefix_parse)
{
	const struct pair *pair = &prefixes[_i];
	struct prefix prefix = {.bits = 99};
	char text[PREFIX_TEXT];

	if (!pair->again) {
		ck_assert_msg(prefix_parse(pair->text, &prefix) == -EINVAL, "%s", pair->text);
		ck_assert_uint_eq(prefix.bits, 99);
		return;
	}
	ck_assert_msg(prefix_parse(pair->text, &prefix) == 0, "%s", pair->text);
	ck_assert_str_eq(prefix_format(&prefix, text), pair->again);
}
END_TEST

START_TEST(test_ports_parse)
{
	const struct pair *pair = &port_lists[_i];
	struct ports ports = {.count = 99};
	char text[PORTS_TEXT];

	if (!pair->again) {
		ck_assert_msg(ports_parse(pair->text, &ports) == -EINVAL, "%s", pair->text);
		ck_assert_uint_eq(ports.count, 99);
		return;
	}
	ck_assert_msg(ports_parse(pair->text, &ports) == 0, "%s", pair->text);
	ck_assert_str_eq(ports_format(&ports, text), pair->again);
}
END_TEST

START_TEST(test_ports_limit)
{
	struct ports ports = {.count = 99};

	ck_assert_int_eq(ports_parse("1-65", &ports), -ERANGE);
	ck_assert_int_eq(ports_parse("1-65535", &ports), -ERANGE);
	ck_assert_int_eq(ports_parse("1-64,100", &ports), -ERANGE);
	ck_assert_uint_eq(ports.count, 99);
}
END_TEST

/* The longest text that a list can have fits, and is read again. */
START_TEST(test_ports_longest)
{
	struct ports ports = {.count = PORTS_MAX}, again;
	char text[PORTS_TEXT];

	for (size_t i = 0; i < PORTS_MAX; i++)
		ports.port[i] = (uint16_t)(65535 - 2 * i);
	ck_assert_uint_eq(strlen(ports_format(&ports, text)), PORTS_MAX * 6 - 1);
	ck_assert_int_eq(ports_parse(text, &again), 0);
	ck_assert_mem_eq(&again, &ports, sizeof(ports));
	ports.count = 0;
	ck_assert_str_eq(ports_format(&ports, text), "");
}
END_TEST

START_TEST(test_ports_index)
{
	struct ports ports;

	ck_assert_int_eq(ports_parse("9101,9099-9100", &ports), 0);
	ck_assert_int_eq(ports_index(&ports, 9101), 0);
	ck_assert_int_eq(ports_index(&ports, 9100), 2);
	ck_assert_int_eq(ports_index(&ports, 9102), -1);
}
END_TEST

START_TEST(test_none)
{
	struct endpoint none = {0};
	char text[ENDPOINT_TEXT];

	ck_assert_str_eq(addr_format(&none.addr, text), "none");
	ck_assert_str_eq(endpoint_format(&none, text), "none:0");
	ck_assert_uint_eq(addr_size(0), 0);
	ck_assert_uint_eq(addr_size(AF_INET), 4);
	ck_assert_uint_eq(addr_size(AF_INET6), 16);
	ck_assert(!addr_is_routable(&none.addr));
}
END_TEST

START_TEST(test_equal)
{
	struct endpoint a, b;

	ck_assert_int_eq(endpoint_parse("192.0.2.1:1", 0, &a), 0);
	ck_assert_int_eq(endpoint_parse("192.0.2.1:1", 0, &b), 0);
	ck_assert(endpoint_equal(&a, &b));
	b.port = 2;
	ck_assert(!endpoint_equal(&a, &b));
	ck_assert(addr_equal(&a.addr, &b.addr));
	ck_assert_int_eq(endpoint_parse("[c000:201::]:1", 0, &b), 0);
	ck_assert_mem_eq(a.addr.bytes, b.addr.bytes, 4);
	ck_assert(!endpoint_equal(&a, &b));
}
END_TEST

START_TEST(test_prefix_contains)
{
	static const struct {
		const char *prefix, *addr;
		bool in;
	} rows[] = {
		{"192.0.2.0/24", "192.0.2.255", true},
		{"192.0.2.0/24", "192.0.3.0", false},
		{"192.0.2.0/25", "192.0.2.127", true},
		{"192.0.2.0/25", "192.0.2.128", false},
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.0", false},
		{"0.0.0.0/0", "203.0.113.9", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"::/0", "192.0.2.1", false},
		{"2001:db8::/33", "2001:db8:7fff::", true},
		{"2001:db8::/33", "2001:db8:8000::", false},
		{"2001:db8::/127", "2001:db8::1", true},
		{"2001:db8::/127", "2001:db8::2", false},
	};
	struct prefix prefix;
	struct addr addr;

	for (size_t i = 0; i < COUNT(rows); i++) {
		ck_assert_int_eq(prefix_parse(rows[i].prefix, &prefix), 0);
		ck_assert_int_eq(addr_parse(rows[i].addr, &addr), 0);
		ck_assert_msg(prefix_contains(&prefix, &addr) == rows[i].in, "%s %s",
			rows[i].prefix, rows[i].addr);
	}
}
END_TEST

START_TEST(test_routable)
{
	static const char *const yes[] = {"192.0.2.1", "10.0.0.1", "1.0.0.0", "128.0.0.1",
		"169.253.255.255", "223.255.255.255", "2001:db8::1", "fd00::1", "::2"};
	static const char *const no[] = {"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.255",
		"169.254.0.1", "224.0.0.1", "239.255.255.255", "255.255.255.255", "::", "::1",
		"fe80::1", "febf::1", "ff02::1", "::ffff:192.0.2.1", "::ffff:127.0.0.1"};
	struct addr addr;

	for (size_t i = 0; i < COUNT(yes); i++) {
		ck_assert_int_eq(addr_parse(yes[i], &addr), 0);
		ck_assert_msg(addr_is_routable(&addr), "%s", yes[i]);
	}
	for (size_t i = 0; i < COUNT(no); i++) {
		ck_assert_int_eq(addr_parse(no[i], &addr), 0);
		ck_assert_msg(!addr_is_routable(&addr), "%s", no[i]);
	}
}
END_TEST

START_TEST(test_hash)
{
	struct endpoint a, b;

	ck_assert_int_eq(endpoint_parse("192.0.2.1:5004", 0, &a), 0);
	b = a;
	ck_assert_uint_eq(endpoint_hash(&a, 7), endpoint_hash(&b, 7));
	ck_assert_uint_ne(endpoint_hash(&a, 7), endpoint_hash(&a, 8));
	b.port++;
	ck_assert_uint_ne(endpoint_hash(&a, 7), endpoint_hash(&b, 7));
	ck_assert_int_eq(endpoint_parse("192.0.2.2:5004", 0, &b), 0);
	ck_assert_uint_ne(endpoint_hash(&a, 7), endpoint_hash(&b, 7));
}
END_TEST

START_TEST(test_sockaddr)
{
	static const struct {
		const char *text;
		socklen_t len;
	} rows[] = {
		{"192.0.2.1:5004", sizeof(struct sockaddr_in)},
		{"[2001:db8::1]:5004", sizeof(struct sockaddr_in6)},
	};
	struct endpoint endpoint, again;
	struct sockaddr_storage sa;

	for (size_t i = 0; i < COUNT(rows); i++) {
		ck_assert_int_eq(endpoint_parse(rows[i].text, 0, &endpoint), 0);
		ck_assert_uint_eq(endpoint_to_sockaddr(&endpoint, &sa), rows[i].len);
		ck_assert_int_eq(endpoint_from_sockaddr((struct sockaddr *)&sa, &again), 0);
		ck_assert(endpoint_equal(&endpoint, &again));
	}
	ck_assert_uint_eq(endpoint_to_sockaddr(&(struct endpoint){0}, &sa), 0);
	sa.ss_family = AF_UNIX;
	ck_assert_int_eq(endpoint_from_sockaddr((struct sockaddr *)&sa, &again), -EAFNOSUPPORT);
}
END_TEST

/* A socket for both families gives IPv4 peers in this form. */
START_TEST(test_sockaddr_mapped)
{
	struct endpoint endpoint, expected;
	struct sockaddr_storage sa;

	ck_assert_int_eq(endpoint_parse("[::ffff:192.0.2.1]:5004", 0, &endpoint), 0);
	ck_assert_int_eq(endpoint_parse("192.0.2.1:5004", 0, &expected), 0);
	endpoint_to_sockaddr(&endpoint, &sa);
	ck_assert_int_eq(endpoint_from_sockaddr((struct sockaddr *)&sa, &endpoint), 0);
	ck_assert(endpoint_equal(&endpoint, &expected));
}
END_TEST

static Suite *addr_suite(void)
{
	Suite *suite = suite_create("addr");
	TCase *tcase = tcase_create("addr");

	tcase_add_loop_test(tcase, test_addr_parse, 0, COUNT(addrs));
	tcase_add_loop_test(tcase, test_endpoint_parse, 0, COUNT(endpoints));
	tcase_add_test(tcase, test_endpoint_needs_port);
	tcase_add_loop_test(tcase, test_prefix_parse, 0, COUNT(prefixes));
	tcase_add_loop_test(tcase, test_ports_parse, 0, COUNT(port_lists));
	tcase_add_test(tcase, test_ports_limit);
	tcase_add_test(tcase, test_ports_longest);
	tcase_add_test(tcase, test_ports_index);
	tcase_add_test(tcase, test_none);
	tcase_add_test(tcase, test_equal);
	tcase_add_test(tcase, test_prefix_contains);
	tcase_add_test(tcase, test_routable);
	tcase_add_test(tcase, test_hash);
	tcase_add_test(tcase, test_sockaddr);
	tcase_add_test(tcase, test_sockaddr_mapped);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(addr_suite());
}
