/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/config_bed.h"
#include "tests/suite.h"

/* The default gives way to what somebody has written. */
START_TEST(test_alternate)
{
	static const struct {
		const char *text;
		uint16_t alternate;
	} list[] = {
		{HOME, 3479},
		{HOME "punch = 3479\n", 0},
		{HOME "rfc3489 = 3478\npunch = 4000\n", 0},
		{HOME "stream a { listen = 3479 key = '" KEY_TEXT "' }\n", 0},
		{HOME "alternate = 0\n", 0},
		{HOME "share = \"3479\"\n", 0},
		{HOME "alternate = 5000\n", 5000},
	};

	for (size_t i = 0; i < COUNT(list); i++) {
		struct config *config = read_good(list[i].text);

		ck_assert_uint_eq(config->alternate, list[i].alternate);
		config_free(config);
	}
}
END_TEST

START_TEST(test_own_ports)
{
	struct config *config =
		read_good(HOME "rfc3489 = 3480\nshare = \"3482-3484\"\n" PARTNER PARTNER_KEY);
	static const char *const option[] = {
		"punch", "alternate", "rfc3489", "rfc3489", "share", "share", "share", NULL};
	uint16_t port[CONFIG_PORTS];
	char text[1000] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	ck_assert_uint_eq(config_ports(config, port), 7);
	for (uint16_t i = 0; i < COUNT(option); i++) {
		const char *got = config_port_option(config, (uint16_t)(3478 + i));

		ck_assert_int_eq(got == NULL, option[i] == NULL);
		if (got)
			ck_assert_str_eq(got, option[i]);
		ck_assert_int_eq(config_is_share(config, (uint16_t)(3478 + i)), i >= 4 && i < 7);
		if (i < 7)
			ck_assert_uint_eq(port[i], 3478 + i);
	}
	config_print(config, out);
	fclose(out);
	ck_assert_ptr_nonnull(
		strstr(text, "alternate = 3479\nrfc3489 = 3480 # and 3481\n"
			     "share = \"3482-3484\"\n" PARTNER "partner-key = \"(set)\"\n"));
	ck_assert_ptr_null(strstr(text, KEY_TEXT));
	config_free(config);
}
END_TEST

START_TEST(test_defaults)
{
	struct config *config = read_good(HOME);

	ck_assert(!config->automatic);
	ck_assert_uint_eq(config->address_count, 1);
	ck_assert_uint_eq(config->advertise_count, 0);
	ck_assert(!config->discover_cloud && !config->discover[0].addr.family);
	ck_assert_uint_eq(config->punch, 3478);
	ck_assert_str_eq(config->realm, "relayd");
	ck_assert_uint_eq(config->consent, 45);
	ck_assert_str_eq(config->database, "/var/lib/relayd/streams.db");
	ck_assert_str_eq(config->socket, "/run/relayd/relayd.sock");
	ck_assert_str_eq(config->user, "relayd");
	ck_assert_uint_eq(config->stream_count, 0);
	config_free(config);
	config_free(NULL);
}
END_TEST

/* Comments wherever they may stand, both quotes, no quotes, other line ends. */
static const char everything[] =
	"# it's a comment with \\ and ${x}\r\n"
	"address = { '127.0.0.1' /* \" */ # {\n } // don't\n"
	"advertise = { \"127.0.0.1=203.0.113.7\" }\n"
	"discover = { cloud, \"198.51.100.2\" }\n"
	"punch = \"3479\" realm = example.org//x consent = 10 max-clients = 7 max-rate = 12500000\n"
	"database = /tmp/s.db\nsocket = '/tmp/s#.sock'\nuser = nobody\n"
	"stream cam1 {\n"
	"	listen = \"9099-9102,9200\"\n	source = \"any\"\n" KEY
	"	clients = \"192.0.2.0/24\"\n	rate = 1000000 quota = 50G/month\n	raw-punch "
	"= 9000 }\n"
	"stream \"b\" { listen = \"9000\" source = \"2001:db8::/32\" key = '" KEY_TEXT "' }";

START_TEST(test_everything)
{
	char *text = strdup(everything), *taken = strstr(text, "\"9000\"");
	char port[PORTS_TEXT];
	const struct spec *spec;
	struct config *config;

	taken[4] = '5'; /* 9000 is punched */
	config = read_good(text);
	ck_assert(config->discover_cloud);
	ck_assert_uint_eq(config->discover[0].port, 3478);
	ck_assert_uint_eq(config->punch, 3479);
	ck_assert_uint_eq(config->consent, 10);
	ck_assert_uint_eq(config->max_clients, 7);
	ck_assert_uint_eq(config->max_rate, 12500000);
	ck_assert_str_eq(config->realm, "example.org//x");
	ck_assert_str_eq(config->database, "/tmp/s.db");
	ck_assert_str_eq(config->socket, "/tmp/s#.sock");
	ck_assert_str_eq(config->user, "nobody");
	ck_assert_uint_eq(config->stream_count, 2);
	spec = &config->streams[0];
	ck_assert_str_eq(spec->name, "cam1");
	ck_assert_str_eq(ports_format(&spec->listen, port), "9099-9102,9200");
	ck_assert_int_eq(spec->source, SPEC_ANY);
	ck_assert_str_eq(spec->key, KEY_TEXT);
	ck_assert_uint_eq(spec->clients.bits, 24);
	ck_assert_uint_eq(spec->rate, 1000000);
	ck_assert_uint_eq(spec->quota, 50000000000);
	ck_assert_int_eq(spec->period, SPEC_MONTH);
	ck_assert_uint_eq(spec->raw_punch, 9000);
	/* Nothing of the first is left in the second. */
	spec = &config->streams[1];
	ck_assert_int_eq(spec->source, SPEC_PREFIX);
	ck_assert_uint_eq(spec->prefix.bits, 32);
	ck_assert_uint_eq(spec->clients.bits, 0);
	ck_assert_uint_eq(spec->rate, 0);
	ck_assert_uint_eq(spec->raw_punch, 0);
	config_free(config);
	free(text);
}
END_TEST

/* One of the relay's addresses, or all of them. */
START_TEST(test_listen_at)
{
	static const char elsewhere[] =
		HOME "stream a {\nlisten = \"203.0.113.9:9099\"\n" KEY "}\n";
	static const char taken[] = HOME A "stream b {\nlisten = \"127.0.0.1:9099\"\n" KEY "}\n";
	struct config *config = read_good(HOME "stream a { listen = \"127.0.0.1:9099-9100\" " KEY
					       "}\nstream c { listen = 9101 " KEY "}\n");
	char text[ADDR_TEXT];

	ck_assert_uint_eq(config->stream_count, 2);
	ck_assert_str_eq(addr_format(&config->streams[0].at, text), "127.0.0.1");
	ck_assert_uint_eq(config->streams[0].listen.count, 2);
	ck_assert_uint_eq(config->streams[1].at.family, 0);
	config_free(config);
	assert_refused(make_file(elsewhere, strlen(elsewhere)), 2, "203.0.113.9", -EINVAL);
	assert_refused(make_file(taken, strlen(taken)), 4, "9099", -EINVAL);
}
END_TEST

START_TEST(test_peers)
{
	struct config *config = read_good(HOME "stream a {\npeers = 16\n" KEY "}\n");
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ck_assert_uint_eq(config->stream_count, 1);
	ck_assert_uint_eq(config->streams[0].peers, 16);
	ck_assert_uint_eq(config->streams[0].listen.count, 0);
	config_print(config, out);
	fclose(out);
	ck_assert_ptr_nonnull(strstr(text, "\tpeers = 16\n"));
	ck_assert_ptr_null(strstr(text, "listen"));
	free(text);
	config_free(config);
}
END_TEST

START_TEST(test_public)
{
	struct config *config = read_good(HOME "advertise = \"127.0.0.1=203.0.113.7\"\n");
	struct addr local, other, seen;

	ck_assert_int_eq(addr_parse("127.0.0.1", &local), 0);
	ck_assert_int_eq(addr_parse("127.0.0.2", &other), 0);
	seen = config_public(config, &local);
	ck_assert_int_eq(addr_parse("203.0.113.7", &local), 0);
	ck_assert(addr_equal(&seen, &local));
	seen = config_public(config, &other);
	ck_assert(addr_equal(&seen, &other));
	ck_assert(!config_is_local(config, &other));
	ck_assert(!config_is_local(config, &local));
	ck_assert(config_is_local(config, &config->addresses[0]));
	ck_assert(config_is_own(config, &local) && config_is_own(config, &config->addresses[0]));
	ck_assert(!config_is_own(config, &other));
	config_free(config);
}
END_TEST

/* What was discovered counts where nothing is configured, for streams at an address too. */
START_TEST(test_seen)
{
	struct config *config = read_good(HOME);
	struct addr public, seen;
	struct spec spec = {0};
	char why[SPEC_WHY];

	ck_assert_int_eq(addr_parse("203.0.113.7", &public), 0);
	ck_assert(!config_is_own(config, &public));
	spec.at = public;
	ck_assert_int_eq(config_place(config, &spec, why), -EADDRNOTAVAIL);
	config->seen[0] = public;
	ck_assert(config_is_own(config, &public));
	seen = config_public(config, &config->addresses[0]);
	ck_assert(addr_equal(&seen, &public));
	ck_assert_int_eq(config_place(config, &spec, why), 0);
	ck_assert(addr_equal(&spec.at, &config->addresses[0]));
	config->advertise[0] = (struct config_advertise){config->addresses[0], public};
	ck_assert_int_eq(addr_parse("203.0.113.8", &config->advertise[0].public), 0);
	config->advertise_count = 1;
	seen = config_public(config, &config->addresses[0]);
	ck_assert(!addr_equal(&seen, &public));
	config_free(config);
}
END_TEST

static const struct {
	bool automatic;
	const char *addresses[3];
	int second[3]; /* of each; -1: it has none */
} seconds[] = {
	{false, {"10.0.0.1", "2001:db8::7", "10.0.0.2"}, {2, -1, 0}},
	{true, {"203.0.113.7", "203.0.113.8", "203.0.113.9"}, {1, 2, 0}},
	{true, {"203.0.113.7", "10.0.0.1", "203.0.113.9"}, {2, -1, 0}},
	{true, {"203.0.113.7", "10.0.0.1", "2001:db8::7"}, {-1, -1, -1}},
};

/* Where a test of a client's NAT is answered from besides. */
START_TEST(test_second)
{
	struct config config = {.automatic = seconds[_i].automatic, .address_count = 3};
	struct addr second, none;

	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(addr_parse(seconds[_i].addresses[i], &config.addresses[i]), 0);
	for (size_t i = 0; i < 3; i++) {
		int expected = seconds[_i].second[i];

		ck_assert_int_eq(
			config_second(&config, &config.addresses[i], &second), expected >= 0);
		if (expected >= 0)
			ck_assert(addr_equal(&second, &config.addresses[expected]));
	}
	ck_assert_int_eq(addr_parse("203.0.113.99", &none), 0);
	ck_assert(!config_second(&config, &none, &second));
}
END_TEST

/* What is printed says the same again, but for the keys. */
START_TEST(test_print)
{
	static const char set[] = "key = \"(set)\"";
	char text[4000] =
		HOME "advertise = { \"127.0.0.1=203.0.113.7\" }\n"
		     "discover = { \"198.51.100.2:3479\", cloud }\n" A
		     "stream b { listen = \"1-4,9\" source = any " KEY
		     "clients = \"::1\" rate = 5000 quota = \"5000M/day\" raw-punch = 20 }\n";
	struct config *config = read_good(text), *again;
	FILE *out = fmemopen(text, sizeof(text), "w");
	size_t count = 0;

	config_print(config, out);
	fclose(out);
	ck_assert_ptr_null(strstr(text, KEY_TEXT));
	for (char *at; (at = strstr(text, set)); count++) {
		memmove(at + strlen(KEY), at + strlen(set) + 1, strlen(at + strlen(set)));
		memcpy(at, KEY, strlen(KEY));
	}
	ck_assert_uint_eq(count, 2);
	again = read_good(text);
	ck_assert_uint_eq(again->stream_count, 2);
	ck_assert_uint_eq(again->advertise_count, 1);
	ck_assert(again->discover_cloud && again->discover[0].port == 3479);
	for (size_t i = 0; i < 2; i++)
		ck_assert(spec_equal(&config->streams[i], &again->streams[i]));
	config_free(config);
	config_free(again);
}
END_TEST

/* Whatever this host has; when that is nothing, it is said. */
START_TEST(test_auto)
{
	const char *path = make_file("# all defaults\n", 15);
	char error[CONFIG_ERROR];
	struct config *config;

	if (config_read(path, &config, error) < 0) {
		ck_assert_ptr_nonnull(strstr(error, "no global address for \"auto\"; "));
		return;
	}
	ck_assert(config->automatic);
	ck_assert_uint_ge(config->address_count, 1);
	for (size_t i = 0; i < config->address_count; i++)
		ck_assert(addr_is_routable(&config->addresses[i]));
	config_free(config);
}
END_TEST

/* A new namespace has nothing but a loopback interface that is down. */
/* It may come later, unlike what stands right in the file. */
START_TEST(test_absent)
{
	static const char text[] =
		"address = {\n\"127.0.0.1\",\n\"198.51.100.254\" }\nconsent = 0\n";
	static const char wrong[] = "consent = 0\naddress = { \"198.51.100.254\" }\n";

	assert_refused(make_file(text, strlen(text)), 3,
		"198.51.100.254 is not an address of this host; it has ", -EADDRNOTAVAIL);
	assert_refused(make_file(wrong, strlen(wrong)), 1, "consent", -EINVAL);
}
END_TEST

START_TEST(test_auto_none)
{
	static const char text[] = "punch = 5\n\naddress = { \"auto\" }\n";

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		fprintf(stderr, "test_auto_none: no namespaces here\n");
		return;
	}
	assert_refused(
		make_file(text, strlen(text)), 3, "no global address for \"auto\"", -EADDRNOTAVAIL);
	assert_refused(make_file(HOME, strlen(HOME)), 1, "it has none", -EADDRNOTAVAIL);
}
END_TEST

/* What is written to stderr while the file is read. */
static void read_warnings(const char *path, char *out, size_t size)
{
	int saved = dup(STDERR_FILENO), fd = memfd_create("stderr", 0);
	struct config *config = NULL;
	char error[CONFIG_ERROR];
	ssize_t len;

	dup2(fd, STDERR_FILENO);
	ck_assert_int_eq(config_read(path, &config, error), 0);
	dup2(saved, STDERR_FILENO);
	config_free(config);
	len = pread(fd, out, size - 1, 0);
	out[len > 0 ? len : 0] = '\0';
	close(fd);
	close(saved);
}

START_TEST(test_world_readable)
{
	const char *path = make_file(HOME A, strlen(HOME A));
	char out[1000], text[200];

	read_warnings(path, out, sizeof(out));
	ck_assert_str_eq(out, "");
	ck_assert_int_eq(chmod(path, 0644), 0);
	read_warnings(path, out, sizeof(out));
	ck_assert_ptr_nonnull(strstr(out, "chmod o-r"));
	path = make_file(HOME, strlen(HOME));
	ck_assert_int_eq(chmod(path, 0644), 0);
	read_warnings(path, out, sizeof(out));
	ck_assert_str_eq(out, "");
	path = make_file(KEY_TEXT, strlen(KEY_TEXT));
	snprintf(text, sizeof(text), HOME "stream a { listen = 9099 key-file = \"%s\" }\n", path);
	path = make_file(text, strlen(text));
	ck_assert_int_eq(chmod(path, 0644), 0);
	read_warnings(path, out, sizeof(out));
	ck_assert_str_eq(out, "");
	path = make_file(HOME PARTNER PARTNER_KEY, strlen(HOME PARTNER PARTNER_KEY));
	ck_assert_int_eq(chmod(path, 0644), 0);
	read_warnings(path, out, sizeof(out));
	ck_assert_ptr_nonnull(strstr(out, "chmod o-r"));
}
END_TEST

/* Many streams, and then no room for one more: neither crashes nor takes for ever. */
START_TEST(test_many)
{
	const int count = 5000;
	size_t size = (size_t)count * 100;
	char *text = malloc(size);
	struct config *config;
	int at;

	at = snprintf(text, size, HOME);
	for (int i = 0; i < count; i++)
		at += snprintf(text + at, size - (size_t)at,
			"stream \"s%d\" { listen = \"%d\"\n" KEY "}\n", i, 10000 + i);
	config = read_good(text);
	ck_assert_uint_eq(config->stream_count, (size_t)count);
	ck_assert_str_eq(config->streams[count - 1].name, "s4999");
	config_free(config);
	snprintf(text + at, size - (size_t)at, "stream x { listen = 14999\n" KEY "}\n");
	assert_refused(make_file(text, strlen(text)), 3 * count + 2,
		"port 14999 belongs to stream \"s4999\" of ", -EINVAL);
	free(text);
}
END_TEST

static Suite *config_suite(void)
{
	Suite *suite = suite_create("config");
	TCase *tcase = tcase_create("config");

	tcase_add_test(tcase, test_alternate);
	tcase_add_test(tcase, test_own_ports);
	tcase_add_test(tcase, test_defaults);
	tcase_add_test(tcase, test_everything);
	tcase_add_test(tcase, test_listen_at);
	tcase_add_test(tcase, test_peers);
	tcase_add_test(tcase, test_public);
	tcase_add_test(tcase, test_seen);
	tcase_add_loop_test(tcase, test_second, 0, COUNT(seconds));
	tcase_add_test(tcase, test_print);
	tcase_add_test(tcase, test_auto);
	tcase_add_test(tcase, test_absent);
	tcase_add_test(tcase, test_auto_none);
	tcase_add_test(tcase, test_world_readable);
	tcase_add_test(tcase, test_many);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(config_suite());
}
