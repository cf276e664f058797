/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/doctor_fix.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"

extern char **environ;

/* Its output goes to stderr: stdout may have to be JSON. */
static int spawn(const char *command, pid_t *pid)
{
	char *argv[] = {"sh", "-c", (char *)command, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t signals;
	int err;

	err = posix_spawn_file_actions_init(&actions);
	if (err)
		return -err;
	err = posix_spawnattr_init(&attributes);
	if (err) {
		posix_spawn_file_actions_destroy(&actions);
		return -err;
	}
	/* We ignore this one, and programs expect not to. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGPIPE);
	posix_spawnattr_setsigdefault(&attributes, &signals);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", 0, 0);
	posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
	err = posix_spawn(pid, "/bin/sh", &actions, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -err;
}

/* Its exit status, or -errno. */
static int run(const char *command)
{
	pid_t pid = -1;
	int status, err = spawn(command, &pid);

	if (err)
		return err;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

static bool is_wanted(bool yes)
{
	char answer[16];

	if (yes)
		return true;
	fputs("Run it? [y/N] ", stderr);
	fflush(stderr);
	if (!fgets(answer, sizeof answer, stdin))
		return false;
	return *answer == 'y' || *answer == 'Y';
}

/* True when it has run with success. */
static bool apply(const char *command, bool yes, size_t *done, size_t *failed)
{
	int status;

	fprintf(stderr, "# %s\n", command);
	if (!is_wanted(yes))
		return false;
	status = run(command);
	if (!status) {
		(*done)++;
		return true;
	}
	(*failed)++;
	if (status < 0)
		log_error("it could not be run: %s", strerror(-status));
	else
		log_error("it failed with status %d", status);
	return false;
}

/* People become root without root's path, where the tools are. */
static void set_path(void)
{
	static const char admin[] = "/usr/sbin:/sbin:/usr/local/sbin";
	const char *path = getenv("PATH");
	char *text;

	if (asprintf(&text, "%s:%s", path && *path ? path : "/usr/bin:/bin", admin) < 0)
		return;
	setenv("PATH", text, 1);
	free(text);
}

size_t doctor_fix(const struct doctor_report *report, bool yes, size_t *failed)
{
	size_t done = 0;

	*failed = 0;
	set_path();
	for (size_t i = 0; i < report->count; i++) {
		const struct doctor_finding *finding = &report->list[i];

		if (!*finding->fix)
			continue;
		fprintf(stderr, "%s\n", finding->what);
		if (apply(finding->fix, yes, &done, failed) && *finding->keep)
			apply(finding->keep, yes, &done, failed);
	}
	return done;
}
