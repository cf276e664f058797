/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/kernel.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "relayd/guard.h"
#include "relayd/kernel_inner.h"

int64_t kernel_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void kernel_send(struct kernel *kernel, size_t len)
{
	/* A net side that is gone is noticed by its SIGCHLD. */
	if (len && send(kernel->peer, kernel->out, len, MSG_NOSIGNAL) < 0 && errno != EPIPE)
		log_debug("to the net side: %s", strerror(errno));
}

void kernel_ops_apply(struct kernel *kernel, const struct ipc *message)
{
	struct rules_error error = {.op = -1};
	int err = 0;

	if (!guard_check(kernel->setup->config, kernel->ops, message->count, &error))
		err = rules_apply(kernel->rules, kernel->ops, message->count, &error);
	else
		log_error("%s", error.text);
	if (err == -ENOENT || err == -EEXIST)
		kernel_contradicted(kernel);
	kernel_send(kernel, ipc_encode_result(kernel->out, IPC_DONE, message->id, &error));
}

static void send_fact(void *data, size_t len)
{
	kernel_send(data, len);
}

static struct kernel_answer answer_of(struct kernel *kernel)
{
	return (struct kernel_answer){
		rules_features(kernel->rules), kernel->out, send_fact, kernel};
}

static void answer(struct kernel *kernel, const struct ipc *message)
{
	const struct kernel_answer answer = answer_of(kernel);

	kernel_ask(&answer, &kernel->tracing, message, kernel_clock());
}

static void trace(struct kernel *kernel, int64_t now)
{
	const struct kernel_answer answer = answer_of(kernel);

	kernel_trace_step(&answer, &kernel->tracing, now);
}

static void peer_readable(struct kernel *kernel)
{
	const struct ipc_room room = {
		.ops = kernel->ops, .spots = kernel->spots, .room = RULES_OPS_MAX};
	ssize_t len = recv(kernel->peer, kernel->in, sizeof kernel->in, MSG_DONTWAIT);
	struct ipc message;

	if (len <= 0)
		return;
	if (ipc_decode(kernel->in, (size_t)len, &room, &message)) {
		kernel_child_senseless(kernel);
		return;
	}
	if (message.kind == IPC_APPLY)
		kernel_ops_apply(kernel, &message);
	else if (message.kind == IPC_READ || message.kind == IPC_CHECK)
		kernel_read(kernel, message.id, message.kind == IPC_CHECK);
	else if (message.kind == IPC_HINT)
		rules_hint(kernel->rules, kernel->spots, message.count);
	else if (message.kind == IPC_SAMPLE)
		kernel_sample(kernel, &message);
	else if (message.kind == IPC_ASK)
		answer(kernel, &message);
}

static void forward_event(void *data, const struct rules_event *event)
{
	struct kernel *kernel = data;
	size_t len = ipc_encode_event(kernel->out, event);

	/* One that the net side has no room for comes again with the sender's next packet. */
	if (kernel->peer >= 0)
		(void)send(kernel->peer, kernel->out, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int signalled(struct kernel *kernel)
{
	struct signalfd_siginfo info;
	int status;

	if (read(kernel->signals, &info, sizeof info) != sizeof info)
		return -1;
	if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
		return kernel_child_stop(kernel);
	if (info.ssi_signo == SIGHUP && kernel->child > 0)
		kill(kernel->child, SIGHUP);
	else if (info.ssi_signo == SIGCHLD &&
		 waitpid(kernel->child, &status, WNOHANG) == kernel->child)
		return kernel_child_ended(kernel, status);
	return -1;
}

static int timeout_ms(const struct kernel *kernel, int64_t now)
{
	int64_t due = rules_due(kernel->rules), trace_ms = kernel_trace_due(&kernel->tracing);

	if (kernel->restart_ms >= 0 && (due < 0 || kernel->restart_ms < due))
		due = kernel->restart_ms;
	if (kernel->change.cause != RULES_CAUSE_NONE && (due < 0 || kernel->mend_ms < due))
		due = kernel->mend_ms;
	if (trace_ms >= 0 && (due < 0 || trace_ms < due))
		due = trace_ms;
	if (due < 0)
		return -1;
	return due > now ? (int)(due - now) : 0;
}

static int step(struct kernel *kernel)
{
	struct pollfd fds[] = {
		{.fd = kernel->signals, .events = POLLIN},
		{.fd = kernel->peer, .events = POLLIN},
		{.fd = rules_watch_fd(kernel->rules), .events = POLLIN},
		{.fd = rules_changes_fd(kernel->rules), .events = POLLIN},
		{.fd = kernel_trace_fd(&kernel->tracing), .events = POLLIN},
	};
	int64_t now;

	if (poll(fds, sizeof fds / sizeof *fds, timeout_ms(kernel, kernel_clock())) < 0 &&
		errno != EINTR)
		return EXIT_FAILURE;
	now = kernel_clock();
	if (rules_due(kernel->rules) >= 0 && rules_due(kernel->rules) <= now)
		rules_tick(kernel->rules, now);
	if (fds[1].revents & POLLIN)
		peer_readable(kernel);
	if (fds[2].revents & (POLLIN | POLLERR))
		rules_watch(kernel->rules, forward_event, kernel);
	if (fds[3].revents & (POLLIN | POLLERR))
		kernel_changes(kernel, now);
	kernel_mend_due(kernel, now);
	if (fds[4].revents || (kernel_trace_due(&kernel->tracing) >= 0 &&
				      kernel_trace_due(&kernel->tracing) <= now))
		trace(kernel, now);
	if (fds[0].revents & POLLIN)
		return signalled(kernel);
	if (kernel->restart_ms >= 0 && now >= kernel->restart_ms) {
		if (kernel->stopping) {
			kill(kernel->child, SIGKILL);
			return EXIT_SUCCESS;
		}
		kernel_child_start(kernel);
	}
	return -1;
}

int kernel_run(struct rules **rules, struct net_setup *setup)
{
	struct kernel *kernel = calloc(1, sizeof *kernel);
	int status = -1;
	sigset_t set;

	if (!kernel)
		return EXIT_FAILURE;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	kernel->rules = *rules;
	kernel->setup = setup;
	kernel->peer = kernel->child = -1;
	kernel->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	kernel_child_start(kernel);
	while (status < 0)
		status = step(kernel);
	*rules = kernel->rules;
	close(kernel->signals);
	free(kernel);
	return status;
}
