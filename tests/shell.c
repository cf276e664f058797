/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/shell.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "punchctl/punchctl.h"

#define COUNT(arr)  (sizeof(arr) / sizeof((arr)[0]))
#define SHELL_WORDS 24

struct shell shell;

void shell_setup(void)
{
	unsetenv("JOURNAL_STREAM");
	setenv("TZ", "UTC", 1);
	strcpy(shell.folder, "/tmp/check_punchctl.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(shell.folder));
	ck_assert_int_eq(chdir(shell.folder), 0);
	setenv("XDG_CONFIG_HOME", shell.folder, 1);
}

void shell_teardown(void)
{
	static const char *const files[] = {"out", "err", "request", "sock", "key", "sdp"};

	for (size_t i = 0; i < COUNT(files); i++)
		unlink(files[i]);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(rmdir(shell.folder), 0);
}

void shell_write(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	ck_assert_ptr_nonnull(file);
	fchmod(fileno(file), 0600);
	fputs(text, file);
	ck_assert_int_eq(fclose(file), 0);
}

static void shell_read(const char *path, char text[static SHELL_TEXT])
{
	FILE *file = fopen(path, "re");
	size_t len = file ? fread(text, 1, SHELL_TEXT - 1, file) : 0;

	text[len] = '\0';
	if (file)
		fclose(file);
}

static void redirect(const char *path, int fd)
{
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (file < 0 || dup2(file, fd) < 0)
		_exit(99);
	close(file);
}

/* The words of the line, which are parted by single spaces. */
static int words_split(char *line, char **argv)
{
	int argc = 0;

	for (char *word = strtok(line, " "); word; word = strtok(NULL, " ")) {
		ck_assert_int_lt(argc, SHELL_WORDS);
		argv[argc++] = word;
	}
	argv[argc] = NULL;
	return argc;
}

static int shell_run_to(const char *stdout_path, const char *line)
{
	char text[1024], *argv[SHELL_WORDS + 1];
	int status, argc;
	pid_t pid;

	snprintf(text, sizeof(text), "punchctl %s", line);
	argc = words_split(text, argv);
	fflush(NULL);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		redirect(stdout_path, STDOUT_FILENO);
		redirect("err", STDERR_FILENO);
		exit(punchctl_main(argc, argv));
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "\"%s\" crashed", line);
	shell_read("out", shell.out);
	shell_read("err", shell.err);
	return WEXITSTATUS(status);
}

int shell_run(const char *line)
{
	return shell_run_to("out", line);
}

/* A request is read, noted if it is the first one, answered and hung up on. */
static void answer(int listening, bool first, const char *reply)
{
	char text[SHELL_TEXT];
	int fd = accept(listening, NULL, NULL);
	size_t len = 0;

	while (len < sizeof(text) - 1 && !memchr(text, '\n', len)) {
		ssize_t n = recv(fd, text + len, sizeof(text) - 1 - len, 0);

		if (n <= 0)
			_exit(1);
		len += (size_t)n;
	}
	text[len - 1] = '\0';
	if (first)
		shell_write("request", text);
	send(fd, reply, strlen(reply), MSG_NOSIGNAL);
	close(fd);
}

/* Whoever comes back is turned away. */
static void serve(int listening, const char *reply)
{
	answer(listening, true, reply);
	answer(listening, false, "{\"ok\":false,\"error\":\"once is enough\"}\n");
	_exit(0);
}

static pid_t serve_fork(const char *reply)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX, .sun_path = "sock"};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	unlink("sock");
	unlink("request");
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	fflush(NULL);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		serve(fd, reply);
	close(fd);
	return pid;
}

int shell_ask_to(const char *stdout_path, const char *reply, const char *line)
{
	pid_t pid = serve_fork(reply);
	char text[1024];
	int status;

	snprintf(text, sizeof(text), "--socket sock %s", line);
	status = shell_run_to(stdout_path, text);
	kill(pid, SIGKILL); /* it may have been asked nothing */
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	shell_read("request", shell.request);
	return status;
}

int shell_ask(const char *reply, const char *line)
{
	return shell_ask_to("out", reply, line);
}

void shell_assert_line(const char *line)
{
	ck_assert_msg(strncmp(shell.err, "punchctl: ", 10) == 0 &&
			      strchr(shell.err, '\n') == shell.err + strlen(shell.err) - 1,
		"\"%s\" says \"%s\"", line, shell.err);
}

void shell_printed(void (*print)(void))
{
	int saved;

	fflush(stdout);
	saved = dup(STDOUT_FILENO);
	redirect("out", STDOUT_FILENO);
	print();
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	shell_read("out", shell.out);
}
