/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/kernel.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "relayd/calm.h"
#include "relayd/guard.h"
#include "relayd/kernel_ask.h"
#include "relayd/notify.h"
#include "relayd/privs.h"

#define RESTART_MIN_MS 10
#define RESTART_MAX_MS 10000
/* A net side that lived so long may be started again at once. */
#define SETTLED_MS 10000
#define STOP_MS	   3000
/* Those that are heard between two parts of a reading. */
#define PAUSE_MESSAGES 4

struct kernel {
	struct rules *rules;
	struct net_setup *setup;
	int signals, peer;
	pid_t child;
	int64_t started_ms, restart_ms,
		wait_ms; /* restart_ms: when to start it again, -1: it runs */
	bool stopping;
	struct rules_change change; /* by somebody else; the net side is not told yet */
	int64_t change_ms, mend_ms; /* since when, and when it will be mended */
	struct calm calm;
	bool mend_failed;
	uint32_t read_id;
	size_t record_count;
	struct ipc_record records[IPC_RECORDS_MAX];
	struct rules_op ops[RULES_OPS_MAX];
	struct rules_spot spots[RULES_OPS_MAX];
	struct kernel_tracing tracing;
	uint8_t in[IPC_MAX], out[IPC_MAX];
};

static int64_t monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void send_out(struct kernel *kernel, size_t len)
{
	/* A net side that is gone is noticed by its SIGCHLD. */
	if (len && send(kernel->peer, kernel->out, len, MSG_NOSIGNAL) < 0 && errno != EPIPE)
		log_debug("to the net side: %s", strerror(errno));
}

/* Somebody else has changed the table, or may have. */
static void table_changed(struct kernel *kernel, const struct rules_change *change, int64_t now)
{
	if (kernel->change.cause == RULES_CAUSE_NONE) {
		kernel->change_ms = now;
		kernel->mend_ms = calm_due(&kernel->calm, now);
	}
	rules_change_add(&kernel->change, change);
}

static void table_is_contested(const struct kernel *kernel)
{
	log_warning("table inet " RULES_TABLE " is changed again and again%s%s; from now on it is "
		    "restored every %d seconds",
		*kernel->change.process ? ", last by " : "", kernel->change.process,
		CALM_MOST_MS / 1000);
}

/* Here what does not depend on streams; the net side knows the rest and restores it. */
static void mend(struct kernel *kernel, int64_t now)
{
	struct rules_error error = {.op = -1};
	bool mended, contested = calm_done(&kernel->calm, now);

	if (rules_mend(kernel->rules, &mended, &error)) {
		if (!kernel->mend_failed)
			log_error("the table cannot be restored: %s", error.text);
		kernel->mend_failed = true;
		kernel->mend_ms = calm_due(&kernel->calm, now);
		return;
	}
	kernel->mend_failed = false;
	if (contested)
		table_is_contested(kernel);
	if (kernel->peer >= 0)
		send_out(kernel,
			ipc_encode_changed(kernel->out, &kernel->change, kernel->change_ms));
	kernel->change = (struct rules_change){.cause = RULES_CAUSE_NONE};
}

static void mend_when_due(struct kernel *kernel, int64_t now)
{
	if (kernel->change.cause != RULES_CAUSE_NONE && now >= kernel->mend_ms)
		mend(kernel, now);
}

static void changes_readable(struct kernel *kernel, int64_t now)
{
	struct rules_change change;
	int err = rules_changes(kernel->rules, &change);

	if (err)
		log_debug("nf_tables' events: %s", strerror(-err));
	if (!err && change.cause != RULES_CAUSE_NONE)
		table_changed(kernel, &change, now);
}

/* The kernel is not what we took it for: the net side hears of that before it hears the verdict. */
static void contradicted(struct kernel *kernel)
{
	static const struct rules_change refused = {.cause = RULES_CAUSE_REFUSED};
	int64_t now = monotonic_ms();

	if (rules_changes_fd(kernel->rules) >= 0)
		changes_readable(kernel, now);
	table_changed(kernel, &refused, now);
	mend_when_due(kernel, now);
}

static void apply(struct kernel *kernel, const struct ipc *message)
{
	struct rules_error error = {.op = -1};
	int err = 0;

	if (!guard_check(kernel->setup->config, kernel->ops, message->count, &error))
		err = rules_apply(kernel->rules, kernel->ops, message->count, &error);
	else
		log_error("%s", error.text);
	if (err == -ENOENT || err == -EEXIST)
		contradicted(kernel);
	send_out(kernel, ipc_encode_result(kernel->out, IPC_DONE, message->id, &error));
}

/* It was taken over, or is broken: its successor may do better. */
static void senseless(const struct kernel *kernel)
{
	log_error("a message of the net side that makes no sense; starting it anew");
	kill(kernel->child, SIGKILL);
}

static void send_records(struct kernel *kernel)
{
	if (kernel->record_count)
		send_out(kernel, ipc_encode_records(kernel->out, kernel->read_id, kernel->records,
					 kernel->record_count));
	kernel->record_count = 0;
}

static struct ipc_record *next_record(struct kernel *kernel, enum ipc_record_kind kind)
{
	struct ipc_record *record;

	if (kernel->record_count == IPC_RECORDS_MAX)
		send_records(kernel);
	record = &kernel->records[kernel->record_count++];
	memset(record, 0, sizeof *record);
	record->kind = kind;
	return record;
}

static void read_listening(void *data, const struct rules_listening *listening)
{
	next_record(data, IPC_LISTENING)->listening = *listening;
}

static void read_punch(void *data, const struct endpoint *at, bool raw)
{
	struct ipc_record *record = next_record(data, IPC_PUNCH);

	record->punch.at = *at;
	record->punch.raw = raw;
}

static void read_ingress(void *data, const struct rules_ingress *ingress)
{
	next_record(data, IPC_INGRESS)->ingress = *ingress;
}

static void read_client(void *data, const struct rules_client *client)
{
	next_record(data, IPC_CLIENT)->client = *client;
}

static void read_flow(void *data, const struct rules_flow *flow)
{
	next_record(data, IPC_FLOW)->flow = *flow;
}

static void read_peer(void *data, const struct rules_peer *peer)
{
	next_record(data, IPC_PEER)->peer = *peer;
}

static void read_torn(void *data, const struct rules_torn *torn)
{
	next_record(data, IPC_TORN)->torn = *torn;
}

static void read_again(void *data)
{
	next_record(data, IPC_AGAIN);
}

static void read_health(struct kernel *kernel)
{
	struct rules_health health;

	if (!rules_health(kernel->rules, &health))
		next_record(kernel, IPC_HEALTH)->health = health;
}

/* Counters alone, which are asked for all the time. */
static void sample(struct kernel *kernel, const struct ipc *message)
{
	const struct rules_reader reader = {
		.listening = read_listening, .client = read_client, .data = kernel};
	struct rules_error error = {.op = -1};

	kernel->read_id = message->id;
	kernel->record_count = 0;
	error.code = rules_sample(kernel->rules, kernel->spots, message->count, &reader);
	if (!error.code)
		read_health(kernel);
	send_records(kernel);
	send_out(kernel, ipc_encode_result(kernel->out, IPC_END, message->id, &error));
}

/* A message that needs no whole reading, while one is under way; 0: there is none. */
static ssize_t quick_receive(struct kernel *kernel)
{
	const ssize_t len =
		recv(kernel->peer, kernel->in, sizeof kernel->in, MSG_DONTWAIT | MSG_PEEK);

	if (len <= 0 || (*kernel->in != IPC_APPLY && *kernel->in != IPC_SAMPLE))
		return 0;
	return recv(kernel->peer, kernel->in, sizeof kernel->in, MSG_DONTWAIT);
}

/* Who punches does not wait until all of a large table has been read. */
static void read_pause(void *data)
{
	struct kernel *kernel = data;
	const struct ipc_room room = {
		.ops = kernel->ops, .spots = kernel->spots, .room = RULES_OPS_MAX};
	uint32_t id = kernel->read_id;
	struct ipc message;
	ssize_t len;

	next_record(kernel, IPC_PART);
	send_records(kernel);
	for (int i = 0; i < PAUSE_MESSAGES && (len = quick_receive(kernel)) > 0; i++) {
		if (ipc_decode(kernel->in, (size_t)len, &room, &message)) {
			senseless(kernel);
			return;
		}
		if (message.kind == IPC_APPLY)
			apply(kernel, &message);
		else
			sample(kernel, &message);
		kernel->read_id = id;
	}
}

static void read_all(struct kernel *kernel, uint32_t id, bool check)
{
	const struct rules_reader reader = {read_listening, read_punch, read_ingress, read_client,
		read_flow, read_peer, kernel, read_again, read_pause};
	struct rules_error error = {.op = -1};

	kernel->read_id = id;
	kernel->record_count = 0;
	if (check)
		error.code = rules_check(kernel->rules, &reader, read_torn);
	else
		error.code = rules_read(kernel->rules, &reader);
	if (!error.code)
		read_health(kernel);
	send_records(kernel);
	send_out(kernel, ipc_encode_result(kernel->out, IPC_END, id, &error));
}

static void send_fact(void *data, size_t len)
{
	send_out(data, len);
}

static struct kernel_answer answer_of(struct kernel *kernel)
{
	return (struct kernel_answer){
		rules_features(kernel->rules), kernel->out, send_fact, kernel};
}

static void answer(struct kernel *kernel, const struct ipc *message)
{
	const struct kernel_answer answer = answer_of(kernel);

	kernel_ask(&answer, &kernel->tracing, message, monotonic_ms());
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
		senseless(kernel);
		return;
	}
	if (message.kind == IPC_APPLY)
		apply(kernel, &message);
	else if (message.kind == IPC_READ || message.kind == IPC_CHECK)
		read_all(kernel, message.id, message.kind == IPC_CHECK);
	else if (message.kind == IPC_HINT)
		rules_hint(kernel->rules, kernel->spots, message.count);
	else if (message.kind == IPC_SAMPLE)
		sample(kernel, &message);
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

static void start_child(struct kernel *kernel)
{
	int pair[2], size = 4 * 1024 * 1024;

	kernel->restart_ms = -1;
	kernel->started_ms = monotonic_ms();
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
	kernel->peer = pair[0];
	if (kernel->child < 0) {
		log_error("cannot start the net side: %s", strerror(errno));
		close(kernel->peer);
		kernel->peer = -1;
		kernel->restart_ms = kernel->started_ms + RESTART_MAX_MS;
	}
}

/* Returns the status to end with, or -1. */
static int child_ended(struct kernel *kernel, int status)
{
	int64_t now = monotonic_ms();
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

/* Returns the status to end with, or -1: the net side is given time to end. */
static int stop(struct kernel *kernel)
{
	notify_stopping();
	kernel->stopping = true;
	if (kernel->child <= 0)
		return EXIT_SUCCESS;
	kill(kernel->child, SIGTERM);
	kernel->restart_ms = monotonic_ms() + STOP_MS;
	return -1;
}

static int signalled(struct kernel *kernel)
{
	struct signalfd_siginfo info;
	int status;

	if (read(kernel->signals, &info, sizeof info) != sizeof info)
		return -1;
	if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
		return stop(kernel);
	if (info.ssi_signo == SIGHUP && kernel->child > 0)
		kill(kernel->child, SIGHUP);
	else if (info.ssi_signo == SIGCHLD &&
		 waitpid(kernel->child, &status, WNOHANG) == kernel->child)
		return child_ended(kernel, status);
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

	if (poll(fds, sizeof fds / sizeof *fds, timeout_ms(kernel, monotonic_ms())) < 0 &&
		errno != EINTR)
		return EXIT_FAILURE;
	now = monotonic_ms();
	if (rules_due(kernel->rules) >= 0 && rules_due(kernel->rules) <= now)
		rules_tick(kernel->rules, now);
	if (fds[1].revents & POLLIN)
		peer_readable(kernel);
	if (fds[2].revents & (POLLIN | POLLERR))
		rules_watch(kernel->rules, forward_event, kernel);
	if (fds[3].revents & (POLLIN | POLLERR))
		changes_readable(kernel, now);
	mend_when_due(kernel, now);
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
		start_child(kernel);
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
	start_child(kernel);
	while (status < 0)
		status = step(kernel);
	*rules = kernel->rules;
	close(kernel->signals);
	free(kernel);
	return status;
}
