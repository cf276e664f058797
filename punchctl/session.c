/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/session.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <uv.h>

#include "common/log.h"
#include "common/mac.h"
#include "common/notify.h"
#include "punchctl/session_lanes.h"
#include "punchctl/signals.h"

static bool on_take(void *arg, unsigned int lane, const uint8_t *data, size_t len)
{
	struct session *session = arg;
	struct agent_datagram datagram = {
		.hole = lane, .from = session->carry->relay, .data = data, .len = len};

	return agent_input(&session->agent, &datagram, session_now(session));
}

static int on_send(void *arg, unsigned int lane, const void *data, size_t len)
{
	struct session *session = arg;

	return carry_send(session->carry, lane, data, len);
}

static void session_finish(struct session *session)
{
	session_lanes_close(session);
	uv_close((uv_handle_t *)&session->timer, NULL);
	uv_close((uv_handle_t *)&session->beat, NULL);
	uv_close((uv_handle_t *)&session->sigint, NULL);
	uv_close((uv_handle_t *)&session->sigterm, NULL);
	uv_close((uv_handle_t *)&session->sighup, NULL);
}

static void session_end(struct session *session, int ret)
{
	if (session->ending)
		return;
	session->ending = true;
	session->ret = ret;
	if (session->player.running)
		player_stop(&session->player);
	else
		session_finish(session);
}

static void on_signal(uv_signal_t *handle, int signum)
{
	(void)signum;
	session_end(handle->data, 0);
}

static void on_player_end(struct player *player, int64_t status, int signum)
{
	struct session *session = player->data;

	if (!session->ending) {
		report_player(&session->report, status, signum);
		session->ret = status == 0 && signum == 0 ? 0 : -ECANCELED;
		session->ending = true;
	}
	session_finish(session);
}

void session_show(struct session *session)
{
	char text[STATUS_TEXT];

	progress_show(&session->progress,
		status_punch_words(&session->status, session_now(session), text));
}

void session_media(struct session *session)
{
	if (!status_punch_media(&session->status, session_now(session)))
		return;
	if (!session->progress.live)
		report_media(&session->report, 0);
	session_show(session);
}

static void on_beat(uv_timer_t *timer)
{
	struct session *session = timer->data;
	uint64_t bytes = session->carry ? session->carry->counters.inward_bytes : 0;

	if (status_punch_tick(&session->status, bytes, session_now(session)) &&
		!session->progress.live)
		report_media(&session->report, STATUS_QUIET_MS);
	session_show(session);
}

static void session_play(struct session *session)
{
	struct player_config config = {
		.words = session->config->player,
		.path = session->config->sdp,
		.quiet = session->config->json,
	};
	int ret;

	if (!config.words)
		return;
	progress_share(&session->progress);
	session->player.data = session;
	session->player.ended = on_player_end;
	ret = player_start(&session->player, &session->loop, &config);
	if (ret == 0)
		return;
	log_error("%s: %s", config.words[0], strerror(-ret));
	session_end(session, -ECANCELED);
}

static void session_ready(struct session *session)
{
	session->ready = true;
	report_ready(&session->report);
	if (!session->config->share)
		session_play(session);
}

/* The operator may have made a new key, and this file may hold it already. */
static bool session_rekey(struct session *session)
{
	char key[TARGET_KEY], why[TARGET_WHY];
	bool changed;

	if (target_read_key(session->config->key_file, key, why) < 0)
		return false;
	changed = strcmp(key, session->key) != 0;
	if (changed) {
		report_key(&session->report);
		memcpy(session->key, key, sizeof(key));
		agent_set_key(&session->agent, key);
	}
	mac_wipe(key, sizeof(key));
	return changed;
}

static void on_event(void *arg, const struct agent_event *event)
{
	struct session *session = arg;

	if (session->ending)
		return;
	if (event->type == AGENT_FAILED && event->code == 401 && session_rekey(session))
		return;
	report_agent(&session->report, event);
	status_punch_event(&session->status, event, session_now(session));
	if (event->type == AGENT_FAILED)
		session_end(session, -ECANCELED);
	else if (event->type == AGENT_CONFLICT)
		session_lanes_renew(session, event->hole);
	else if (event->type == AGENT_SILENT || event->type == AGENT_UNREACHABLE)
		session->another = !session->ready && session->config->target->count > 1;
	else if (!session->ready && agent_is_open(&session->agent))
		session_ready(session);
	session_show(session);
}

static uint64_t wall_clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Sockets and agent for the relay's address in use. */
static int session_begin(struct session *session)
{
	const struct session_config *config = session->config;
	struct endpoint relay = config->target->relays[session->relay];
	struct carry_config carry = {
		.relay = relay,
		.players = config->local,
		.count = config->ports->count,
		.shared = config->share,
		.take = on_take,
		.arg = session,
	};
	struct agent_config agent = {
		.name = config->target->name,
		.key = session->key,
		.ports = config->ports,
		.relay = relay,
		.sequence = wall_clock_us(),
		.fixed = config->share,
		.send = on_send,
		.event = on_event,
		.arg = session,
	};
	int ret;

	session->report.relay = relay;
	ret = carry_open(&carry, &session->carry);
	if (ret == 0)
		ret = agent_init(&session->agent, &agent, session_now(session));
	if (ret == 0)
		ret = session_lanes_open(session);
	return ret;
}

/* The host has several addresses, and the one in use may be of a family that does not work here. */
static void session_move(struct session *session)
{
	int ret;

	session->another = false;
	session->status.trouble_ms = 0;
	session->relay = (session->relay + 1) % session->config->target->count;
	session_lanes_close(session);
	carry_close(session->carry);
	session->carry = NULL;
	ret = session_begin(session);
	if (ret == 0)
		return;
	log_error("sockets: %s", strerror(-ret));
	session_end(session, -ECANCELED);
}

static void on_timer(uv_timer_t *timer)
{
	struct session *session = timer->data;

	session->armed_ms = INT64_MAX;
	agent_tick(&session->agent, session_now(session));
	if (session->another && !session->ending)
		session_move(session);
	session_arm(session);
}

/* A timer that fires too early does no harm, so it is not moved for every batch. */
void session_arm(struct session *session)
{
	int64_t due = agent_deadline(&session->agent), now = session_now(session);

	if (session->ending || due >= session->armed_ms)
		return;
	session->armed_ms = due;
	uv_timer_start(&session->timer, on_timer, due > now ? (uint64_t)(due - now) : 0, 0);
}

int session_open(const struct session_config *config, struct session **out)
{
	struct session *session = calloc(1, sizeof(*session));
	int ret;

	if (!session)
		return -ENOMEM;
	ret = uv_loop_init(&session->loop);
	if (ret < 0) {
		free(session);
		return ret;
	}
	session->config = config;
	session->armed_ms = INT64_MAX;
	session->report = (struct report){
		.json = config->json, .stream = config->target->name, .key_file = config->key_file};
	snprintf(session->key, sizeof(session->key), "%s", config->key);
	session->status = (struct status_punch){
		.stream = config->target->name,
		.relay = &session->report.relay,
		.ports = config->ports->count,
		.shared = config->share,
	};
	uv_timer_init(&session->loop, &session->timer);
	uv_timer_init(&session->loop, &session->beat);
	session->timer.data = session->beat.data = session;
	signals_watch(&session->loop, &session->sigint, on_signal, SIGINT, session);
	signals_watch(&session->loop, &session->sigterm, on_signal, SIGTERM, session);
	signals_watch(&session->loop, &session->sighup, on_signal, SIGHUP, session);
	ret = session_begin(session);
	if (ret == 0) {
		*out = session;
		return 0;
	}
	session_end(session, ret);
	session_close(session);
	return ret;
}

int session_run(struct session *session)
{
	const struct session_config *config = session->config;

	report_start(&session->report, config->ports, config->local, config->sdp);
	notify_ready();
	progress_begin(&session->progress, config->plain || config->json);
	session->status.lasting = session->progress.unit;
	session_show(session);
	uv_timer_start(&session->beat, on_beat, PROGRESS_MS, PROGRESS_MS);
	session_arm(session);
	if (config->share)
		session_play(session);
	uv_run(&session->loop, UV_RUN_DEFAULT);
	progress_end(&session->progress);
	if (session->carry)
		report_end(&session->report, &session->carry->counters);
	return session->ret;
}

void session_close(struct session *session)
{
	session_end(session, 0);
	uv_run(&session->loop, UV_RUN_DEFAULT);
	uv_loop_close(&session->loop);
	carry_close(session->carry);
	agent_fini(&session->agent);
	mac_wipe(session->key, sizeof(session->key));
	free(session);
}
