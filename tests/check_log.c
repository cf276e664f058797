/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "tests/suite.h"

/* stderr is a pipe; what was written to it since the last call is returned. */
static int pipe_read, saved_stderr;

static void setup(void)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
	saved_stderr = dup(STDERR_FILENO);
	ck_assert_int_eq(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	close(fds[1]);
	pipe_read = fds[0];
	log_set_level(LOG_LEVEL_INFO);
	log_open(NULL);
}

static void teardown(void)
{
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(pipe_read);
}

static const char *written(void)
{
	static char text[8192];
	ssize_t len = read(pipe_read, text, sizeof(text) - 1);

	text[len > 0 ? len : 0] = '\0';
	return text;
}

START_TEST(test_ident)
{
	unsetenv("JOURNAL_STREAM");
	log_warning("no name yet");
	ck_assert_str_eq(written(), "no name yet\n");
	log_open("relayd");
	log_info("%d streams, %s", 3, "ready");
	ck_assert_str_eq(written(), "relayd: 3 streams, ready\n");
}
END_TEST

START_TEST(test_status)
{
	unsetenv("JOURNAL_STREAM");
	log_open("punchctl");
	log_set_status("proving");
	ck_assert_str_eq(written(), "\r\033[Jproving\r");
	log_set_status("proving");
	ck_assert_str_eq(written(), "");
	log_notice("punched");
	ck_assert_str_eq(written(), "\r\033[Jpunchctl: punched\nproving\r");
	log_set_status("a\nb");
	ck_assert_str_eq(written(), "\r\033[Ja?b\r");
	log_set_status("");
	ck_assert_str_eq(written(), "\r\033[J\r");
	log_notice("the end");
	ck_assert_str_eq(written(), "punchctl: the end\n");
	log_set_status("proving");
	written();
	log_share_terminal();
	log_notice("beside others");
	ck_assert_str_eq(written(), "\033[Kpunchctl: beside others\n");
	log_set_status("");
	log_notice("alone");
	ck_assert_str_eq(written(), "punchctl: alone\n");
}
END_TEST

START_TEST(test_level)
{
	unsetenv("JOURNAL_STREAM");
	log_open("relayd");
	log_debug("hidden");
	ck_assert_str_eq(written(), "");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("shown");
	ck_assert_str_eq(written(), "relayd: shown\n");
	log_set_level(LOG_LEVEL_ERROR);
	log_warning("hidden");
	log_notice("hidden");
	log_info("hidden");
	ck_assert_str_eq(written(), "");
	log_error("shown");
	ck_assert_str_eq(written(), "relayd: shown\n");
}
END_TEST

START_TEST(test_journal)
{
	struct stat st;
	char text[64];

	ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
	snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", text, 1);
	log_open("relayd");
	log_error("a");
	log_warning("b");
	log_notice("c");
	log_info("d");
	ck_assert_str_eq(written(), "<3>a\n<4>b\n<5>c\n<6>d\n");
}
END_TEST

/* A child inherits the variable, and its stderr may be a terminal. */
START_TEST(test_not_journal)
{
	static const char *const texts[] = {"1:1", "", "x", "1", "1:1x", ":"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		setenv("JOURNAL_STREAM", texts[i], 1);
		log_open("relayd");
		log_error("a");
		ck_assert_str_eq(written(), "relayd: a\n");
	}
}
END_TEST

START_TEST(test_one_line)
{
	unsetenv("JOURNAL_STREAM");
	log_open("relayd");
	log_error("bad name \"%s\"", "x\n<3>forged\r\x1b[31m\x7f\t\xc3\xa4");
	ck_assert_str_eq(written(), "relayd: bad name \"x?<3>forged??[31m??\xc3\xa4\"\n");
}
END_TEST

START_TEST(test_long)
{
	static char text[4096];
	const char *line;

	unsetenv("JOURNAL_STREAM");
	log_open("relayd");
	memset(text, 'x', sizeof(text) - 1);
	log_error("%s", text);
	line = written();
	ck_assert_uint_gt(strlen(line), 512);
	ck_assert_uint_lt(strlen(line), 2048);
	ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
}
END_TEST

START_TEST(test_errno)
{
	unsetenv("JOURNAL_STREAM");
	log_open("relayd");
	errno = ENOENT;
	log_error("%m");
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_str_eq(written(), "relayd: No such file or directory\n");
}
END_TEST

/* One record with its fields, which nobody can forge; without a journal one line as ever. */
START_TEST(test_fields)
{
	const struct log_field fields[] = {{"RELAYD_EVENT", "live"}, {"RELAYD_CLIENT", NULL},
		{"RELAYD_STREAM", "x\nPRIORITY=0"}};
	char record[512];
	int fds[2];
	ssize_t len;

	unsetenv("JOURNAL_STREAM");
	log_open("relayd");
	log_fields(LOG_LEVEL_INFO, fields, 3, "%s live", "cam1");
	ck_assert_str_eq(written(), "relayd: cam1 live\n");
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
	log_set_journal(fds[0]);
	log_fields(LOG_LEVEL_INFO, fields, 3, "%s live", "cam1");
	ck_assert_str_eq(written(), "");
	len = recv(fds[1], record, sizeof(record) - 1, MSG_DONTWAIT);
	record[len > 0 ? len : 0] = '\0';
	ck_assert_str_eq(record, "PRIORITY=6\nSYSLOG_IDENTIFIER=relayd\nMESSAGE=cam1 live\n"
				 "RELAYD_EVENT=live\nRELAYD_STREAM=x?PRIORITY=0\n");
	log_info("no fields");
	ck_assert_str_eq(written(), "relayd: no fields\n");
	/* The journal has gone. */
	close(fds[1]);
	log_fields(LOG_LEVEL_INFO, fields, 3, "%s live", "cam1");
	ck_assert_str_eq(written(), "relayd: cam1 live\n");
	log_set_journal(-1);
}
END_TEST

START_TEST(test_keep)
{
	char line[16];

	unsetenv("JOURNAL_STREAM");
	log_open("relayd");
	log_keep(line, sizeof(line));
	log_error("one");
	log_error("two\nand much more than that");
	log_keep(NULL, 0);
	ck_assert_str_eq(line, "two?and much mo");
	ck_assert_str_eq(written(), "");
	log_error("three");
	ck_assert_str_eq(written(), "relayd: three\n");
}
END_TEST

static Suite *log_suite(void)
{
	Suite *suite = suite_create("log");
	TCase *tcase = tcase_create("log");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_ident);
	tcase_add_test(tcase, test_status);
	tcase_add_test(tcase, test_level);
	tcase_add_test(tcase, test_journal);
	tcase_add_test(tcase, test_not_journal);
	tcase_add_test(tcase, test_one_line);
	tcase_add_test(tcase, test_long);
	tcase_add_test(tcase, test_errno);
	tcase_add_test(tcase, test_fields);
	tcase_add_test(tcase, test_keep);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	return suite_run(log_suite());
}
