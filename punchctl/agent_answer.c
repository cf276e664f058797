/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/agent.h"

#include <string.h>

#include "common/mac.h"
#include "punchctl/agent_hole.h"

#define KEEPALIVE_MIN_MS 500
#define CONSENT_DEFAULT	 45 /* seconds, of a relay that does not say */
#define HURRIES_MAX	 3  /* new requests at once, before a pause of PAUSE_MS between them */
#define CONFLICTS_MAX	 5
#define REJECTIONS_MIN	 3
#define PAUSE_MS	 1000

/* A new transaction after pause_ms; an answer to the one that waits is still good until then. */
static void hole_renew(struct agent_hole *hole, int64_t now_ms, int64_t pause_ms)
{
	hole->renew = true;
	hole->next_ms = now_ms + pause_ms;
}

/* At once, but not in a circle. */
static void hole_hurry(struct agent *agent, struct agent_hole *hole, int64_t now_ms)
{
	if (hole->hurries++ < HURRIES_MAX)
		hole_punch(agent, hole, now_ms);
	else
		hole_renew(hole, now_ms, PAUSE_MS);
}

static void hole_keepalive(struct agent_hole *hole, uint32_t consent, int64_t now_ms)
{
	uint32_t random;

	mac_random(&random, sizeof(random));
	if (consent == 0)
		consent = CONSENT_DEFAULT;
	hole->keepalive_ms = agent_min(AGENT_KEEPALIVE_MS, (int64_t)consent * 1000 / 3);
	if (hole->keepalive_ms < KEEPALIVE_MIN_MS)
		hole->keepalive_ms = KEEPALIVE_MIN_MS;
	hole->next_ms = now_ms + hole->keepalive_ms * (800 + random % 401) / 1000;
}

/* The relay has answered, and proved it. */
static void hole_answered(struct agent *agent, struct agent_hole *hole, int64_t now_ms)
{
	struct agent_event event = hole_event(agent, hole, AGENT_BACK);
	bool trouble = agent->lost || agent->unreachable;

	hole->waiting = hole->renew = hole->overdue = false;
	hole->answered_ms = now_ms;
	hole->hurries = hole->rejections = 0;
	hole->strange = 0;
	agent->unreachable = false;
	for (unsigned int i = 0; i < agent->count; i++) {
		if (agent->holes[i].overdue)
			return;
	}
	agent->lost = false;
	/* Of one that was never open, what follows says enough. */
	if (trouble && hole_is_open(hole))
		agent_emit(agent, &event);
}

/* Where one mapping has moved, the others have too, but for those that were answered since. */
static void agent_hasten(struct agent *agent, const struct agent_hole *moved, int64_t now_ms)
{
	for (unsigned int i = 0; i < agent->count; i++) {
		struct agent_hole *hole = &agent->holes[i];

		if (!hole->waiting && hole->answered_ms < moved->began_ms)
			hole->next_ms = agent_min(hole->next_ms, now_ms);
	}
}

static void hole_success(
	struct agent *agent, struct agent_hole *hole, const struct stun *answer, int64_t now_ms)
{
	struct agent_event event;
	bool was_open = hole_is_open(hole);
	bool moved = was_open && !endpoint_equal(&hole->mapped, &answer->mapped);
	bool say = moved || !was_open || hole->refused;

	hole_answered(agent, hole, now_ms);
	event = hole_event(agent, hole, moved ? AGENT_MOVED : AGENT_PUNCHED);
	event.old = hole->mapped;
	event.mapped = hole->mapped = answer->mapped;
	hole->refused = 0;
	hole->refusals = hole->conflicts = 0;
	if (moved)
		agent_hasten(agent, hole, now_ms);
	hole_keepalive(hole, answer->consent, now_ms);
	if (say)
		agent_emit(agent, &event);
}

static void event_set_reason(struct agent_event *event, const struct stun *answer)
{
	size_t len = answer->reason.len < AGENT_REASON ? answer->reason.len : AGENT_REASON - 1;

	event->code = answer->error;
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = answer->reason.p[i];

		event->reason[i] = byte >= ' ' && byte < 0x7f ? (char)byte : '?';
	}
}

static void hole_fail(struct agent *agent, struct agent_hole *hole, const struct stun *answer)
{
	struct agent_event event = hole_event(agent, hole, AGENT_FAILED);

	hole->failed = true;
	hole->waiting = false;
	event_set_reason(&event, answer);
	agent_emit(agent, &event);
}

/* Nobody proves a 401, so that a forged one must not end us: only a row of them with nothing else.
 */
static void hole_rejected(
	struct agent *agent, struct agent_hole *hole, const struct stun *answer, int64_t now_ms)
{
	if (hole->renew || proof_take(&hole->proof, answer, agent->key) < 0)
		return;
	if (!hole_is_open(hole))
		hole->answered_ms = now_ms; /* not silent: it ends with hole_fail() */
	if (hole->rejections++ == 0) {
		hole->rejected_ms = now_ms;
		hole_punch(agent, hole, now_ms);
	} else if (hole->rejections > REJECTIONS_MIN &&
		   now_ms - hole->rejected_ms >= AGENT_REJECT_MS) {
		hole_fail(agent, hole, answer);
	} else {
		hole_renew(hole, now_ms, PAUSE_MS);
	}
}

/* 401 to a request without credentials, 438: the nonce is what we wanted. */
static void hole_challenged(
	struct agent *agent, struct agent_hole *hole, const struct stun *answer, int64_t now_ms)
{
	if (hole->renew)
		return;
	hole->strange = answer->error;
	if (proof_take(&hole->proof, answer, agent->key) == 0)
		hole_hurry(agent, hole, now_ms);
}

/* The mapping is known for another port: by a new socket the NAT makes another. */
static bool hole_conflict(struct agent *agent, struct agent_hole *hole, int64_t now_ms)
{
	struct agent_event event = hole_event(agent, hole, AGENT_CONFLICT);

	if (hole->conflicts++ >= CONFLICTS_MAX)
		return false;
	hole->next_ms = now_ms;
	agent_emit(agent, &event);
	return true;
}

/* A refusal that the relay has proved. Before the first success it is final unless it may pass. */
static void hole_refused(
	struct agent *agent, struct agent_hole *hole, const struct stun *answer, int64_t now_ms)
{
	struct agent_event event = hole_event(agent, hole, AGENT_REFUSED);
	int64_t pause = PAUSE_MS << (hole->refusals < 3 ? hole->refusals : 3);
	bool passes = answer->error == 437; /* with another socket, or with the consent */

	hole_answered(agent, hole, now_ms);
	if (passes && !agent->config.fixed && hole_conflict(agent, hole, now_ms))
		return;
	passes = answer->error >= 500 || (passes && agent->config.fixed);
	if (!passes && !hole_is_open(hole)) {
		hole_fail(agent, hole, answer);
		return;
	}
	hole->refusals++;
	hole->next_ms = now_ms + agent_min(pause, AGENT_RETRY_MS);
	if (hole->refused == answer->error)
		return;
	hole->refused = answer->error;
	event_set_reason(&event, answer);
	agent_emit(agent, &event);
}

/* Our clock went back since the last run: go on where the relay is. */
static void hole_outrun(
	struct agent *agent, struct agent_hole *hole, uint64_t sequence, int64_t now_ms)
{
	unsigned int hurries = hole->hurries;

	if (agent->sequence < sequence)
		agent->sequence = sequence;
	hole_answered(agent, hole, now_ms);
	hole->hurries = hurries;
	hole_hurry(agent, hole, now_ms);
}

static void hole_error(
	struct agent *agent, struct agent_hole *hole, const struct stun *answer, int64_t now_ms)
{
	if (answer->error == 401 && hole->proven)
		hole_rejected(agent, hole, answer, now_ms);
	else if (answer->error == 401 || (answer->error == 438 && hole->proven))
		hole_challenged(agent, hole, answer, now_ms);
	else if (!proof_verify(&hole->proof, answer))
		hole->strange = answer->error;
	else if (answer->error == 400 && answer->has_sequence && answer->sequence < UINT64_MAX)
		hole_outrun(agent, hole, answer->sequence, now_ms);
	else
		hole_refused(agent, hole, answer, now_ms);
}

bool agent_input(struct agent *agent, const struct agent_datagram *datagram, int64_t now_ms)
{
	struct agent_hole *hole = &agent->holes[datagram->hole];
	struct stun answer;

	if (!stun_is(datagram->data, datagram->len) ||
		!endpoint_equal(&datagram->from, &agent->config.relay))
		return false;
	if (stun_parse(datagram->data, datagram->len, &answer) < 0)
		return false;
	if (answer.type != STUN_SUCCESS && answer.type != STUN_ERROR)
		return false;
	if (!hole->waiting || memcmp(answer.tid, hole->tid, STUN_TID) != 0)
		return true; /* late, or forged */
	if (answer.type == STUN_ERROR)
		hole_error(agent, hole, &answer, now_ms);
	else if (hole->proven && answer.mapped.addr.family && proof_verify(&hole->proof, &answer))
		hole_success(agent, hole, &answer, now_ms);
	else
		hole->strange = 200;
	return true;
}
