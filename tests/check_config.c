/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "relayd/config.h"
#include "tests/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KEY_TEXT     "MDEyMzQ1Njc4OWFiY2RlZg=="
#define KEY	     "key = \"" KEY_TEXT "\"\n"
#define HOME	     "address = { \"127.0.0.1\" }\n"
#define A	     "stream \"a\" { listen = \"9099\" key = \"" KEY_TEXT "\" }\n"

/* The file lives in memory until the test's process ends. */
static const char *make_file(const void *data, size_t len)
{
	static char path[64];
	int fd = memfd_create("relayd.conf", 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fchmod(fd, 0600), 0);
	ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

static struct config *read_good(const char *text)
{
	char error[CONFIG_ERROR] = "";
	struct config *config = NULL;
	int ret = config_read(make_file(text, strlen(text)), &config, error);

	ck_assert_msg(ret == 0, "%s", error);
	ck_assert_str_eq(error, "");
	return config;
}

/* The answer must be "PATH:LINE: wrong; right", one line, and nothing may come out. */
static void assert_refused(const char *path, int line, const char *part, int expected)
{
	struct config *untouched = (struct config *)&expected, *config = untouched;
	char error[CONFIG_ERROR], start[300];
	int ret = config_read(path, &config, error);

	ck_assert_msg(ret == expected, "%d instead of %d: %s", ret, expected, error);
	ck_assert_ptr_eq(config, untouched);
	if (line)
		snprintf(start, sizeof(start), "%s:%d: ", path, line);
	else
		snprintf(start, sizeof(start), "%s: ", path);
	ck_assert_msg(
		strncmp(error, start, strlen(start)) == 0, "\"%s\" is not in line %d", error, line);
	ck_assert_msg(strstr(error, part) != NULL, "\"%s\" does not say \"%s\"", error, part);
	ck_assert_msg(strstr(error, "; ") != NULL, "\"%s\" does not say what is right", error);
	ck_assert_ptr_null(strchr(error, '\n'));
	ck_assert_ptr_null(strstr(error, "MDEyMzQ1"));
}

struct bad {
	const char *text;
	int line;
	const char *part;
};

static const struct bad syntax[] = {
	{"", 1, "the file is empty"},
	{" \n\t\r\n", 1, "the file is empty"},
	{"\n# x\n/* a\n b */ foo = 1\n", 4, "no such option 'foo'; options are address, "},
	{"stream a {\n\nlisten = 1\nlisen = 2\n}\n", 4, "options are listen, source, key, "},
	{"include(\"/etc/passwd\")", 1, "no such option 'include'"},
	{"punch 5", 1, "missing equal sign after option 'punch'; write NAME = VALUE"},
	{"punch += 5", 1, "write = instead of +="},
	{"punch = { 5 }", 1, "only address and advertise take a list"},
	{"punch =\n", 2, "premature end of file"},
	{"address = { \"auto\", , }", 1, "unexpected token ','"},
	{"address = {\n\"auto\"\n", 1, "never closed"},
	{"stream { }", 1, "missing title"},
	{"stream \"a\"\nlisten = 1", 2, "missing opening brace"},
	{"stream \"a\" = { }", 1, "missing opening brace"},
	{A "}\n", 2, "unexpected closing brace"},
	{"# x\nstream \"a\" {\nlisten = 1\n\nstream \"b\" {\n}\n", 2, "never closed"},
	{"punch = 5\nrealm = \"x\nuser = \"y\"\n", 2, "does not end on its line"},
	{"realm = 'x", 1, "does not end on its line"},
	{"punch = 5\n\n/* x\n\n", 3, "never ends"},
	{"punch = ${HOME}", 1, "variables are not replaced"},
	{"realm = \"${HOME}\"", 1, "variables are not replaced"},
	{"realm = '${HOME}'", 1, "variables are not replaced"},
	{"\nrealm = \"a\\x00b\"", 2, "a backslash"},
	{"realm = a\\b", 1, "a backslash"},
	{"punch = 34*5", 1, "into quotes"},
	{"stream a {\n key = MDEy+NDU2\n}", 2, "into quotes"},
	{"punch = 5\nrealm = \"\033[1m\"", 2, "a control character"},
	{"realm = \"a\tb\"", 1, "a tab in a string"},
	{"realm = \"a\x7f\"", 1, "a control character"},
	{"\"\" = 1", 1, "write NAME = VALUE"},
	{"stream a {\n\n\"\" = 1 }", 3, "write NAME = VALUE"},
	{A "stream|listen = 5\n", 2, "write stream \"NAME\" { listen = ... }"},
	{A "stream=a|listen = 5\n", 2, ""},
	{"listen = 5\n", 1, "no such option 'listen'"},
	{A "stream b { stream c { } }", 2, "no such option 'stream'"},
};

static const struct bad values[] = {
	{"punch = 0", 1, "punch: 0 is out of range; write 1 to 65535"},
	{"punch = 65536", 1, "65536 is out of range"},
	{"punch = -1", 1, "-1 is out of range"},
	{"punch = abc", 1, "\"abc\" is not a number"},
	{"punch = 0x10", 1, "is not a number"},
	{"punch = 1.5", 1, "is not a number"},
	{"punch = \"\"", 1, "\"\" is not a number"},
	{"punch = \" 5\"", 1, "is not a number"},
	{"punch = true", 1, "is not a number"},
	{"punch = 99999999999999999999", 1, "is not a number"},
	{"punch = 5\n\npunch = 6", 3, "punch stands here again, after "},
	{"consent = 9", 1, "write 10 to 3600"},
	{"consent = 3601", 1, "write 10 to 3600"},
	{"realm = \"\"", 1, "0 characters; write 1 to 63"},
	{"realm = \"caf\xc3\xa9\"", 1, "not ASCII"},
	{"realm = 'a\"b'", 1, "or a quote"},
	{"user = \"a b\"", 1, "\"a b\" is not the name of a user"},
	{"user = \"-r\"", 1, "is not the name of a user"},
	{"user = \"a23456789012345678901234567890123\"", 1, "33 characters; write 1 to 32"},
	{"database = \"streams.db\"", 1, "begins with /"},
	{"database = \"/var/lib/\"", 1, "is not the path of a file"},
	{"socket = \"\"", 1, "is not the path of a file"},
	{HOME "database = \"/a/b\"\nsocket = \"/a/b\"\n", 3, "socket: this is the database's"},
	{"address = { \"300.1.1.1\" }", 1, "address: \"300.1.1.1\" is not an address"},
	{"address = { \"localhost\" }", 1, "\"localhost\" is not an address"},
	{"address = {\n\"127.0.0.1\",\n\"198.51.100.254\" }", 3,
		"198.51.100.254 is not an address of this host; it has "},
	{"address = {\n\"127.0.0.1\",\n\"127.0.0.1\" }", 3, "stands here twice"},
	{"address = { \"auto\", \"127.0.0.1\" }", 1, "\"auto\" stands alone"},
	{"address = { \"127.0.0.1\", \"auto\" }", 1, "\"auto\" stands alone"},
	{HOME HOME, 2, "address stands here again, after "},
	{HOME "address = {}\n", 1, "address stands here and again, empty"},
	{"advertise = { \"10.0.0.4\" }", 1, "is not LOCAL=PUBLIC"},
	{"advertise = { \"10.0.0.4=\" }", 1, "is not LOCAL=PUBLIC"},
	{"advertise = { \"=203.0.113.7\" }", 1, "is not LOCAL=PUBLIC"},
	{"advertise = { \"10.0.0.4=2001:db8::1\" }", 1, "two addresses of one family"},
	{"advertise = { \"10.0.0.4=127.0.0.1\" }", 1, "cannot be reached"},
	{"advertise = {\n\"10.0.0.4=203.0.113.7\",\n\"10.0.0.4=203.0.113.8\" }", 3, "second"},
	{HOME "advertise = {\n\"127.0.0.1=203.0.113.6\",\n\"10.0.0.4=203.0.113.7\" }\n", 4,
		"advertise: 10.0.0.4 is none of the addresses"},
};

#define PARTNER	    "partner = \"198.51.100.2:3478\"\n"
#define PARTNER_KEY "partner-key = \"" KEY_TEXT "\"\n"

static const struct bad ports[] = {
	{"alternate = 65536", 1, "65536 is out of range; write 0 to 65535"},
	{"rfc3489 = 65535", 1, "65535 is out of range; write 0 to 65534"},
	{"rfc3489 = true", 1, "is not a number"},
	{"share = \"3490-3489\"", 1, "is not a range of ports; write one like 3490-3521"},
	{"share = \"3490-3554\"", 1, "of at most 64"},
	{"share = \"3490,3491\"", 1, "is not a range of ports"},
	{"share = \"0-3\"", 1, "is not a range of ports"},
	{"share = \"65530-65536\"", 1, "is not a range of ports"},
	{HOME "share = \"3470-3480\"\n", 2, "share: port 3478 is the punch port; choose another"},
	{HOME "rfc3489 = 3490\nshare = \"3491-3495\"\n", 3,
		"share: port 3491 is a port of rfc3489; choose another"},
	{HOME "share = \"9090-9099\"\n" A, 3, "stream \"a\": port 9099 is a port of share"},
	{HOME "alternate = 3478\n", 2, "alternate: 3478 is the punch port; choose another, or 0"},
	{HOME "\nrfc3489 = 3478\n", 3, "rfc3489: port 3478 is the punch port"},
	{HOME "rfc3489 = 3477\n", 2, "rfc3489: port 3478 is the punch port"},
	{HOME "alternate = 5000\nrfc3489 = 4999\n", 3, "rfc3489: port 5000 is the alternate port"},
	{HOME "alternate = 9099\n" A, 3, "stream \"a\": port 9099 is the alternate port"},
	{HOME "rfc3489 = 9098\n" A, 3, "stream \"a\": port 9099 is a port of rfc3489"},
	{"partner = \"198.51.100.2\"", 1, "is not ADDRESS:PORT; write the other relay's"},
	{"partner = \"relay.example:3478\"", 1, "is not ADDRESS:PORT"},
	{"partner = \"127.0.0.1:3478\"", 1, "cannot be reached"},
	{"partner-key = \"secret\"", 1, "partner-key: this is not base64 of 16 bytes"},
	{HOME PARTNER, 2, "partner stands alone; write partner-key as well"},
	{HOME PARTNER_KEY, 2, "partner-key stands alone; write partner as well"},
	{HOME PARTNER PARTNER_KEY "alternate = 0\n", 2, "partner: there is no alternate port"},
	{HOME "partner = \"[2001:db8::1]:3478\"\n" PARTNER_KEY, 2, "is of its family"},
	{HOME "advertise = \"127.0.0.1=198.51.100.2\"\n" PARTNER PARTNER_KEY, 3,
		"partner: this is an address of this host"},
};

static const struct bad streams[] = {
	{"\nstream \"a:1\"\n{\n\nlisten = 1 }", 3, "stream: \"a:1\" is not a name"},
	{"stream \"\" { }", 1, "the name is empty"},
	{"stream a23456789012345678901234567890123456789012345678901234567890123_ { }", 1,
		"is too long"},
	{"/* \n */ # {\nstream a {\n\n}\n", 3, "stream \"a\": no port to listen at"},
	{"stream a {\nlisten = 9099\n}\n", 1, "stream \"a\": no key"},
	{A "\nstream b {\nlisten = 9100\n}\n", 3, "stream \"b\": no key"},
	{"stream a {\nlisten = \"99999\"\n}\n", 2, "stream \"a\": listen: \"99999\" is not"},
	{"stream a {\nlisten = \"1-65\"\n}\n", 2, "at most 64"},
	{"stream a {\nlisten = { 1, 2 }\n}\n", 2, "only address and advertise take a list"},
	{"stream a {\nlisten = 1\nlisten = 2\n}\n", 3, "listen stands here again, after "},
	{"stream a {\nsource = \"second\"\n}\n", 2, "source: \"second\" is not an address"},
	{"stream a {\nclients = \"192.0.2.1/24\"\n}\n", 2, "clients: \"192.0.2.1/24\" is not"},
	{"stream a {\nkey = \"secret\"\n}\n", 2, "key: this is not a key"},
	{"stream a {\nkey = \"" KEY_TEXT "x\"\n}\n", 2, "key: this is not a key"},
	{"stream a {\nrate = -1\n}\n", 2, "rate: -1 is not a rate"},
	{"stream a {\nquota = 5G/year\n}\n", 2, "quota: \"5G/year\" is not a quota"},
	{"stream a {\npeers = 1\nquota = 5G " KEY "}\n", 3,
		"a quota does not count what peers send"},
	{"max-clients = -1", 1, "write 0 to 2147483647"},
	{"max-rate = 999", 1,
		"999 is not a rate; rates are 1000 to 10000000000 bytes per second, or 0"},
	{"max-rate = 10M", 1, "write digits only"},
	{"stream a {\nrate = 2M\n}\n", 2, "rate: \"2M\" is not a number"},
	{"stream a {\nraw-punch = 65536\n}\n", 2, "raw-punch: 65536 is not a port"},
	{"stream a {\nraw_punch = 5\n}\n", 2, "no such option 'raw_punch'"},
	{"stream a {\nlisten = \"9099-9102\"\n" KEY "raw-punch = 9102\n}\n", 4, "port 9102"},
	{"stream a {\nlisten = \"1-4\"\n" KEY "raw-punch = 65533\n}\n", 4, "at most 65532"},
	{A "\n" A, 3, "found duplicate title 'a'; give each stream a name of its own"},
	{A "stream b {\n" KEY "listen = \"9090-9099\"\n}\n", 4,
		"stream \"b\": port 9099 belongs to stream \"a\" of "},
	{A "stream b {\n" KEY "listen = 1\nraw-punch = 9099\n}\n", 5, "port 9099 belongs to"},
	{"stream b {\n" KEY "listen = 1\nraw-punch = 9099\n}\n" A, 6, ":1; choose"},
	{HOME "\n" A "punch = 9099\n", 3, "stream \"a\": port 9099 is the punch port"},
	{HOME "stream b {\n" KEY "listen = 1\nraw-punch = 3478\n}\n", 2, "is the punch port"},
};

START_TEST(test_syntax)
{
	const struct bad *bad = &syntax[_i];

	assert_refused(make_file(bad->text, strlen(bad->text)), bad->line, bad->part, -EINVAL);
}
END_TEST

START_TEST(test_ports)
{
	const struct bad *bad = &ports[_i];

	assert_refused(make_file(bad->text, strlen(bad->text)), bad->line, bad->part, -EINVAL);
}
END_TEST

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

START_TEST(test_values)
{
	const struct bad *bad = &values[_i];

	assert_refused(make_file(bad->text, strlen(bad->text)), bad->line, bad->part, -EINVAL);
}
END_TEST

START_TEST(test_streams)
{
	const struct bad *bad = &streams[_i];

	assert_refused(make_file(bad->text, strlen(bad->text)), bad->line, bad->part, -EINVAL);
}
END_TEST

START_TEST(test_too_many)
{
	char text[2000] = "advertise = {", end[64];
	size_t at = strlen(text);

	for (int i = 0; i <= CONFIG_ADDRESSES; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s\"10.0.0.%d=203.0.113.%d\"",
			i ? ",\n" : "", i, i + 1);
	snprintf(text + at, sizeof(text) - at, "}");
	snprintf(end, sizeof(end), "more than %d entries", CONFIG_ADDRESSES);
	assert_refused(make_file(text, strlen(text)), CONFIG_ADDRESSES + 1, end, -EINVAL);
}
END_TEST

START_TEST(test_zeros)
{
	static const char late[] = "punch = 5\n\0realm = 6\n";
	static const char quoted[] = "realm = \"a\0b\"\n";

	assert_refused(make_file(late, sizeof(late) - 1), 2, "a control character", -EINVAL);
	assert_refused(make_file(quoted, sizeof(quoted) - 1), 1, "", -EINVAL);
	assert_refused(make_file("", 1), 1, "a control character", -EINVAL);
}
END_TEST

START_TEST(test_garbage)
{
	assert_refused("/proc/self/exe", 1, "a control character", -EINVAL);
}
END_TEST

START_TEST(test_unreadable)
{
	char path[] = "/tmp/check_config.XXXXXX";
	uid_t uid = geteuid();
	int fd;

	assert_refused("/nonexistent/relayd.conf", 0, "No such file or directory", -ENOENT);
	assert_refused("/", 0, "Is a directory", -EISDIR);
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fchmod(fd, 0), 0);
	close(fd);
	/* Root may read everything. Without the prctl() the leak checker cannot look at us. */
	if (uid == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	prctl(PR_SET_DUMPABLE, 1);
	assert_refused(path, 0, "Permission denied", -EACCES);
	ck_assert_int_eq(seteuid(uid), 0);
	unlink(path);
}
END_TEST

/* A path without end must not take the place of the reason. */
START_TEST(test_long_path)
{
	char path[1000] = "/", error[CONFIG_ERROR];
	struct config *config;

	memset(path + 1, 'x', sizeof(path) - 2);
	ck_assert_int_eq(config_read(path, &config, error), -ENAMETOOLONG);
	ck_assert_ptr_nonnull(strstr(error, "File name too long; "));
}
END_TEST

START_TEST(test_defaults)
{
	struct config *config = read_good(HOME);

	ck_assert(!config->automatic);
	ck_assert_uint_eq(config->address_count, 1);
	ck_assert_uint_eq(config->advertise_count, 0);
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
	config_free(config);
}
END_TEST

/* What is printed says the same again, but for the keys. */
START_TEST(test_print)
{
	static const char set[] = "key = \"(set)\"";
	char text[4000] =
		HOME "advertise = { \"127.0.0.1=203.0.113.7\" }\n" A
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
START_TEST(test_auto_none)
{
	static const char text[] = "punch = 5\n\naddress = { \"auto\" }\n";

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		fprintf(stderr, "test_auto_none: no namespaces here\n");
		return;
	}
	assert_refused(make_file(text, strlen(text)), 3, "no global address for \"auto\"", -EINVAL);
	assert_refused(make_file(HOME, strlen(HOME)), 1, "it has none", -EINVAL);
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
	char out[1000];

	read_warnings(path, out, sizeof(out));
	ck_assert_str_eq(out, "");
	ck_assert_int_eq(chmod(path, 0644), 0);
	read_warnings(path, out, sizeof(out));
	ck_assert_ptr_nonnull(strstr(out, "chmod o-r"));
	path = make_file(HOME, strlen(HOME));
	ck_assert_int_eq(chmod(path, 0644), 0);
	read_warnings(path, out, sizeof(out));
	ck_assert_str_eq(out, "");
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

/* A second reading knows nothing of the first, whatever libConfuse's scanner was left in. */
START_TEST(test_again)
{
	for (size_t i = 0; i < COUNT(syntax); i++) {
		struct config *config;

		assert_refused(make_file(syntax[i].text, strlen(syntax[i].text)), syntax[i].line,
			syntax[i].part, -EINVAL);
		config = read_good(HOME A);
		ck_assert_uint_eq(config->stream_count, 1);
		config_free(config);
	}
}
END_TEST

START_TEST(test_file_too_large)
{
	int fd = memfd_create("relayd.conf", 0);
	char path[64];

	ck_assert_int_eq(ftruncate(fd, 40 << 20), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_refused(path, 0, "at most 32 MiB", -EFBIG);
}
END_TEST

static Suite *config_suite(void)
{
	Suite *suite = suite_create("config");
	TCase *bad = tcase_create("bad"), *good = tcase_create("good");

	tcase_add_loop_test(bad, test_ports, 0, COUNT(ports));
	tcase_add_test(good, test_alternate);
	tcase_add_test(good, test_own_ports);
	tcase_add_loop_test(bad, test_syntax, 0, COUNT(syntax));
	tcase_add_loop_test(bad, test_values, 0, COUNT(values));
	tcase_add_loop_test(bad, test_streams, 0, COUNT(streams));
	tcase_add_test(bad, test_too_many);
	tcase_add_test(bad, test_zeros);
	tcase_add_test(bad, test_garbage);
	tcase_add_test(bad, test_unreadable);
	tcase_add_test(bad, test_long_path);
	tcase_add_test(bad, test_file_too_large);
	tcase_add_test(good, test_defaults);
	tcase_add_test(good, test_everything);
	tcase_add_test(good, test_peers);
	tcase_add_test(good, test_listen_at);
	tcase_add_test(good, test_public);
	tcase_add_test(good, test_print);
	tcase_add_test(good, test_auto);
	tcase_add_test(good, test_auto_none);
	tcase_add_test(good, test_world_readable);
	tcase_add_test(good, test_many);
	tcase_add_test(good, test_again);
	tcase_set_timeout(good, 60);
	suite_add_tcase(suite, bad);
	suite_add_tcase(suite, good);
	return suite;
}

int main(void)
{
	return suite_run(config_suite());
}
