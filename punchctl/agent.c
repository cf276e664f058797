/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/agent.h"

#include <errno.h>
#include <string.h>

#include "common/mac.h"
#include "punchctl/agent_hole.h"

#define STEADY_GAP_MS 500 /* packets that follow each other within this are a row, and so */
#define STEADY_COUNT  16  /* many of them are a stream whose silence means something */
/* A stream is silent after so many times its longest pause, within limits; see hole_silence_ms().
 */
#define SILENCE_GAPS	 5
#define SILENCE_MIN_MS	 250
#define SILENCE_MAX_MS	 1000
#define SILENCE_AGAIN_MS 2000 /* and then twice as long each time */

/* Faster than RFC 8489, section 6.2.1: a hole that is gone costs media. */
static const int64_t resend_ms[] = {250, 500, 1000, 2000, 4000, AGENT_RETRY_MS};

#define RESENDS (sizeof(resend_ms) / sizeof(resend_ms[0]))

int agent_init(struct agent *agent, const struct agent_config *config, int64_t now_ms)
{
	memset(agent, 0, sizeof(*agent));
	if (config->ports->count == 0 || strlen(config->key) >= sizeof(agent->key))
		return -EINVAL;
	agent->config = *config;
	agent->sequence = config->sequence;
	agent->count = config->ports->count;
	memcpy(agent->key, config->key, strlen(config->key) + 1);
	for (unsigned int i = 0; i < agent->count; i++) {
		struct agent_hole *hole = &agent->holes[i];

		hole->port = config->ports->port[i];
		if (proof_init(&hole->proof, config->name, hole->port) < 0)
			return -EINVAL;
		hole->next_ms = hole->answered_ms = now_ms;
		hole->keepalive_ms = AGENT_KEEPALIVE_MS;
	}
	return 0;
}

void agent_fini(struct agent *agent)
{
	mac_wipe(agent, sizeof(*agent));
}

void agent_set_key(struct agent *agent, const char *key)
{
	if (strlen(key) >= sizeof(agent->key))
		return;
	memcpy(agent->key, key, strlen(key) + 1);
	for (unsigned int i = 0; i < agent->count; i++) {
		struct agent_hole *hole = &agent->holes[i];

		proof_reset(&hole->proof);
		hole->failed = hole->waiting = false;
		hole->hurries = hole->rejections = 0;
		hole->next_ms = 0;
	}
}

void agent_pause(struct agent *agent, unsigned int hole)
{
	agent->holes[hole].paused = true;
	agent->holes[hole].waiting = agent->holes[hole].overdue = false;
}

void agent_resume(struct agent *agent, unsigned int hole_index, int64_t now_ms)
{
	struct agent_hole *hole = &agent->holes[hole_index];

	hole->paused = hole->waiting = hole->overdue = false;
	hole->hurries = 0;
	hole->next_ms = hole->answered_ms = now_ms;
}

bool agent_is_open(const struct agent *agent)
{
	for (unsigned int i = 0; i < agent->count; i++) {
		if (agent->holes[i].mapped.addr.family == 0)
			return false;
	}
	return true;
}

struct agent_event hole_event(
	const struct agent *agent, const struct agent_hole *hole, enum agent_event_type type)
{
	return (struct agent_event){
		.type = type,
		.hole = (unsigned int)(hole - agent->holes),
		.port = hole->port,
		.mapped = hole->mapped,
	};
}

void agent_emit(struct agent *agent, const struct agent_event *event)
{
	agent->config.event(agent->config.arg, event);
}

static void hole_send(struct agent *agent, struct agent_hole *hole)
{
	unsigned int index = (unsigned int)(hole - agent->holes);
	struct agent_event event;
	int ret;

	ret = agent->config.send(agent->config.arg, index, hole->request, hole->request_len);
	if (ret == 0 || agent->unreachable)
		return;
	agent->unreachable = true;
	event = hole_event(agent, hole, AGENT_UNREACHABLE);
	event.error = -ret;
	agent_emit(agent, &event);
}

static void hole_resend(struct agent *agent, struct agent_hole *hole, int64_t now_ms)
{
	size_t step = hole->sends < RESENDS ? hole->sends : RESENDS - 1;

	hole->sends++;
	hole->next_ms = now_ms + resend_ms[step];
	hole_send(agent, hole);
}

void hole_punch(struct agent *agent, struct agent_hole *hole, int64_t now_ms)
{
	mac_random(hole->tid, sizeof(hole->tid));
	hole->proven = hole->proof.key_len > 0;
	hole->request_len =
		proof_request(&hole->proof, hole->tid, ++agent->sequence, hole->request);
	hole->waiting = true;
	hole->renew = false;
	hole->sends = 0;
	hole->began_ms = now_ms;
	hole_resend(agent, hole, now_ms);
}

static bool hole_is_steady(const struct agent_hole *hole)
{
	return hole->streak >= STEADY_COUNT;
}

/* When the relay's silence is to be said. */
static int64_t hole_overdue_ms(const struct agent_hole *hole)
{
	int64_t due;

	if (hole->overdue || !hole->waiting)
		return INT64_MAX;
	if (hole->refused) /* and there was a pause */
		return hole->began_ms + AGENT_SILENT_MS;
	if (!hole_is_open(hole))
		return hole->answered_ms + AGENT_SILENT_MS;
	due = hole->answered_ms + 3 * hole->keepalive_ms;
	/* Without media and without an answer it is sure sooner. */
	if (hole_is_steady(hole) && hole->repunch_ms > SILENCE_MAX_MS &&
		due > hole->began_ms + AGENT_SILENT_MS)
		due = hole->began_ms + AGENT_SILENT_MS;
	return due;
}

static void hole_overdue(struct agent *agent, struct agent_hole *hole, int64_t now_ms)
{
	bool open = hole_is_open(hole);
	struct agent_event event = hole_event(agent, hole, open ? AGENT_LOST : AGENT_SILENT);

	hole->overdue = true;
	event.ms = now_ms - hole->answered_ms;
	event.code = hole->strange;
	if (!agent->lost)
		agent_emit(agent, &event);
	agent->lost = true;
}

/* When the next punch for silence is due; they never follow each other within SILENCE_MAX_MS. */
static int64_t hole_silence_ms(const struct agent_hole *hole)
{
	int64_t due = hole->media_ms + hole->repunch_ms;
	int64_t soonest = hole->repunched_ms + SILENCE_MAX_MS;

	/* From there on the keepalives are enough. */
	if (!hole_is_steady(hole) || hole->repunch_ms > hole->keepalive_ms)
		return INT64_MAX;
	return due > soonest ? due : soonest;
}

/* The media has stopped: it may be the NAT, that has forgotten us. */
static void hole_repunch(struct agent *agent, struct agent_hole *hole, int64_t now_ms)
{
	hole->repunched_ms = now_ms;
	hole->repunch_ms *= 2;
	if (hole->repunch_ms < SILENCE_AGAIN_MS)
		hole->repunch_ms = SILENCE_AGAIN_MS;
	if (hole->waiting)
		hole_send(agent, hole);
	else
		hole_punch(agent, hole, now_ms);
}

static void hole_tick(struct agent *agent, struct agent_hole *hole, int64_t now_ms)
{
	if (now_ms >= hole_silence_ms(hole))
		hole_repunch(agent, hole, now_ms);
	if (now_ms >= hole->next_ms) {
		if (hole->waiting && !hole->renew)
			hole_resend(agent, hole, now_ms);
		else
			hole_punch(agent, hole, now_ms);
	}
	if (now_ms >= hole_overdue_ms(hole))
		hole_overdue(agent, hole, now_ms);
}

void agent_tick(struct agent *agent, int64_t now_ms)
{
	for (unsigned int i = 0; i < agent->count; i++) {
		if (!agent->holes[i].failed && !agent->holes[i].paused)
			hole_tick(agent, &agent->holes[i], now_ms);
	}
}

int64_t agent_deadline(const struct agent *agent)
{
	int64_t due = INT64_MAX;

	for (unsigned int i = 0; i < agent->count; i++) {
		const struct agent_hole *hole = &agent->holes[i];

		if (hole->failed || hole->paused)
			continue;
		due = agent_min(due, hole->next_ms);
		due = agent_min(due, hole_overdue_ms(hole));
		due = agent_min(due, hole_silence_ms(hole));
	}
	return due;
}

static int64_t silence_of(int64_t gap_ms)
{
	int64_t silence = gap_ms * SILENCE_GAPS;

	if (silence < SILENCE_MIN_MS)
		return SILENCE_MIN_MS;
	return agent_min(silence, SILENCE_MAX_MS);
}

void agent_media(struct agent *agent, unsigned int hole_index, unsigned int count, int64_t now_ms)
{
	struct agent_hole *hole = &agent->holes[hole_index];
	int64_t gap = now_ms - hole->media_ms;

	if (gap > STEADY_GAP_MS) {
		hole->streak = 0;
		hole->gap_ms = gap = 0;
	}
	/* The longest pause, which is forgotten in the course of a hundred batches. */
	hole->gap_ms -= (hole->gap_ms + 31) / 32;
	if (hole->gap_ms < gap)
		hole->gap_ms = gap;
	hole->streak = hole->streak + count < STEADY_COUNT ? hole->streak + count : STEADY_COUNT;
	hole->media_ms = now_ms;
	hole->repunch_ms = silence_of(hole->gap_ms);
}
