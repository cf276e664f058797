/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * report: what happens to a punch, in words on stderr or as JSON lines on stdout.
 *
 * Each JSON line has "event" and "stream". The other fields, by event:
 *   start        relay "ADDRESS:PORT", ports [{"listen": 9099, "local": 5004}], sdp: path or null
 *   punched      port, mapped "ADDRESS:PORT"
 *   ready        (all ports have been punched)
 *   moved        port, old, mapped
 *   silent       relay; code: of an answer that did not help (200: plain STUN), else null
 *   lost         relay, seconds
 *   back         relay
 *   unreachable  relay, error
 *   refused      port, code, reason; it is tried again
 *   conflict     port; it is tried again from another socket
 *   shared       local: the player's port, which is ours too now
 *   unshared     local, reason: it is not, or no longer
 *   key          (the key file holds another key, which is tried now)
 *   failed       port, code, reason; the end
 *   player       status, signal: of its end; signal is null when there was none
 *   end          inward, outward: datagrams carried; dropped: datagrams not carried
 */
#ifndef PUNCHCTL_REPORT_H
#define PUNCHCTL_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "common/addr.h"
#include "punchctl/agent.h"
#include "punchctl/carry.h"

/* All pointers are the caller's. */
struct report {
	bool json;
	const char *stream;
	const char *key_file;
	const char *child; /* what words call what was started; NULL: "player" */
	struct endpoint relay;
};

/* One line of JSON; takes the fields, which may be NULL: there are none, or memory is short. */
void report_line(const struct report *report, const char *event, json_t *fields);
/* local: as many as ports; sdp: may be NULL. */
void report_start(const struct report *report, const struct ports *ports, const uint16_t *local,
	const char *sdp);
void report_ready(const struct report *report);
void report_agent(const struct report *report, const struct agent_event *event);
void report_key(const struct report *report);
void report_shared(const struct report *report, uint16_t local);
void report_unshared(const struct report *report, uint16_t local, const char *why);
/* Media come, or none have for `quiet_ms`; only in words. */
void report_media(const struct report *report, int64_t quiet_ms);
void report_player(const struct report *report, int64_t status, int signal);
void report_end(const struct report *report, const struct carry_counters *counters);

#endif
