/* SPDX-License-Identifier: GPL-2.0-or-later */
/* punchctl without a daemon: usage, help, and how words are read and values are printed. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "common/mac.h"
#include "punchctl/args.h"
#include "punchctl/out.h"
#include "tests/shell.h"
#include "tests/suite.h"

#define COUNT(arr) (sizeof(arr) / sizeof((arr)[0]))

static const struct said usage[] = {
	{"", "a command is missing"},
	{"--json", "a command is missing"},
	{"list --socket", "--socket lacks its path"},
	{"--socket= list", "--socket lacks its path"},
	{"--frob list", "there is no option \"--frob\""},
	{"-- list", "there is no option \"--\""},
	{"frobnicate", "there is no command \"frobnicate\"; `punchctl --help`"},
	{"lsit", "there is no command \"lsit\"; did you mean \"list\"?"},
	{"ad cam1", "did you mean \"add\"?"},
	{"delete cam1", "there is no command \"delete\"; `"},
	{"remvoe cam1", "did you mean \"remove\"?"},
	{"monitors", "did you mean \"monitor\"?"},
	{"x", "there is no command \"x\"; `"},
	{"list cam1", "\"cam1\" is a word too many; usage: punchctl list\n"},
	{"list --all", "list has no option \"--all\""},
	{"reload now", "\"now\" is a word too many; usage: punchctl reload\n"},
	{"reload -x", "reload has no option \"-x\""},
	{"monitor cam1", "\"cam1\" is a word too many"},
	{"drain now", "\"now\" is a word too many"},
	{"drain --on", "drain has no option \"--on\""},
	{"monitor -f", "monitor has no option \"-f\""},
	{"top cam1", "\"cam1\" is a word too many"},
	{"--json top", "`punchctl --json list` has it"},
	{"metrics cam1", "\"cam1\" is a word too many"},
	{"metrics --text", "metrics has no option \"--text\""},
	{"key cam1", "\"cam1\" is a word too many"},
	{"key --out", "key has no option \"--out\""},
	{"nat", "nat wants one relay, RELAY[:PORT]"},
	{"nat cam1@relay", "nat wants the relay alone: relay; usage"},
	{"remove", "the stream's name is missing; usage: punchctl remove {NAME | --batch FILE "
		   "[--keep-going]}\n"},
	{"remove a b", "\"b\" is a word too many"},
	{"remove --all", "remove has no option \"--all\""},
	{"remove \xff", "is not UTF-8"},
	{"show", "the stream's name is missing"},
	{"show a b", "\"b\" is a word too many"},
	{"show -v", "show has no option \"-v\""},
	{"flush a b", "\"b\" is a word too many"},
	{"flush -a", "flush has no option \"-a\""},
	{"rules a b", "\"b\" is a word too many"},
	{"rules --nft", "rules has no option \"--nft\""},
	{"add", "the stream's name is missing; usage: punchctl add NAME {"},
	{"add cam1", "--listen PORTS, --sdp FILE or --peers NUMBER is missing"},
	{"add cam1 cam2 --listen 1", "\"cam2\" is a word too many"},
	{"add cam1 --listen", "--listen lacks its value"},
	{"add cam1 --source", "--source lacks its value"},
	{"add cam1 --client-prefix", "--client-prefix lacks its value"},
	{"add cam1 --rate", "--rate lacks its value"},
	{"add cam1 --raw-punch", "--raw-punch lacks its value"},
	{"add cam1 --expire", "--expire lacks its value"},
	{"add cam1 --sdp", "--sdp lacks its value"},
	{"add cam1 --key-file", "--key-file lacks its value"},
	{"add cam1 --frob", "add has no option \"--frob\""},
	{"add cam1 -xy", "add has no option \"-x\""},
	{"add cam1 --peers x", "\"x\" is not a number of pairs"},
	{"add cam1 --listen 1 --listen 2", "one of --listen and --sdp is enough"},
	{"add cam1 --listen \xff", "is not UTF-8"},
	{"add \xff --listen 1", "is not UTF-8"},
	{"add cam1 --rate fast", "\"fast\" is not bytes a second, like 128k or 1M"},
	{"add cam1 --rate -1", "\"-1\" is not bytes a second"},
	{"add cam1 --raw-punch 5k", "\"5k\" is not a port"},
	{"add cam1 --raw-punch 0", "\"0\" is not a port"},
	{"add cam1 --raw-punch 65536", "\"65536\" is not a port"},
	{"add cam1 --raw-punch 1-2", "\"1-2\" is not a port"},
	{"add --keep-going", "--keep-going goes with --batch FILE"},
	{"add --batch", "--batch lacks its value"},
	{"add cam1 --batch x", "\"cam1\" belongs into the lines of the file"},
	{"remove --batch x cam1", "\"cam1\" belongs into the lines of the file"},
	{"add cam1 --expire soon", "\"soon\" is not a time, like 90s, 30m, 2h or 7d"},
};

START_TEST(test_usage)
{
	ck_assert_int_eq(shell_run(usage[_i].line), CMD_USAGE);
	shell_assert_line(usage[_i].line);
	ck_assert_msg(
		strstr(shell.err, usage[_i].text), "\"%s\" says \"%s\"", usage[_i].line, shell.err);
	ck_assert_str_eq(shell.out, "");
}
END_TEST

/* punch has a file and a usage line of its own. */
static const struct said punch_usage[] = {
	{"punch", "what is to be punched for? Say NAME@RELAY"},
	{"punch cam1", "\"cam1\" is not NAME@RELAY"},
	{"punch cam1@", "is not a relay"},
	{"punch cam1@192.0.2.1:0", "does not end in a port"},
	{"punch cam1@2001:db8::1", "in brackets"},
	{"punch cam1@192.0.2.1 vlc", "write -- in front of the player: vlc"},
	{"punch cam1@192.0.2.1", "--key-file is missing"},
	{"punch cam1@192.0.2.1 --key-file k", "one of --port and --sdp is needed"},
	{"punch cam1@192.0.2.1 --key-file k --port 1 --sdp s", "one of --port and --sdp"},
	{"punch cam1@192.0.2.1 --key-file k --to 1 --sdp s", "--to goes with --port"},
	{"punch cam1@192.0.2.1 --key-file k --port x", "ports are written as"},
	{"punch cam1@192.0.2.1 --key-file k --port 1 --to 1-2", "has 1 ports and --to 1-2 has 2"},
	{"punch --frob",
		"no such option, or it lacks its value: --frob; usage: punchctl punch NAME"},
	{"punch --port", "lacks its value: --port; usage: punchctl punch NAME"},
	{"serve", "of what stream? Say NAME@RELAY; usage: punchctl serve NAME"},
	{"serve cam1", "\"cam1\" is not NAME@RELAY"},
	{"serve cam1@192.0.2.1", "--key-file is missing"},
	{"serve cam1@192.0.2.1 --key-file k", "--to is missing"},
	{"serve cam1@192.0.2.1 --key-file k --listen 1", "no such option, or it lacks its value"},
	{"serve cam1@192.0.2.1 --key-file k --to 1 -- vlc", "serve starts no program"},
	{"serve cam1@192.0.2.1 x", "a word too many: x"},
	{"connect cam1@192.0.2.1 --key-file k", "--listen is missing; usage: punchctl connect"},
	{"connect cam1@192.0.2.1 --key-file k --to 1", "connect has no such option"},
	{"connect cam1@192.0.2.1 --listen ::1:9", "write 127.0.0.1:8000 or [::1]:8000 and not"},
	{"connect cam1@192.0.2.1 --listen 0", "write 127.0.0.1:8000 or [::1]:8000 and not"},
	{"connect cam1@192.0.2.1 --sessions 0", "--sessions takes 1 to 1024, not 0"},
	{"connect cam1@192.0.2.1 --sessions 1025", "--sessions takes 1 to 1024, not 1025"},
	{"connect cam1@192.0.2.1 --idle 0", "--idle takes a time such as 120s, not 0"},
	{"connect cam1@192.0.2.1 --idle x", "--idle takes a time such as 120s, not x"},
};

START_TEST(test_usage_punch)
{
	ck_assert_int_eq(shell_run(punch_usage[_i].line), CMD_USAGE);
	ck_assert_msg(strstr(shell.err, punch_usage[_i].text), "\"%s\" says \"%s\"",
		punch_usage[_i].line, shell.err);
	ck_assert_str_eq(shell.out, "");
}
END_TEST

static const char *const asking[] = {"add cam1 --listen 9099", "remove cam1", "list", "show cam1",
	"flush", "flush cam1", "reload", "drain", "monitor", "rules", "rules cam1", "metrics"};

START_TEST(test_no_daemon)
{
	char line[128];

	snprintf(line, sizeof(line), "--socket nowhere %s", asking[_i]);
	ck_assert_int_eq(shell_run(line), CMD_NO_DAEMON);
	ck_assert_str_eq(shell.err, "punchctl: no relayd at nowhere: No such file or directory\n");
	ck_assert_str_eq(shell.out, "");
}
END_TEST

START_TEST(test_socket_path)
{
	char line[300];

	shell_write("sock", "");
	ck_assert_int_eq(shell_run("list --socket=sock"), CMD_NO_DAEMON);
	ck_assert_str_eq(shell.err, "punchctl: no relayd at sock: Connection refused\n");
	snprintf(line, sizeof(line), "--socket %0108d list", 0);
	ck_assert_int_eq(shell_run(line), CMD_USAGE);
	ck_assert_ptr_nonnull(strstr(shell.err, "the path is too long for a socket"));
	shell_assert_line("a long path");
}
END_TEST

/* What may stand in place of the last word. */
static const struct {
	const char *words, *offered;
} completions[] = {
	{"rem", "remove\ta stream that was added goes, and its clients with it\n"},
	{"--socket sock rel", "reload\trelayd reads its configuration again\n"},
	{"--soc", "--socket\tFILE\n"},
	{"--socket s", "<file>\n"},
	{"explain --p", "--port\tPORT\n"},
	{"explain cam1 --port 9099 --t", "--trace\t\n"},
	{"explain --json --j", ""},
	{"add --expire 2", ""},
	{"add cam1 --key-file c", "<file>\n"},
	{"punch cam1@relay --key-file k --port 5004 -- f", "<program>\n"},
	{"reload -- f", ""},
	{"doctor --fix --yes x", ""},
	{"nonsense --", "--version\t\n--socket\tFILE\n--json\t\n--help\t\n"},
};

START_TEST(test_complete)
{
	char line[128];

	snprintf(line, sizeof(line), "complete -- %s", completions[_i].words);
	ck_assert_int_eq(shell_run(line), CMD_DONE);
	ck_assert_str_eq(shell.out, completions[_i].offered);
	ck_assert_str_eq(shell.err, "");
}
END_TEST

static const char *const commands[] = {"add", "remove", "list", "show", "explain", "key", "flush",
	"reload", "drain", "monitor", "top", "rules", "metrics", "doctor", "punch", "serve",
	"connect", "nat"};

START_TEST(test_help)
{
	char start[48];

	ck_assert_int_eq(shell_run("--help"), CMD_DONE);
	ck_assert_str_eq(shell.err, "");
	for (size_t i = 0; i < COUNT(commands); i++) {
		snprintf(start, sizeof(start), "\n  %-8s ", commands[i]);
		ck_assert_ptr_nonnull(strstr(shell.out, start));
	}
	ck_assert_int_eq(shell_run("--version"), CMD_DONE);
	ck_assert_str_eq(shell.out, "punchctl " PACKAGE_VERSION "\n");
}
END_TEST

/* It fits a terminal, and each option that the command is used with has its line. */
START_TEST(test_help_of)
{
	char line[32], start[48], *text, *words;

	snprintf(line, sizeof(line), "%s --help", commands[_i]);
	snprintf(start, sizeof(start), "usage: punchctl %s", commands[_i]);
	ck_assert_int_eq(shell_run(line), CMD_DONE);
	ck_assert_int_eq(strncmp(shell.out, start, strlen(start)), 0);
	for (text = shell.out; *text; text += strcspn(text, "\n") + 1) {
		size_t len = strcspn(text, "\n");

		ck_assert_uint_le(len, 80);
		ck_assert(len == 0 || text[len - 1] != ' ');
	}
	words = strstr(shell.out, "\n\n");
	ck_assert_ptr_nonnull(words);
	*words++ = '\0';
	for (text = strstr(shell.out, "--"); text; text = strstr(text + 2, "--")) {
		snprintf(start, sizeof(start), "\n  %.*s", (int)strcspn(text, " ]}"), text);
		ck_assert_msg(strstr(words, start), "%s: %s", commands[_i], start);
	}
}
END_TEST

/* Wherever it is asked for; but what is another program's is not ours. */
START_TEST(test_help_anywhere)
{
	ck_assert_int_eq(shell_run("punch cam1 --port 1 -h"), CMD_DONE);
	ck_assert_ptr_nonnull(strstr(shell.out, "usage: punchctl punch NAME"));
	ck_assert_int_eq(shell_run("punch cam1@relay -- mpv --help"), CMD_USAGE);
	ck_assert_ptr_nonnull(strstr(shell.err, "--key-file is missing"));
}
END_TEST

START_TEST(test_duration)
{
	static const struct {
		const char *text;
		long long value;
	} table[] = {{"0", 0}, {"90", 90}, {"90s", 90}, {"30m", 1800}, {"2h", 7200}, {"7d", 604800},
		{"007", 7}, {"", -1}, {"s", -1}, {"-1", -1}, {"+1", -1}, {" 1", -1}, {"1 ", -1},
		{"1.5h", -1}, {"1w", -1}, {"1H", -1}, {"1hh", -1}, {"1h30m", -1}, {"0x10", -1},
		{"9223372036854775807", 9223372036854775807}, {"9223372036854775808", -1},
		{"106751991167300d", 9223372036854720000}, {"106751991167301d", -1}};

	for (size_t i = 0; i < COUNT(table); i++)
		ck_assert_msg(args_duration(table[i].text) == table[i].value, "\"%s\" is %lld",
			table[i].text, args_duration(table[i].text));
}
END_TEST

START_TEST(test_bytes)
{
	static const struct {
		const char *text;
		long long value;
	} table[] = {{"0", 0}, {"131072", 131072}, {"128k", 128000}, {"1M", 1000000},
		{"1G", 1000000000}, {"", -1}, {"k", -1}, {"-1k", -1}, {"1K", -1}, {"1m", -1},
		{"1kB", -1}, {"1.5M", -1}, {"9223372036G", 9223372036000000000},
		{"9223372037G", -1}, {"99999999999999999999", -1}};

	for (size_t i = 0; i < COUNT(table); i++)
		ck_assert_msg(args_bytes(table[i].text) == table[i].value, "\"%s\" is %lld",
			table[i].text, args_bytes(table[i].text));
}
END_TEST

START_TEST(test_units)
{
	static const struct {
		json_int_t bytes;
		int rate;
		const char *text;
	} table[] = {{0, 0, "0 B"}, {640, 0, "640 B"}, {999, 1, "999 B/s"}, {1000, 0, "1.0 kB"},
		{1500000, 0, "1.5 MB"}, {99949, 0, "99.9 kB"}, {99950, 0, "100 kB"},
		{999499, 0, "999 kB"}, {999500, 0, "1.0 MB"}, {2500000000, 1, "2.5 GB/s"},
		{999500000000, 0, "1.0 TB"}, {1234000000000000, 0, "1234 TB"}};
	char text[OUT_UNIT];

	for (size_t i = 0; i < COUNT(table); i++)
		ck_assert_str_eq(out_bytes(table[i].bytes, table[i].rate, text), table[i].text);
}
END_TEST

START_TEST(test_members)
{
	json_t *object = json_pack("{s:s, s:s, s:n, s:i, s:f}", "text", "x", "empty", "", "null",
		"number", 3, "real", 3.25);
	char text[OUT_UNIT];

	ck_assert_str_eq(out_member(object, "text"), "x");
	ck_assert_str_eq(out_member(object, "empty"), "-");
	ck_assert_str_eq(out_member(object, "null"), "-");
	ck_assert_str_eq(out_member(object, "number"), "-");
	ck_assert_str_eq(out_member(NULL, "text"), "-");
	ck_assert_int_eq(out_number(object, "number"), 3);
	ck_assert_int_eq(out_number(object, "text"), 0);
	ck_assert_str_eq(out_seconds(object, "number", text), "3.0 s");
	ck_assert_str_eq(out_seconds(object, "real", text), "3.2 s");
	ck_assert_str_eq(out_seconds(object, "null", text), "-");
	ck_assert_str_eq(out_seconds(object, "none", text), "-");
	json_decref(object);
}
END_TEST

static void print_table(void)
{
	static const char *const heads[] = {"A", "LONGER", "C"};
	struct out_table table;

	out_begin(&table, COUNT(heads), heads);
	out_cell(&table, "%s", "wide cell");
	out_cell(&table, "%d", 7);
	out_cell(&table, "%s", "a\033[1m\n\x7f");
	out_cell(&table, "%s", "");
	out_cell(&table, "%0100d", 0);
	out_cell(&table, "%s", "end");
	out_end(&table);
}

START_TEST(test_table)
{
	char want[512];

	shell_printed(print_table);
	snprintf(want, sizeof(want),
		"A          %-71s  C\nwide cell  %-71s  a?[1m??\n           %071d  end\n", "LONGER",
		"7", 0);
	ck_assert_str_eq(shell.out, want);
}
END_TEST

static void print_text(void)
{
	out_text("a\tb\n\033c\r\n", 1);
	out_text("|a\nb\xc3\xa4", 0);
}

START_TEST(test_text)
{
	shell_printed(print_text);
	ck_assert_str_eq(shell.out, "a?b\n?c?\n|a?b\xc3\xa4");
}
END_TEST

static void print_many(void)
{
	static const char *const heads[] = {"N", "X"};
	struct out_table table;

	out_begin(&table, COUNT(heads), heads);
	for (int i = 0; i < 500; i++) {
		out_cell(&table, "%d", i);
		out_cell(&table, "x");
	}
	out_end(&table);
}

START_TEST(test_table_grows)
{
	shell_printed(print_many);
	ck_assert_ptr_nonnull(strstr(shell.out, "\n499  x\n"));
	ck_assert_int_eq(strncmp(shell.out, "N    X\n0    x\n", 14), 0);
}
END_TEST

START_TEST(test_key)
{
	ck_assert_int_eq(shell_run("key"), CMD_DONE);
	ck_assert_uint_eq(strlen(shell.out), MAC_KEY_TEXT);
	shell.out[MAC_KEY_TEXT - 1] = '\0';
	ck_assert(mac_key_valid(shell.out));
	ck_assert_int_eq(shell_run("--json key"), CMD_DONE);
	ck_assert_int_eq(strncmp(shell.out, "{\"key\":\"", 8), 0);
	ck_assert_str_eq(shell.out + 8 + MAC_KEY_TEXT - 1, "\"}\n");
}
END_TEST

static Suite *punchctl_suite(void)
{
	Suite *suite = suite_create("punchctl");
	TCase *tcase = tcase_create("punchctl");

	tcase_add_checked_fixture(tcase, shell_setup, shell_teardown);
	tcase_add_loop_test(tcase, test_usage, 0, COUNT(usage));
	tcase_add_loop_test(tcase, test_usage_punch, 0, COUNT(punch_usage));
	tcase_add_loop_test(tcase, test_no_daemon, 0, COUNT(asking));
	tcase_add_test(tcase, test_socket_path);
	tcase_add_loop_test(tcase, test_complete, 0, COUNT(completions));
	tcase_add_test(tcase, test_help);
	tcase_add_loop_test(tcase, test_help_of, 0, COUNT(commands));
	tcase_add_test(tcase, test_help_anywhere);
	tcase_add_test(tcase, test_duration);
	tcase_add_test(tcase, test_bytes);
	tcase_add_test(tcase, test_units);
	tcase_add_test(tcase, test_members);
	tcase_add_test(tcase, test_table);
	tcase_add_test(tcase, test_table_grows);
	tcase_add_test(tcase, test_text);
	tcase_add_test(tcase, test_key);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(punchctl_suite());
}
