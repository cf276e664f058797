/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/net_trouble.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

/* A clock that is kept by NTP moves by less in a second. */
#define CLOCK_STEP_MS 2000
/* Of the conntrack table's size; entries that end are counted until they are collected. */
#define FLOWS_FULL_PERCENT 98

static void trouble_event(
	void *data, enum trouble_kind kind, const struct trouble *trouble, bool over)
{
	struct net *net = data;
	struct control_event event = {.event = over ? "over" : "trouble", .text = trouble->text};

	if (over)
		log_info("%s is over", trouble_name(kind));
	else
		log_warning("%s: %s", trouble_name(kind), trouble->text);
	if (net->control)
		control_event(net->control, &event);
}

void net_trouble_open(struct net *net)
{
	net->troubles.event = trouble_event;
	net->troubles.event_data = net;
}

static void check_files(struct net *net)
{
	int fd = fcntl(net->setup->kernel_fd, F_DUPFD_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
	else if (errno == EMFILE || errno == ENFILE)
		trouble_tell(&net->troubles, TROUBLE_FILES, net_now(net),
			"no file descriptor is left: punchctl is not served; raise relayd's limit "
			"(LimitNOFILE= of its unit) or end those that keep the control socket");
}

static void check_clock(struct net *net, int64_t wall_ms)
{
	int64_t ahead = wall_ms - net_now(net), step = ahead - net->clock_ahead_ms;

	net->clock_ahead_ms = ahead;
	if (net->clock_known && llabs(step) >= CLOCK_STEP_MS)
		trouble_tell(&net->troubles, TROUBLE_CLOCK, net_now(net),
			"the clock was set %s by %" PRId64
			" s: streams expire by the new time, all else goes on",
			step < 0 ? "back" : "forward", (int64_t)llabs(step) / 1000);
	net->clock_known = true;
}

static void check_clients(struct net *net)
{
	size_t max = net->table.holes_max;

	if (max && net->table.holes >= max)
		trouble_tell(&net->troubles, TROUBLE_CLIENTS, net_now(net),
			"%zu ports have a client, as many as may: nobody new is let in; "
			"`max-clients` makes room",
			net->table.holes);
}

void net_trouble_tick(struct net *net, int64_t wall_ms)
{
	check_files(net);
	check_clock(net, wall_ms);
	check_clients(net);
	trouble_tick(&net->troubles, net_now(net));
}

void net_trouble_health(struct net *net, const struct rules_health *health)
{
	if (health->flows_max &&
		(uint64_t)health->flows * 100 >= (uint64_t)health->flows_max * FLOWS_FULL_PERCENT)
		trouble_tell(&net->troubles, TROUBLE_FLOWS, net_now(net),
			"the conntrack table is full (%" PRIu32 " of %" PRIu32
			"): new senders are not let in; `sysctl "
			"net.netfilter.nf_conntrack_max=%" PRIu64 "` makes room",
			health->flows, health->flows_max, (uint64_t)health->flows_max * 4);
	if (health->lost > net->events_lost)
		trouble_tell(&net->troubles, TROUBLE_BUFFER, net_now(net),
			"the kernel told more than its netlink buffer could hold: %" PRIu64
			" times something was not heard; senders are heard with their next packet",
			health->lost);
	net->events_lost = health->lost;
}

void net_trouble_kernel(void *data, int error)
{
	static const char *const texts[TROUBLE_KINDS] = {
		[TROUBLE_SET] = "a set of table inet relayd has reached its size",
		[TROUBLE_BUFFER] = "a netlink buffer of the kernel's is too small; see "
				   "net.core.rmem_max and wmem_max",
		[TROUBLE_MEMORY] = "the kernel has no memory for a change",
	};
	struct net *net = data;
	enum trouble_kind kind = trouble_of(error);

	if (kind != TROUBLE_KINDS)
		trouble_tell(&net->troubles, kind, net_now(net), "%s", texts[kind]);
}

void net_trouble_database(struct net *net, int error, const char *why)
{
	switch (error) {
	case 0:
		trouble_end(&net->troubles, TROUBLE_DISK);
		return;
	case -EEXIST:
	case -ENOENT:
	case -EUSERS:
	case -EINVAL:
		return;
	}
	trouble_tell(&net->troubles, TROUBLE_DISK, net_now(net), "%s", why);
}
