/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file of a user, as punch, serve and connect read it. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "punchctl/conf.h"
#include "tests/shell.h"
#include "tests/suite.h"

#define COUNT(arr) (sizeof(arr) / sizeof((arr)[0]))

static char path[128]; /* of cam1.conf */

static void setup(void)
{
	shell_setup();
	ck_assert_int_eq(mkdir("punchrelay", 0700), 0);
	snprintf(path, sizeof(path), "%s/punchrelay/cam1.conf", shell.folder);
}

static void teardown(void)
{
	unlink(path);
	ck_assert_int_eq(rmdir("punchrelay"), 0);
	shell_teardown();
}

/* What was taken, "OPTION=VALUE;" for each. */
static char taken[512];

static int take(void *arg, int option, char *value)
{
	snprintf(taken + strlen(taken), sizeof(taken) - strlen(taken), "%c=%s;", option, value);
	return arg ? -1 : 0;
}

static const struct option options[] = {
	{"port", required_argument, NULL, 'p'},
	{"sdp", required_argument, NULL, 's'},
	{"key-file", required_argument, NULL, 'k'},
	{"quick", no_argument, NULL, 'q'},
	{"help", no_argument, NULL, 'h'},
	{0},
};

static const struct conf_taker taker = {
	.cmd = &cmd_punch, .options = options, .command = true, .take = take};

static struct conf conf;

static int conf_read(const char *text)
{
	shell_write(path, text);
	taken[0] = '\0';
	conf = (struct conf){0};
	return conf_open(&conf, "cam1", &taker);
}

START_TEST(test_values)
{
	char key_file[160];

	ck_assert_int_eq(conf_read("# a remark\n\n"
				   " relay\trelay.example:3479 \r\n"
				   "port 5004, 5006 # and why\n"
				   "quick\n"
				   "command play  {} a#b #c"),
		0);
	ck_assert_str_eq(taken, "p=5004, 5006;q=;");
	ck_assert_str_eq(conf.target.name, "cam1");
	ck_assert_str_eq(conf.target.host, "relay.example");
	ck_assert_uint_eq(conf.target.port, 3479);
	ck_assert_str_eq(conf.command[0], "play");
	ck_assert_str_eq(conf.command[1], "{}");
	ck_assert_str_eq(conf.command[2], "a#b");
	ck_assert_ptr_null(conf.command[3]);
	snprintf(key_file, sizeof(key_file), "%s/punchrelay/cam1.key", shell.folder);
	ck_assert_str_eq(conf.key_file, key_file);
	conf_close(&conf);
}
END_TEST

START_TEST(test_paths)
{
	char want[256];

	ck_assert_int_eq(
		conf_read("relay 192.0.2.1\nstream other\nsdp my film.sdp\nkey-file /k\n"), 0);
	snprintf(want, sizeof(want), "s=%s/punchrelay/my film.sdp;k=/k;", shell.folder);
	ck_assert_str_eq(taken, want);
	ck_assert_str_eq(conf.target.name, "other");
	ck_assert_ptr_null(conf.command);
	conf_close(&conf);
}
END_TEST

/* HOME is asked when XDG_CONFIG_HOME is not set, or is no path that means the same everywhere. */
START_TEST(test_folder)
{
	char want[128];

	setenv("XDG_CONFIG_HOME", _i ? "punchrelay" : "", 1);
	setenv("HOME", shell.folder, 1);
	ck_assert_int_eq(shell_run("punch cam1"), CMD_USAGE);
	snprintf(want, sizeof(want), "there is no %s/.config/punchrelay/cam1.conf\n", shell.folder);
	ck_assert_msg(strstr(shell.err, want), "%s", shell.err);
}
END_TEST

START_TEST(test_no_folder)
{
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("HOME");
	ck_assert_int_eq(shell_run("punch cam1"), CMD_USAGE);
	ck_assert_str_eq(shell.err, "punchctl: \"cam1\" is not NAME@RELAY\n");
}
END_TEST

#define RELAY "relay 192.0.2.1\n"

/* The command and the file; the line that it is about, 0: the whole, and what is said. */
static const struct {
	const char *line, *text;
	int at;
	const char *said;
} mistakes[] = {
	{"punch cam1", "", 0, "relay is missing"},
	{"punch cam1", "port 1\n", 0, "relay is missing"},
	{"punch cam1", RELAY, 0, "one of --port and --sdp is needed"},
	{"punch cam1", RELAY "port 1\nsdp x\n", 0, "one of --port and --sdp is needed"},
	{"punch cam1", RELAY "port 1\nto 1-2\n", 0, "--port 1 has 1 ports and --to 1-2 has 2"},
	{"punch cam1", RELAY "port x\n", 2, "--port x: ports are written as"},
	{"punch cam1", RELAY "\n\nport\n", 4, "port lacks its value"},
	{"punch cam1", "relay 2001:db8::1\n", 1, "in brackets"},
	{"punch cam1", "relay = 192.0.2.1\n", 1, "without \"=\" and quotes"},
	{"punch cam1", "relay \"192.0.2.1\"\n", 1, "without \"=\" and quotes"},
	{"punch cam1", RELAY "port 1\nport 1\n", 3, "port stands here again, after line 2"},
	{"punch cam1", RELAY RELAY, 2, "relay stands here again, after line 1"},
	{"punch cam1", RELAY "listen 9000\n", 2, "punch has no option \"listen\""},
	{"punch cam1", RELAY "--port 1\n", 2, "punch has no option \"--port\""},
	{"punch cam1", RELAY "por 1\n", 2, "punch has no option \"por\""},
	{"punch cam1", RELAY "help\n", 2, "punch has no option \"help\""},
	{"punch cam1", RELAY "share-port yes\n", 2, "share-port stands alone"},
	{"punch cam1",
		RELAY "stream 0123456789012345678901234567890123456789012345678901234567890123\n",
		2, "is too long a name"},
	{"serve cam1", RELAY, 0, "--to is missing"},
	{"serve cam1", RELAY "to 1.2.3.4:1\nshare-port\n", 0, "a port of this host"},
	{"serve cam1", RELAY "to ::1:9\n", 2, "write 127.0.0.1:8000 or [::1]:8000 and not ::1:9"},
	{"serve cam1", RELAY "command vlc\n", 2, "serve starts no command"},
	{"punch cam1", RELAY "command sh -c \"echo hi\"\n", 2, "do not join them: \"echo;"},
	{"punch cam1", RELAY "command sh -c 'echo hi'\n", 2, "do not join them: 'echo;"},
	{"punch cam1", RELAY "command mpv --title=\"my cam\"\n", 2, "do not join them: cam\";"},
	{"serve cam1", RELAY "sessions 0\n", 2, "--sessions takes 1 to 1024, not 0"},
	{"connect cam1", RELAY, 0, "--listen is missing"},
	{"connect cam1", RELAY "to 1\n", 2, "connect has no option \"to\""},
};

START_TEST(test_mistakes)
{
	char place[160];

	shell_write(path, mistakes[_i].text);
	ck_assert_int_eq(shell_run(mistakes[_i].line), CMD_USAGE);
	shell_assert_line(mistakes[_i].text);
	if (mistakes[_i].at)
		snprintf(place, sizeof(place), "punchctl: %s:%d: ", path, mistakes[_i].at);
	else
		snprintf(place, sizeof(place), "punchctl: %s: ", path);
	ck_assert_msg(!strncmp(shell.err, place, strlen(place)), "%s", shell.err);
	ck_assert_msg(strstr(shell.err, mistakes[_i].said), "%s", shell.err);
	ck_assert_msg(!strstr(shell.err, "usage"), "%s", shell.err);
}
END_TEST

START_TEST(test_zero)
{
	FILE *file = fopen(path, "we");

	fwrite("relay\0 x\n", 1, 9, file);
	fclose(file);
	ck_assert_int_eq(shell_run("punch cam1"), CMD_USAGE);
	ck_assert_msg(strstr(shell.err, "this is not a text"), "%s", shell.err);
}
END_TEST

START_TEST(test_too_many_words)
{
	char text[256] = RELAY "command";

	for (int i = 0; i < 65; i++)
		strcat(text, " x");
	shell_write(path, text);
	ck_assert_int_eq(shell_run("punch cam1"), CMD_USAGE);
	ck_assert_msg(
		strstr(shell.err, "cam1.conf:2: a command has at most 64 words"), "%s", shell.err);
}
END_TEST

/* The words of the line, and what they lead to: the key, or the description, cannot be used. */
static const struct said beaten[] = {
	{"punch cam1", "punchrelay/cam1.key: No such file"},
	{"punch cam1 --key-file other", "punchctl: other: No such file"},
	{"punch cam1 --key-file key", "punchrelay/film.sdp: No such file"},
	{"punch cam1 --key-file key --sdp line.sdp", "punchctl: line.sdp: No such file"},
	{"punch cam1 --key-file key --port 1 --to 1-2", "--port 1 has 1 ports and --to 1-2 has 2"},
	{"punch cam1@192.0.2.1 --key-file key", "one of --port and --sdp is needed"},
};

START_TEST(test_line_beats_file)
{
	shell_write(path, RELAY "sdp film.sdp\n");
	shell_write("key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
	ck_assert_int_eq(shell_run(beaten[_i].line), CMD_USAGE);
	ck_assert_msg(strstr(shell.err, beaten[_i].text), "\"%s\" says \"%s\"", beaten[_i].line,
		shell.err);
}
END_TEST

START_TEST(test_complete)
{
	shell_write(path, "");
	shell_write("punchrelay/cam2.conf~", "");
	shell_write("punchrelay/.cam3.conf", "");
	ck_assert_int_eq(shell_run("complete -- serve c"), CMD_DONE);
	ck_assert_str_eq(shell.out, "cam1\tas configured\n");
	unlink("punchrelay/cam2.conf~");
	unlink("punchrelay/.cam3.conf");
}
END_TEST

static Suite *conf_suite(void)
{
	Suite *suite = suite_create("conf");
	TCase *tcase = tcase_create("conf");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_values);
	tcase_add_test(tcase, test_paths);
	tcase_add_loop_test(tcase, test_folder, 0, 2);
	tcase_add_test(tcase, test_no_folder);
	tcase_add_loop_test(tcase, test_mistakes, 0, COUNT(mistakes));
	tcase_add_test(tcase, test_zero);
	tcase_add_test(tcase, test_too_many_words);
	tcase_add_loop_test(tcase, test_line_beats_file, 0, COUNT(beaten));
	tcase_add_test(tcase, test_complete);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(conf_suite());
}
