/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The net side as a process: it starts, it ends, it starts again. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/notify.h"
#include "relayd/kernel_inner.h"
#include "relayd/privs.h"

#define RESTART_MIN_MS 10
#define RESTART_MAX_MS 10000
/* A net side that lived so long may be started again at once. */
#define SETTLED_MS 10000
#define STOP_MS	   3000

/* In the child: what it has from its parent is the setup, and one end of the pair. */
static _Noreturn void child_main(struct kernel *kernel, int fd)
{
	const struct net_setup *setup = kernel->setup;
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	rules_close(kernel->rules);
	close(kernel->signals);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	kernel->setup->kernel_fd = fd;
	if (privs_drop_all())
		_exit(EXIT_FAILURE);
	exit(net_run(setup));
}

void kernel_child_start(struct kernel *kernel)
{
	int pair[2], size = 4 * 1024 * 1024;

	kernel->restart_ms = -1;
	kernel->started_ms = kernel_clock();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		log_error("cannot start the net side: %s", strerror(errno));
		kernel->restart_ms = kernel->started_ms + RESTART_MAX_MS;
		return;
	}
	for (int i = 0; i < 2; i++)
		setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
	kernel->child = fork();
	if (!kernel->child) {
		close(pair[0]);
		child_main(kernel, pair[1]);
	}
	close(pair[1]);
	kernel->setup->again = true;
	kernel->setup->made = false;
	kernel->peer = pair[0];
	if (kernel->child < 0) {
		log_error("cannot start the net side: %s", strerror(errno));
		close(kernel->peer);
		kernel->peer = -1;
		kernel->restart_ms = kernel->started_ms + RESTART_MAX_MS;
	}
}

/* It was taken over, or is broken: its successor may do better. */
void kernel_child_senseless(const struct kernel *kernel)
{
	log_error("a message of the net side that makes no sense; starting it anew");
	kill(kernel->child, SIGKILL);
}

int kernel_child_ended(struct kernel *kernel, int status)
{
	int64_t now = kernel_clock();
	bool first = !kernel->wait_ms && now - kernel->started_ms < SETTLED_MS;

	close(kernel->peer);
	kernel_trace_stop(&kernel->tracing);
	kernel->peer = -1;
	kernel->child = -1;
	if (kernel->stopping)
		return EXIT_SUCCESS;
	/* It could not even start, and has said why. */
	if (first && WIFEXITED(status) && WEXITSTATUS(status))
		return EXIT_FAILURE;
	kernel->wait_ms = now - kernel->started_ms > SETTLED_MS ? RESTART_MIN_MS
			  : kernel->wait_ms			? kernel->wait_ms * 2
								: RESTART_MIN_MS;
	if (kernel->wait_ms > RESTART_MAX_MS)
		kernel->wait_ms = RESTART_MAX_MS;
	kernel->restart_ms = now + kernel->wait_ms;
	log_warning("the net side ended (%s %d); streams flow on, it starts again",
		WIFSIGNALED(status) ? "signal" : "status",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return -1;
}

int kernel_child_stop(struct kernel *kernel)
{
	notify_stopping();
	kernel->stopping = true;
	if (kernel->child <= 0)
		return EXIT_SUCCESS;
	kill(kernel->child, SIGTERM);
	kernel->restart_ms = kernel_clock() + STOP_MS;
	return -1;
}
