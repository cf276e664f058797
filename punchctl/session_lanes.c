/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/session_lanes.h"

#include <string.h>

#include "common/log.h"

static void on_outer(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;
	struct session *session = watch->data;
	unsigned int lane = watch->lane;
	int got = carry_inward(session->carry, lane);

	(void)status;
	(void)events;
	if (got < 0)
		log_debug("reading from the relay: %s", strerror(-got));
	if (got > 0) {
		agent_media(&session->agent, lane, (unsigned int)got, session_now(session));
		session_media(session);
	}
	session_arm(session);
}

static void on_inner(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;
	int got = carry_outward(((struct session *)watch->data)->carry, watch->lane);

	(void)status;
	(void)events;
	if (got < 0)
		log_debug("reading from the player: %s", strerror(-got));
}

static int lane_watch_outer(struct session *session, unsigned int lane)
{
	struct watch **watch = &session->outer[lane];
	int ret;

	watch_close(watch);
	ret = watch_open(
		&session->loop, session->carry->lanes[lane].outer, on_outer, session, watch);
	if (ret == 0)
		(*watch)->lane = lane;
	return ret;
}

static int lane_watch_inner(struct session *session, unsigned int lane)
{
	struct watch **watch = &session->inner[lane];
	int ret = watch_open(
		&session->loop, session->carry->lanes[lane].inner, on_inner, session, watch);

	if (ret == 0)
		(*watch)->lane = lane;
	return ret;
}

void session_lanes_renew(struct session *session, unsigned int lane)
{
	int ret;

	watch_close(&session->outer[lane]);
	ret = carry_renew(session->carry, lane);
	if (ret < 0)
		log_warning("no new socket: %s", strerror(-ret));
	ret = lane_watch_outer(session, lane);
	if (ret < 0)
		log_error("a socket cannot be watched: %s", strerror(-ret));
}

/* The first port whose program is not there; 0: all are. */
static uint16_t lanes_unshared(const struct session *session)
{
	for (unsigned int i = 0; i < session->carry->count; i++) {
		if (session->carry->lanes[i].outer < 0)
			return session->config->local[i];
	}
	return 0;
}

/* The program at a lane's port has come, or has gone. */
static void on_twin(void *arg, unsigned int lane, const struct sharing_twin *twin)
{
	struct session *session = arg;
	int ret;

	if (session->ending)
		return;
	watch_close(&session->outer[lane]);
	carry_share(session->carry, lane, twin->fd, &twin->remote, twin->remote_len);
	session->status.unshared = lanes_unshared(session);
	if (twin->fd < 0) {
		agent_pause(&session->agent, lane);
		report_unshared(&session->report, session->config->local[lane], twin->why);
		session_show(session);
		return;
	}
	ret = lane_watch_outer(session, lane);
	if (ret < 0)
		log_error("a socket cannot be watched: %s", strerror(-ret));
	report_shared(&session->report, session->config->local[lane]);
	agent_resume(&session->agent, lane, session_now(session));
	session_show(session);
	session_arm(session);
}

static int lanes_watch(struct session *session)
{
	int ret = 0;

	for (unsigned int i = 0; ret == 0 && i < session->carry->count; i++) {
		ret = lane_watch_outer(session, i);
		if (ret == 0)
			ret = lane_watch_inner(session, i);
	}
	return ret;
}

/* Nothing is punched before there is a program whose port it is. */
static int lanes_share(struct session *session)
{
	struct sharing_config sharing = {
		.loop = &session->loop,
		.ports = session->config->local,
		.count = session->config->ports->count,
		.remote = session->carry->relay,
		.changed = on_twin,
		.arg = session,
	};

	for (unsigned int i = 0; i < session->agent.count; i++)
		agent_pause(&session->agent, i);
	return sharing_open(&sharing, &session->sharing);
}

int session_lanes_open(struct session *session)
{
	return session->config->share ? lanes_share(session) : lanes_watch(session);
}

void session_lanes_close(struct session *session)
{
	for (unsigned int i = 0; i < PORTS_MAX; i++) {
		watch_close(&session->outer[i]);
		watch_close(&session->inner[i]);
	}
	sharing_close(session->sharing);
	session->sharing = NULL;
}
