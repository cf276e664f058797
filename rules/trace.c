/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/trace.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "rules/trace_inner.h"

/* Datagrams that one call reads. */
#define READ_MAX 64
/* A packet of which nothing has been heard for so long is through, in milliseconds. */
#define SILENCE 200

int trace_open(struct trace **out, const struct trace_target *target)
{
	struct trace *trace = calloc(1, sizeof(*trace));
	const int group = NFNLGRP_NFTRACE;
	int err;

	if (!trace)
		return -ENOMEM;
	trace->tun = -1;
	trace->group.fd = -1;
	trace->target = *target;
	trace->silent_at = -1;
	batch_init(&trace->batch);
	err = nl_open(&trace->nl);
	if (!err)
		err = nl_open(&trace->group);
	if (!err && setsockopt(trace->group.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
			    sizeof(group)))
		err = -errno;
	if (!err)
		err = trace_table_add(trace);
	if (err) {
		trace_close(trace);
		return err;
	}
	*out = trace;
	return 0;
}

void trace_close(struct trace *trace)
{
	if (!trace)
		return;
	trace_probe_close(trace);
	nl_close(&trace->group);
	nl_close(&trace->nl); /* and with it the table */
	batch_fini(&trace->batch);
	free(trace);
}

int trace_fd(const struct trace *trace)
{
	return trace->group.fd;
}

const char *trace_probe_device(const struct trace *trace)
{
	return trace->device;
}

enum trace_state trace_state(const struct trace *trace, int64_t now_ms)
{
	if (!trace->events)
		return TRACE_WAITING;
	return trace->ended || now_ms >= trace->silent_at ? TRACE_DONE : TRACE_RUNNING;
}

int64_t trace_due(const struct trace *trace)
{
	return trace->ended ? -1 : trace->silent_at;
}

/* Where its way ends for good; what passes merely falls silent. */
static bool event_ends(const struct trace_event *event)
{
	return event->verdict == NF_DROP && event->kind != TRACE_RETURN;
}

static bool event_is_ours(const struct trace_event *event)
{
	return event->family == NFPROTO_INET && !strcmp(event->table, TRACE_TABLE);
}

/* The kernel tells of the packet only where a chain begins. */
static void packet_carry(struct trace *trace, struct trace_event *event)
{
	if (event->source.addr.family) {
		trace->last = *event;
		return;
	}
	event->source = trace->last.source;
	event->dest = trace->last.dest;
	event->iif = trace->last.iif;
	event->oif = trace->last.oif;
	event->mark = trace->last.mark;
}

static void event_take(struct trace *trace, struct trace_event *event, uint32_t id, int64_t now_ms,
	void (*tell)(void *data, const struct trace_event *event), void *data)
{
	event->ours = event_is_ours(event);
	if (!trace->events)
		trace->id = id;
	if (id != trace->id || trace->ended || trace->events >= TRACE_EVENTS_MAX)
		return;
	packet_carry(trace, event);
	if (!trace->events++)
		trace->of_probe = trace->index && event->iif == trace->index;
	event->probe = trace->of_probe;
	trace->silent_at = now_ms + SILENCE;
	trace->ended = event_ends(event);
	/* Where it was marked is of no interest; where the probe is stopped is. */
	if (!event->ours || trace->ended)
		tell(data, event);
}

static void datagram_read(struct trace *trace, size_t len, int64_t now_ms,
	void (*tell)(void *data, const struct trace_event *event), void *data)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)trace->group.buffer;
	int left = (int)len;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		struct trace_event event;
		uint32_t id;

		if (trace_parse(nlh, &event, &id))
			event_take(trace, &event, id, now_ms, tell, data);
	}
}

int trace_read(struct trace *trace, int64_t now_ms,
	void (*event)(void *data, const struct trace_event *event), void *data)
{
	for (int i = 0; i < READ_MAX; i++) {
		ssize_t got = nl_receive(&trace->group);

		if (got == -ENOBUFS)
			continue;
		if (got <= 0)
			return (int)got;
		datagram_read(trace, (size_t)got, now_ms, event, data);
	}
	return 0;
}
