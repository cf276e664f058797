/* SPDX-License-Identifier: GPL-2.0-or-later */
/* watchdog: tells systemd, again and again, that both processes live (systemd.service(5),
 * WatchdogSec=). */
#ifndef RELAYD_WATCHDOG_H
#define RELAYD_WATCHDOG_H

#include <stdbool.h>

#include <uv.h>

#include "relayd/ask.h"

struct watchdog {
	uv_timer_t timer;
	struct asker *asker;
	bool asking;
};

/*
 * limit_ms: so long silence may last; 0: nobody listens, and nothing is done. The asker must
 * outlive the loop's handles.
 */
void watchdog_start(
	struct watchdog *watchdog, uv_loop_t *loop, struct asker *asker, uint64_t limit_ms);

#endif
