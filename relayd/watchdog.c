/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/watchdog.h"

#include "common/notify.h"

#define PER_LIMIT 3 /* one may be late, and another lost */

static void alive(void *data, int error, const struct ipc_fact *facts, size_t count)
{
	struct watchdog *watchdog = data;

	(void)error;
	(void)facts;
	(void)count;
	watchdog->asking = false;
	notify_alive();
}

/* That the timer runs shows the net side; an answer, whatever it says, the kernel side. */
static void due(uv_timer_t *timer)
{
	static const struct ipc_ask question = {.kind = IPC_ASK_HOST};
	struct watchdog *watchdog = timer->data;

	if (!watchdog->asking)
		watchdog->asking = !ask_kernel(watchdog->asker, &question, alive, watchdog);
}

void watchdog_start(
	struct watchdog *watchdog, uv_loop_t *loop, struct asker *asker, uint64_t limit_ms)
{
	uint64_t every_ms = limit_ms / PER_LIMIT;

	if (!every_ms)
		return;
	watchdog->asker = asker;
	uv_timer_init(loop, &watchdog->timer);
	watchdog->timer.data = watchdog;
	uv_timer_start(&watchdog->timer, due, every_ms, every_ms);
}
