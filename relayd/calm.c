/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/calm.h"

/* The tenth time or so in a row. */
#define TELL_MS 1000

int64_t calm_due(struct calm *calm, int64_t now_ms)
{
	if (!calm->begun || now_ms - calm->last_ms > calm->wait_ms + CALM_AFTER_MS)
		*calm = (struct calm){.begun = false};
	if (!calm->begun || now_ms - calm->last_ms >= calm->wait_ms)
		return now_ms;
	return calm->last_ms + calm->wait_ms;
}

bool calm_done(struct calm *calm, int64_t now_ms)
{
	calm->begun = true;
	calm->last_ms = now_ms;
	calm->wait_ms = calm->wait_ms ? 2 * calm->wait_ms : CALM_FIRST_MS;
	if (calm->wait_ms > CALM_MOST_MS)
		calm->wait_ms = CALM_MOST_MS;
	if (calm->told || calm->wait_ms < TELL_MS)
		return false;
	calm->told = true;
	return true;
}
