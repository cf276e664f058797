/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/config_bed.h"
#include "tests/suite.h"

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
	{"punch = { 5 }", 1, "only address, advertise and discover take a list"},
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
	{"strem a { }\n", 1, ", socket, user and stream \"NAME\" { ... }"},
	{"stream a {\nlisen = 2\n}\n", 2, ", raw-punch, peers"},
	{"quota = 5G\n", 1, "option 'quota'; it belongs into a stream: stream \"NAME\" { quota"},
	{"stream a {\nrealm = x\n}\n", 2,
		"no such option 'realm'; it belongs outside of the streams"},
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
	{"discover = cloudy", 1,
		"tells nothing; write \"cloud\", or ADDRESS:PORT of a STUN server"},
	{"discover = \"198.51.100.2\"", 1, "tells nothing"},
	{"discover = \"198.51.100.2:0\"", 1, "tells nothing"},
	{"discover = \"127.0.0.1:3478\"", 1, "tells nothing"},
	{"discover = {\ncloud, \"198.51.100.2:1\",\n\"198.51.100.3:1\" }", 3,
		"is the second server of its family"},
	{HOME "discover = \"[2001:db8::2]:3478\"", 2,
		"none of the addresses is of the server's family"},
	{HOME "discover = \"203.0.113.7:3478\"\nadvertise = \"127.0.0.1=203.0.113.7\"", 2,
		"discover: this is an address of this host"},
	{HOME "advertise = {\n\"127.0.0.1=203.0.113.6\",\n\"10.0.0.4=203.0.113.7\" }\n", 4,
		"advertise: 10.0.0.4 is none of the addresses"},
};

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
	{"stream a {\nlisten = { 1, 2 }\n}\n", 2,
		"only address, advertise and discover take a list"},
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

static Suite *config_bad_suite(void)
{
	Suite *suite = suite_create("config_bad");
	TCase *tcase = tcase_create("config_bad");

	tcase_add_loop_test(tcase, test_syntax, 0, COUNT(syntax));
	tcase_add_loop_test(tcase, test_ports, 0, COUNT(ports));
	tcase_add_loop_test(tcase, test_values, 0, COUNT(values));
	tcase_add_loop_test(tcase, test_streams, 0, COUNT(streams));
	tcase_add_test(tcase, test_too_many);
	tcase_add_test(tcase, test_zeros);
	tcase_add_test(tcase, test_garbage);
	tcase_add_test(tcase, test_unreadable);
	tcase_add_test(tcase, test_long_path);
	tcase_add_test(tcase, test_again);
	tcase_add_test(tcase, test_file_too_large);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(config_bad_suite());
}
