/* SPDX-License-Identifier: GPL-2.0-or-later */
/* signals: those that a command listens to in its loop, and the terminal that hangs up. */
#ifndef PUNCHCTL_SIGNALS_H
#define PUNCHCTL_SIGNALS_H

#include <stdbool.h>

#include <uv.h>

/*
 * The callback comes with the handle, whose data is arg; but what is ignored stays so, as whoever
 * started us wants it, nohup(1) for one. The handle is to be closed either way.
 */
void signals_watch(
	uv_loop_t *loop, uv_signal_t *handle, uv_signal_cb callback, int signum, void *arg);

/* There is a controlling terminal, tty(4); one that has been closed is none. */
bool signals_terminal(void);

#endif
