/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tell: what happens to a service and to those who reach it, in words on stderr or as JSON lines
 * on stdout.
 *
 * Each JSON line has "event" and "stream". "session" is a number from 1; it is null for a lane
 * that carries nobody's data yet. The other fields, by event:
 *   start    role: "service" or "client"; local "ADDRESS:PORT"; relays ["ADDRESS:PORT", ...]
 *   nat      relay; mapping, filtering, allocation (in the words of RFC 4787); layers; blocked
 *   waiting  relay: of a service: it can be reached now; of a client: nobody serves yet
 *   ready    relay: of a client: datagrams will leave at once
 *   open     session, local: the program's address, or as the service sees the client
 *   paired   session, relay, mapped: through the relay now; the public side of our hole
 *   direct   session, peer, plan, ms and probes: of the search
 *   lost     session, peer: the direct path; through the relay again
 *   nopath   session, plan: it has found nothing
 *   shared   local: the port of a service whose socket we share; unshared: not any more, reason
 *   closed   session, reason ("idle", "peer", "room", "key", "error", "end");
 *            inward, outward: datagrams
 *   silent   relay, seconds
 *   back     relay
 *   refused  relay, code, reason; tried again
 *   failed   relay, code, reason; not tried again unless there is hope
 *   network  (the addresses of this host have changed)
 *   key      (the key file holds another key, which is used now)
 *   player   status, signal: of the program's end; signal is null when there was none
 *   end      inward, outward, foreign, late, crowded, oversized, refused, unsent: datagrams
 */
#ifndef PUNCHCTL_TELL_H
#define PUNCHCTL_TELL_H

#include <stdint.h>

#include "common/nat.h"
#include "punchctl/carrier.h"
#include "punchctl/lane.h"
#include "punchctl/report.h"

/* Who it is about. */
struct tell {
	const struct report *report;
	enum peer_role role;
	uint64_t session; /* 0: none */
	struct endpoint relay;
};

void tell_start(const struct tell *tell, const struct endpoint *local,
	const struct endpoint *relays, unsigned int count);
void tell_lane(const struct tell *tell, const struct lane_event *event);
void tell_nat(const struct tell *tell, const struct nat_report *nat);
void tell_ready(const struct tell *tell);
void tell_network(const struct tell *tell);
void tell_gateway(const struct tell *tell, const struct endpoint *mapped, const char *protocol);
void tell_relayed(const struct tell *tell, bool relayed);
void tell_open(const struct tell *tell, const struct endpoint *local);
void tell_closed(const struct tell *tell, const char *reason, uint64_t inward, uint64_t outward);
void tell_end(const struct tell *tell, const struct carrier_counters *counters);

#endif
