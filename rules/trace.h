/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace: what the kernel itself says (nftrace) of one packet's way through every table. A table of
 * our own, "relayd_trace", marks the packet; it belongs to our socket and goes with it, also when
 * we die.
 */
#ifndef RULES_TRACE_H
#define RULES_TRACE_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"

#define TRACE_TABLE "relayd_trace"
/* Events of a packet beyond these are not told. */
#define TRACE_EVENTS_MAX 512

/* Which packets; those fields count that are set (family, port). */
struct trace_target {
	bool out; /* those that leave this host, else those that arrive */
	struct endpoint source, dest;
};

enum trace_kind { TRACE_RULE, TRACE_RETURN, TRACE_POLICY };

struct trace_event {
	enum trace_kind kind;
	uint8_t family; /* NFPROTO_* of the table */
	char table[64], chain[64];
	uint64_t handle; /* of the rule; 0: none */
	int32_t verdict; /* NF_*, NFT_*; of TRACE_POLICY the policy */
	char target[64]; /* of a jump or goto */
	uint32_t mark;
	uint32_t iif, oif;	      /* 0: none at this place */
	struct endpoint source, dest; /* as the packet looks there; family 0: not told */
	bool probe;		      /* the packet is the one of trace_probe */
	bool ours; /* a rule of TRACE_TABLE: the probe has come to where it would leave */
};

enum trace_state {
	TRACE_WAITING, /* no packet has come yet */
	TRACE_RUNNING, /* events of one are coming */
	TRACE_DONE,    /* its way has ended, or it was silent for a while */
};

struct trace;

/*
 * Puts the table there and listens. -EBUSY: somebody else traces. -EOPNOTSUPP: the kernel cannot
 * tie a table to a socket (before 5.12). Needs CAP_NET_ADMIN.
 */
int trace_open(struct trace **out, const struct trace_target *target);
/* Removes table, probe and sockets; NULL is fine. */
void trace_close(struct trace *trace);

/* Readable when there are events. */
int trace_fd(const struct trace *trace);
/*
 * Reads what is there, at most 64 datagrams, and calls back for each event of the first packet.
 * now_ms is monotonic. Events that were lost are not an error.
 */
int trace_read(struct trace *trace, int64_t now_ms,
	void (*event)(void *data, const struct trace_event *event), void *data);
enum trace_state trace_state(const struct trace *trace, int64_t now_ms);
/* When trace_state may become TRACE_DONE without an event; -1: not by itself. */
int64_t trace_due(const struct trace *trace);

/*
 * Sends a packet of ours, when no real one comes: an RTP header of version 2 from `source` to
 * `dest`. It arrives on a TUN interface of ours, so rules about interfaces and the reverse path
 * filter may treat it otherwise than a real one; it is dropped behind all other chains, so it
 * leaves neither the host nor an entry in conntrack. -ENOENT: no /dev/net/tun.
 */
int trace_probe(struct trace *trace, const struct endpoint *source, const struct endpoint *dest);
/* The interface of the probe, or "". */
const char *trace_probe_device(const struct trace *trace);

/* One message of the trace group; false when it is not one or is torn. */
struct nlmsghdr;
bool trace_parse(const struct nlmsghdr *nlh, struct trace_event *out, uint32_t *id);

#endif
