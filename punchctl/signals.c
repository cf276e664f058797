/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/signals.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

void signals_watch(
	uv_loop_t *loop, uv_signal_t *handle, uv_signal_cb callback, int signum, void *arg)
{
	struct sigaction action;

	uv_signal_init(loop, handle);
	handle->data = arg;
	if (sigaction(signum, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
		return;
	uv_signal_start(handle, callback, signum);
}

bool signals_terminal(void)
{
	int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}
