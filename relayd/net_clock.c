/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/net_clock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "relayd/net_trouble.h"

/* A clock that is kept by NTP moves by less between two looks. */
#define STEP_MS 2000

static int64_t clock_ms(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void streams_shift(struct net *net, int64_t seconds)
{
	struct stream *stream;

	LIST_FOREACH(stream, &net->table.streams, link)
		if (stream->expires)
			stream->expires += seconds;
	net->clock_owed += seconds;
}

/* As often as it takes: the disk may be full now. */
static void database_shift(struct net *net)
{
	char error[REGISTRY_ERROR];
	int err;

	if (!net->clock_owed || net->troubles.list[TROUBLE_DISK].now)
		return;
	err = registry_shift(net->registry, net->clock_owed, error);
	if (!err)
		net->clock_owed = 0;
	net_trouble_database(net, err, error);
}

void net_clock_check(struct net *net, int64_t wall_ms, int64_t boot_ms)
{
	int64_t ahead = wall_ms - boot_ms, step = ahead - net->clock_ahead_ms;
	bool known = net->clock_known;

	net->clock_known = true;
	net->clock_ahead_ms = ahead;
	if (known && llabs(step) >= STEP_MS) {
		int64_t seconds = (step + (step < 0 ? -500 : 500)) / 1000;

		trouble_tell(&net->troubles, TROUBLE_CLOCK, net_now(net),
			"the clock was set %s by %" PRId64
			" s: streams expire as many seconds from now as before, all else goes on",
			step < 0 ? "back" : "forward", (int64_t)llabs(seconds));
		streams_shift(net, seconds);
	}
	database_shift(net);
}

int64_t net_clock(struct net *net)
{
	int64_t wall_ms = clock_ms(CLOCK_REALTIME);

	/* That clock goes on while the host sleeps, as the wall's does. */
	net_clock_check(net, wall_ms, clock_ms(CLOCK_BOOTTIME));
	return wall_ms / 1000;
}
