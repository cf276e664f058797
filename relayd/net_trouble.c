/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/net_trouble.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

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

bool net_trouble_files(struct net *net, int error)
{
	if (error != -EMFILE && error != -ENFILE)
		return false;
	trouble_tell(&net->troubles, TROUBLE_FILES, net_now(net),
		"no file descriptor is left: punchctl is not served; raise relayd's limit "
		"(LimitNOFILE= of its unit) or end those that keep the control socket");
	return true;
}

static void check_files(struct net *net)
{
	int fd = fcntl(net->setup->kernel_fd, F_DUPFD_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
	else
		net_trouble_files(net, -errno);
}

/* Whether there is room again is not known before somebody writes. */
static void check_database(struct net *net)
{
	if (net->troubles.list[TROUBLE_DISK].now && !registry_try(net->registry))
		trouble_end(&net->troubles, TROUBLE_DISK);
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

void net_trouble_tick(struct net *net)
{
	check_files(net);
	check_clients(net);
	check_database(net);
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
			" times something was not heard; senders that nobody told of are found by "
			"their media",
			health->lost);
	net->events_lost = health->lost;
	if (health->unheard)
		trouble_tell(&net->troubles, TROUBLE_SET, net_now(net),
			"set opening4 or opening6 of table inet relayd is full: more ports than it "
			"holds are opened within 10 s; their media flow, and their senders are "
			"known later");
}

void net_trouble_cut(struct net *net, uint64_t cut)
{
	uint64_t more = cut - (cut < net->cut_seen ? 0 : net->cut_seen);

	net->cut_seen = cut;
	net->cut += more;
	if (more)
		trouble_tell(&net->troubles, TROUBLE_RATE, net_now(net),
			"all streams together have %" PRIu64 " bytes a second, as many as "
			"`max-rate` allows: what is more is dropped",
			net->config->max_rate);
}

static bool tell_kernel(struct net *net, const char *name, int error)
{
	static const char *const texts[TROUBLE_KINDS] = {
		[TROUBLE_SET] = "a set of table inet relayd has reached a size that somebody else "
				"gave it; stop relayd, `relayd --flush` and start it",
		[TROUBLE_BUFFER] = "a netlink buffer of the kernel's is too small; see "
				   "net.core.rmem_max and wmem_max",
		[TROUBLE_MEMORY] = "the kernel has no memory for a change",
	};
	enum trouble_kind kind = trouble_of(error);

	if (kind == TROUBLE_KINDS)
		return false;
	trouble_tell(
		&net->troubles, kind, net_now(net), "%s%s%s", name, *name ? ": " : "", texts[kind]);
	return true;
}

void net_trouble_read(struct net *net, int error)
{
	tell_kernel(net, "", error);
}

void net_trouble_refused(void *data, const char *name, const struct rules_error *error)
{
	if (!tell_kernel(data, name, error->code))
		log_warning("the kernel refused a change%s%s: %s", *name ? " for " : "", name,
			error->text);
}

bool net_trouble_of_kernel(const struct net *net)
{
	const struct trouble *list = net->troubles.list;

	return list[TROUBLE_SET].now || list[TROUBLE_BUFFER].now || list[TROUBLE_MEMORY].now;
}

void net_trouble_database(struct net *net, int error, const char *why)
{
	switch (error) {
	case 0:
		/* Of many, nothing is written before the last one. */
		if (!net->quiet)
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
