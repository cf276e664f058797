/* SPDX-License-Identifier: GPL-2.0-or-later */
/* calm: something that is repaired at once, but ever later when it does not stay so. */
#ifndef RELAYD_CALM_H
#define RELAYD_CALM_H

#include <stdbool.h>
#include <stdint.h>

#define CALM_FIRST_MS 5
#define CALM_MOST_MS  5000
#define CALM_AFTER_MS 3000 /* of quiet beyond the wait, and all is forgotten */

/* Zeros: nothing has happened yet. Times are monotonic milliseconds, passed in. */
struct calm {
	bool begun;
	int64_t last_ms; /* when it was last repaired */
	int64_t wait_ms; /* until it is again */
	bool told;
};

/* When what happens now should be repaired: now, or later. */
int64_t calm_due(struct calm *calm, int64_t now_ms);
/* It was; true once, when the waits have become long: somebody should be told. */
bool calm_done(struct calm *calm, int64_t now_ms);

#endif
