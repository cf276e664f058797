/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients of the control socket that are slow, gone, deaf, too many, or not allowed. */
#include <grp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "control_net.h"
#include "tests/suite.h"

#define BIG (4 * 1024 * 1024)

START_TEST(pieces_and_order)
{
	static const char text[] = "{\"do\":\"list\"}\nx\n{\"do\":\"flush\",\"name\":\"a\"}\n";
	int fd = dial();

	for (const char *p = text; *p; p++)
		say(fd, (const char[]){*p, '\0'});
	json_decref(hear(fd));
	hear_error(fd, "not a request");
	json_decref(hear(fd));
	/* All at once, and an end: it is done in order, and then closed. */
	t.kernel_waits = true;
	say(fd, text);
	shutdown(fd, SHUT_WR);
	wait_until(t.reader_count == 1);
	pump();
	ck_assert_uint_eq(t.reader_count, 1);
	t.kernel_waits = false;
	json_decref(hear(fd));
	hear_error(fd, "not a request");
	json_decref(hear(fd));
	assert_end(fd);
}
END_TEST

START_TEST(line_too_long)
{
	char *line = malloc(CTL_LINE_MAX + 2);
	int fd = dial();

	memset(line, ' ', CTL_LINE_MAX + 1);
	line[CTL_LINE_MAX + 1] = '\0';
	say(fd, line);
	hear_error(fd, "longer than");
	assert_end(fd);
	free(line);
}
END_TEST

START_TEST(gone_while_waiting)
{
	int fd = dial();

	t.kernel_waits = true;
	say(fd, "{\"do\":\"list\"}\n");
	wait_until(t.reader_count == 1);
	close(fd);
	wait_until(t.forgotten == 1);
	t.kernel_waits = false;
	pump();
}
END_TEST

START_TEST(closed_while_waiting)
{
	int fd = dial();

	t.kernel_waits = true;
	say(fd, "{\"do\":\"list\"}\n");
	wait_until(t.reader_count == 1);
	close(fd); /* and the relay stops, before it has noticed */
}
END_TEST

START_TEST(crowd)
{
	int fds[64], fd;

	for (int i = 0; i < 64; i++) {
		fds[i] = dial();
		granted(fds[i], "{\"do\":\"list\"}");
	}
	fd = dial();
	hear_error(fd, "too many");
	assert_end(fd);
	close(fds[0]);
	pump();
	pump();
	fd = dial();
	granted(fd, "{\"do\":\"list\"}");
	close(fd);
	for (int i = 1; i < 64; i++)
		close(fds[i]);
}
END_TEST

START_TEST(monitors)
{
	int one = dial(), two = dial(), other = dial();
	json_t *object;

	granted(one, "{\"do\":\"monitor\"}");
	granted(two, "{\"do\":\"monitor\"}");
	granted(other, "{\"do\":\"list\"}");
	event("punched", "cam1", NULL);
	object = hear(one);
	ck_assert_str_eq(json_string_value(json_object_get(object, "event")), "punched");
	ck_assert_str_eq(json_string_value(json_object_get(object, "name")), "cam1");
	ck_assert_ptr_null(json_object_get(object, "text"));
	ck_assert(json_number_value(json_object_get(object, "time")) > 1e9);
	json_decref(object);
	json_decref(hear(two));
	refused(one, "{\"do\":\"list\"}", "monitors");
	granted(other, "{\"do\":\"list\"}"); /* which has got no event */
	/* Idle clients go, but not those that monitor. */
	t.now += 61000;
	assert_end(other);
	event("idle", "cam1", "x");
	json_decref(hear(two));
	close(one);
	close(two);
}
END_TEST

/* Both of them, as another client is told. */
static void assert_counts(const char *one, const char *two)
{
	int fd = dial();
	json_t *answer = ask(fd, "{\"do\":\"metrics\"}");
	const char *metrics = json_string_value(json_object_get(answer, "text"));

	ck_assert_msg(strstr(metrics, one) && strstr(metrics, two), "%s", metrics);
	json_decref(answer);
	close(fd);
}

/* It goes at 1 MiB, and nobody else is hurt. */
START_TEST(monitor_does_not_read)
{
	static char text[4096];
	int deaf = dial();

	memset(text, 'x', sizeof(text) - 1);
	granted(deaf, "{\"do\":\"monitor\"}");
	for (int i = 0; i < BIG / 4096; i++) {
		event("refused", "cam1", text);
		pump();
	}
	assert_counts("relayd_control_unread_total 1\n", "relayd_control_clients 1\n");
	close(deaf);
}
END_TEST

/* Closed by the relay; this can be seen without reading. */
static bool hung_up(int fd)
{
	struct pollfd poll_fd = {.fd = fd};

	return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLHUP);
}

/* It is served up to a limit, then it waits, and it is closed when it stays so. */
START_TEST(asker_does_not_read)
{
	static const char text[] = "{\"do\":\"metrics\"}\n";
	int fd = dial(), stuck = 0;
	size_t sent = 0;

	while (stuck < PUMPS_MAX && sent < BIG) {
		ssize_t len = send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);

		stuck = len < 0 ? stuck + 1 : 0;
		sent += len > 0 ? (size_t)len : 0;
		pump();
	}
	ck_assert_int_eq(stuck, PUMPS_MAX);
	ck_assert_uint_eq(t.reader_count, 0);
	assert_counts("relayd_control_unread_total 0\n", "relayd_control_clients 2\n");
	for (int i = 0; i < PUMPS_MAX && !hung_up(fd); i++) {
		t.now += 1000;
		pump();
		usleep(10000);
	}
	assert_counts("relayd_control_unread_total 1\n", "relayd_control_clients 1\n");
	close(fd);
}
END_TEST

/* Connects as somebody else; the exit status says whether it was served. */
static int serve_other(bool member)
{
	gid_t group = getegid();
	char byte = 0;
	int status;
	pid_t pid;
	int fd;

	pid = fork();
	if (pid == 0) {
		if (setgroups(member ? 1 : 0, &group) || setgid(65534) || setuid(65534))
			_exit(2);
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		if (connect(fd, (struct sockaddr *)&t.addr, t.addr_len) ||
			send(fd, "{\"do\":\"flush\"}\n", 15, MSG_NOSIGNAL) < 0)
			_exit(3);
		while (recv(fd, &byte, 1, 0) == 1 && byte != 't' && byte != 'f')
			;
		_exit(byte == 't' ? 0 : 1);
	}
	for (int i = 0; waitpid(pid, &status, WNOHANG) == 0 && i < 2 * PUMPS_MAX; i++) {
		pump();
		usleep(2000);
	}
	return WEXITSTATUS(status);
}

START_TEST(permission)
{
	if (geteuid() != 0)
		return;
	ck_assert_int_eq(serve_other(true), 0);
	ck_assert_int_eq(serve_other(false), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control_client");
	TCase *all = tcase_create("all");

	tcase_add_checked_fixture(all, set_up, tear_down);
	tcase_set_timeout(all, 30);
	tcase_add_test(all, pieces_and_order);
	tcase_add_test(all, line_too_long);
	tcase_add_test(all, gone_while_waiting);
	tcase_add_test(all, closed_while_waiting);
	tcase_add_test(all, crowd);
	tcase_add_test(all, monitors);
	tcase_add_test(all, monitor_does_not_read);
	tcase_add_test(all, asker_does_not_read);
	tcase_add_test(all, permission);
	suite_add_tcase(suite, all);
	return suite_run(suite);
}
