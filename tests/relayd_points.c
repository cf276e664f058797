/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * relayd_points: relayd, with points for tests at which it does something that it never does by
 * itself. The environment says which:
 *
 *   POINT_LEGACY=1     the table has no owner, as before Linux 6.9
 *   POINT_BUFFER=N     bytes of the buffer for what others do to the table
 *   POINT_STOP=1       after SIGUSR1 the kernel side stops itself (SIGSTOP) between the next commit
 *                      and the flush behind it
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "relayd/relayd.h"
#include "rules/internal.h"

static volatile sig_atomic_t armed;

static void arm(int number)
{
	(void)number;
	armed = 1;
}

static void committed(void)
{
	if (!armed)
		return;
	armed = 0;
	raise(SIGSTOP);
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
	if (!err)
		(*out)->committed = committed;
	return err;
}

int main(int argc, char **argv)
{
	if (getenv("POINT_STOP"))
		signal(SIGUSR1, arm);
	return relayd_main_with(argc, argv, open_with_points);
}
