/* SPDX-License-Identifier: GPL-2.0-or-later */
/* session_lanes: the inside of session.c, and the sockets of its lanes in the loop. */
#ifndef PUNCHCTL_SESSION_LANES_H
#define PUNCHCTL_SESSION_LANES_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "punchctl/agent.h"
#include "punchctl/carry.h"
#include "punchctl/player.h"
#include "punchctl/progress.h"
#include "punchctl/report.h"
#include "punchctl/session.h"
#include "punchctl/sharing.h"
#include "punchctl/status.h"
#include "punchctl/watch.h"

struct session {
	const struct session_config *config;
	struct report report;
	uv_loop_t loop;
	uv_timer_t timer, beat;
	uv_signal_t sigint, sigterm, sighup;
	int64_t armed_ms;   /* INT64_MAX: the timer does not run */
	unsigned int relay; /* index of the address in use */
	bool another;	    /* it is silent, and there is another */
	bool ready, ending;
	int ret;
	char key[TARGET_KEY];
	struct agent agent;
	struct carry *carry;
	struct sharing *sharing; /* NULL: the lanes have sockets of their own */
	struct watch *outer[PORTS_MAX], *inner[PORTS_MAX];
	struct player player;
	struct status_punch status;
	struct progress progress;
};

static inline int64_t session_now(const struct session *session)
{
	return (int64_t)uv_now(&session->loop);
}

/* What has happened shows. */
void session_show(struct session *session);
/* Media have come. */
void session_media(struct session *session);
/* The timer is to fire when the agent wants it. */
void session_arm(struct session *session);

/*
 * Brings the sockets of all lanes into the loop, or, with --share-port, waits for the programs
 * whose ports they are: the agent stands still until then. Carry and agent are open. -errno.
 */
int session_lanes_open(struct session *session);
void session_lanes_close(struct session *session);
/* The lane gets another socket, and with it another mapping. */
void session_lanes_renew(struct session *session, unsigned int lane);

#endif
