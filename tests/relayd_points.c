/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * relayd_points: relayd, with points for tests at which it does something that it never does by
 * itself. The environment says which:
 *
 *   POINT_LEGACY=1     the table has no owner, as before Linux 6.9
 *   POINT_BUFFER=N     bytes of the buffer for what others do to the table
 *   POINT_STOP=WHERE  after SIGUSR1 the kernel side stops itself (SIGSTOP) once: before the next
 *                      commit ("commit"), between it and the flush behind it ("flush"), or behind
 *                      that, before the net side hears of it ("answer")
 *
 * It is linked with --wrap of the functions that begin with __wrap_ here.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "relayd/relayd.h"
#include "rules/internal.h"

static volatile sig_atomic_t armed;

static void arm(int number)
{
	(void)number;
	armed = 1;
}

static void stop_at(const char *point)
{
	const char *wanted = getenv("POINT_STOP");

	if (!armed || !wanted || strcmp(wanted, point) != 0)
		return;
	armed = 0;
	raise(SIGSTOP);
}

int __real_batch_commit(struct batch *batch, struct nl *nl, struct rules_error *error);
int __wrap_batch_commit(struct batch *batch, struct nl *nl, struct rules_error *error);
void __real_flush_holes(
	struct flush *flush, struct nl *nl, const struct rules_op *ops, size_t count);
void __wrap_flush_holes(
	struct flush *flush, struct nl *nl, const struct rules_op *ops, size_t count);

int __wrap_batch_commit(struct batch *batch, struct nl *nl, struct rules_error *error)
{
	stop_at("commit");
	return __real_batch_commit(batch, nl, error);
}

void __wrap_flush_holes(
	struct flush *flush, struct nl *nl, const struct rules_op *ops, size_t count)
{
	stop_at("flush");
	__real_flush_holes(flush, nl, ops, count);
	stop_at("answer");
}

static int open_with_points(struct rules **out, bool *adopted, struct rules_error *error)
{
	const struct kernel limit = {.persist = !getenv("POINT_LEGACY"),
		.refresh = true,
		.destroy = true,
		.timeouts = true};
	const char *buffer = getenv("POINT_BUFFER");
	int err = rules_open_limited(out, &limit, adopted, error);
	int size = buffer ? atoi(buffer) : 0;

	if (!err && size)
		setsockopt((*out)->events.fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return err;
}

int main(int argc, char **argv)
{
	if (getenv("POINT_STOP"))
		signal(SIGUSR1, arm);
	return relayd_main_with(argc, argv, open_with_points);
}
