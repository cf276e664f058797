/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The exchange with the relay: hellos that prove the key and the hole, and what is answered. */
#include <string.h>

#include "punchctl/lane_inner.h"

#define KEEPALIVE_MS	 15000
#define KEEPALIVE_MIN_MS 500
#define CONSENT_DEFAULT	 45 /* seconds, of a relay that does not say */
#define SILENT_MS	 3000
#define REJECT_MS	 5000 /* of nothing but 401, before it is believed */
#define REJECTIONS_MIN	 3
#define HURRIES_MAX	 3 /* new requests at once, before a pause of PAUSE_MS between them */
#define CONFLICTS_MAX	 2
#define PAUSE_MS	 1000
#define RETRY_MS	 5000

/* A hello that is late delays a search, and costs data when the hole is gone. */
static const int64_t resend_ms[] = {200, 400, 800, 1600, 3200, RETRY_MS};

#define RESENDS (sizeof(resend_ms) / sizeof(resend_ms[0]))

static void request_send(struct lane *lane)
{
	struct lane_exchange *exchange = &lane->exchange;

	(void)lane->config.send(lane->config.arg, 0, &lane->config.relay, 0, exchange->request,
		exchange->request_len);
}

static void request_resend(struct lane *lane, int64_t now_ms)
{
	struct lane_exchange *exchange = &lane->exchange;
	size_t step = exchange->sends < RESENDS ? exchange->sends : RESENDS - 1;

	exchange->sends++;
	exchange->next_ms = now_ms + resend_ms[step];
	request_send(lane);
}

/* Without an address, and with a NAT that lets nothing through, the relay leads nobody to us. */
static void hello_hide(struct peer_hello *hello)
{
	hello->nat = (struct nat_report){.blocked = true};
	memset(hello->hosts, 0, sizeof(hello->hosts));
	hello->host_count = 0;
	memset(&hello->gateway, 0, sizeof(hello->gateway));
	hello->wants_direct = false;
}

static void request_make(struct lane *lane)
{
	struct lane_exchange *exchange = &lane->exchange;
	struct peer_hello hello = lane->hello;

	memcpy(hello.peer, lane->word.peer, sizeof(hello.peer));
	hello.heard = lane->word.serial;
	hello.round = lane->search.round.number;
	hello.progress = lane->search.progress;
	hello.last = lane->search.last;
	if (lane->relayed)
		hello_hide(&hello);
	mac_random(exchange->tid, sizeof(exchange->tid));
	exchange->said = hello.heard;
	exchange->proven = lane->proof.key_len > 0;
	exchange->request_len = proof_hello(
		&lane->proof, exchange->tid, ++lane->sequence, &hello, exchange->request);
}

static void request_begin(struct lane *lane, int64_t now_ms)
{
	struct lane_exchange *exchange = &lane->exchange;

	request_make(lane);
	if (!exchange->waiting)
		exchange->began_ms = now_ms;
	exchange->waiting = true;
	exchange->renew = exchange->dirty = false;
	exchange->sends = 0;
	exchange->sent_ms = now_ms;
	request_resend(lane, now_ms);
}

void lane_relay_open(struct lane *lane, int64_t now_ms)
{
	lane->exchange.next_ms = lane->exchange.answered_ms = now_ms;
	lane->exchange.keepalive_ms = KEEPALIVE_MS;
}

void lane_relay_bye(struct lane *lane)
{
	if (lane->failed || lane->proof.key_len == 0)
		return;
	lane->hello.bye = true;
	request_make(lane);
	request_send(lane);
}

void lane_relay_tell(struct lane *lane)
{
	/* Before the relay knows us the next hello says it anyway. */
	lane->exchange.dirty = lane->exchange.known;
}

void lane_relay_hasten(struct lane *lane, int64_t now_ms)
{
	lane->exchange.next_ms = lane_min(lane->exchange.next_ms, now_ms);
	lane->exchange.renew = true;
}

static int64_t overdue_ms(const struct lane *lane)
{
	const struct lane_exchange *exchange = &lane->exchange;

	if (exchange->overdue || !exchange->waiting)
		return INT64_MAX;
	return lane_max(exchange->began_ms, exchange->answered_ms) + SILENT_MS;
}

void lane_relay_tick(struct lane *lane, int64_t now_ms)
{
	struct lane_exchange *exchange = &lane->exchange;
	bool due = now_ms >= exchange->next_ms;
	struct lane_event event;

	if (lane->failed)
		return;
	if (exchange->dirty || (due && (!exchange->waiting || exchange->renew)))
		request_begin(lane, now_ms);
	else if (due)
		request_resend(lane, now_ms);
	if (now_ms < overdue_ms(lane))
		return;
	exchange->overdue = true;
	event = lane_event(lane, LANE_SILENT);
	event.ms = now_ms - exchange->answered_ms;
	lane_emit(lane, &event);
}

int64_t lane_relay_deadline(const struct lane *lane)
{
	if (lane->exchange.dirty)
		return 0;
	return lane_min(lane->exchange.next_ms, overdue_ms(lane));
}

/* A new transaction after pause_ms; an answer to the one that waits is still good until then. */
static void request_renew(struct lane *lane, int64_t now_ms, int64_t pause_ms)
{
	lane->exchange.renew = true;
	lane->exchange.next_ms = now_ms + pause_ms;
}

/* At once, but not in a circle. */
static void request_hurry(struct lane *lane, int64_t now_ms)
{
	if (lane->exchange.hurries++ < HURRIES_MAX)
		request_begin(lane, now_ms);
	else
		request_renew(lane, now_ms, PAUSE_MS);
}

/* The relay has answered, and proved it. */
static void relay_answered(struct lane *lane, int64_t now_ms)
{
	struct lane_exchange *exchange = &lane->exchange;
	struct lane_event event = lane_event(lane, LANE_BACK);
	bool overdue = exchange->overdue;

	/* One that was repeated does not say how long its answer took. */
	if (exchange->sends == 1 && now_ms > exchange->sent_ms)
		lane->hello.rtt_ms = (uint32_t)(now_ms - exchange->sent_ms);
	exchange->waiting = exchange->renew = exchange->overdue = false;
	exchange->answered_ms = now_ms;
	exchange->hurries = exchange->rejections = 0;
	if (overdue)
		lane_emit(lane, &event);
}

static void keepalive_set(struct lane *lane, uint32_t consent, int64_t now_ms)
{
	struct lane_exchange *exchange = &lane->exchange;

	if (consent == 0)
		consent = CONSENT_DEFAULT;
	exchange->keepalive_ms = lane_min(KEEPALIVE_MS, (int64_t)consent * 1000 / 3);
	exchange->keepalive_ms = lane_max(KEEPALIVE_MIN_MS, exchange->keepalive_ms);
	exchange->next_ms = now_ms + lane_jitter(exchange->keepalive_ms);
}

static void input_success(struct lane *lane, const struct stun *answer, int64_t now_ms)
{
	struct lane_exchange *exchange = &lane->exchange;
	bool moved = exchange->known && !endpoint_equal(&exchange->mapped, &answer->mapped);

	relay_answered(lane, now_ms);
	exchange->known = true;
	exchange->refused = 0;
	exchange->refusals = 0;
	exchange->mapped = answer->mapped;
	keepalive_set(lane, answer->consent, now_ms);
	if (moved)
		lane_direct_hasten(lane, now_ms);
	lane_word_take(lane, answer->peer, true, now_ms);
}

static void event_set_reason(struct lane_event *event, const struct stun *answer)
{
	size_t len = answer->reason.len;

	if (len >= sizeof(event->reason))
		len = sizeof(event->reason) - 1;
	event->code = answer->error;
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = answer->reason.p[i];

		event->reason[i] = byte >= ' ' && byte < 0x7f ? (char)byte : '?';
	}
}

static void relay_fail(struct lane *lane, const struct stun *answer)
{
	struct lane_event event = lane_event(lane, LANE_FAILED);

	lane->failed = true;
	event_set_reason(&event, answer);
	lane_emit(lane, &event);
}

/* Nobody proves a 401, so that a forged one must not end us: only a row of them with nothing else.
 */
static void input_rejected(struct lane *lane, const struct stun *answer, int64_t now_ms)
{
	struct lane_exchange *exchange = &lane->exchange;

	if (exchange->renew || proof_take(&lane->proof, answer, lane->key) < 0)
		return;
	if (!exchange->known)
		exchange->answered_ms = now_ms; /* not silent: it ends with relay_fail() */
	if (exchange->rejections++ == 0) {
		exchange->rejected_ms = now_ms;
		request_begin(lane, now_ms);
	} else if (exchange->rejections > REJECTIONS_MIN &&
		   now_ms - exchange->rejected_ms >= REJECT_MS) {
		relay_fail(lane, answer);
	} else {
		request_renew(lane, now_ms, PAUSE_MS);
	}
}

/* 401 to a request without credentials, 438: the nonce is what we wanted. */
static void input_challenged(struct lane *lane, const struct stun *answer, int64_t now_ms)
{
	if (!lane->exchange.renew && proof_take(&lane->proof, answer, lane->key) == 0)
		request_hurry(lane, now_ms);
}

/* The mapping carries something else, and will go on to: only a new socket helps. */
static void relay_conflict(struct lane *lane)
{
	struct lane_event event = lane_event(lane, LANE_CLOSED);

	if (lane->state == PEER_CLOSED)
		return;
	lane->state = PEER_CLOSED;
	lane_emit(lane, &event);
}

/* Before the first success a refusal is final, unless it may pass. */
static bool refusal_is_final(const struct lane *lane, uint16_t code)
{
	return !lane->exchange.known && code < 500 && code != 437 && code != 486;
}

/* A refusal that is proven. */
static void input_refused(struct lane *lane, const struct stun *answer, int64_t now_ms)
{
	struct lane_exchange *exchange = &lane->exchange;
	struct lane_event event = lane_event(lane, LANE_REFUSED);
	unsigned int shift = exchange->refusals < 3 ? exchange->refusals : 3;

	relay_answered(lane, now_ms);
	if (refusal_is_final(lane, answer->error)) {
		relay_fail(lane, answer);
		return;
	}
	/* 400: somebody else says hello as this lane. */
	if (++exchange->refusals > CONFLICTS_MAX && (answer->error == 437 || answer->error == 400))
		relay_conflict(lane);
	exchange->next_ms = now_ms + lane_min((int64_t)PAUSE_MS << shift, RETRY_MS);
	if (exchange->refused == answer->error)
		return;
	exchange->refused = answer->error;
	event_set_reason(&event, answer);
	lane_emit(lane, &event);
}

/* Our clock went back since the last run: go on where the relay is. */
static void input_outrun(struct lane *lane, uint64_t sequence, int64_t now_ms)
{
	unsigned int hurries = lane->exchange.hurries;

	if (lane->sequence < sequence)
		lane->sequence = lane->floor = sequence;
	relay_answered(lane, now_ms);
	lane->exchange.hurries = hurries;
	request_hurry(lane, now_ms);
}

static void input_error(struct lane *lane, const struct stun *answer, int64_t now_ms)
{
	if (answer->error == 401 && lane->exchange.proven)
		input_rejected(lane, answer, now_ms);
	else if (answer->error == 401 || (answer->error == 438 && lane->exchange.proven))
		input_challenged(lane, answer, now_ms);
	else if (!proof_verify(&lane->proof, answer))
		return;
	else if (answer->error == 400 && answer->has_sequence && answer->sequence < UINT64_MAX)
		input_outrun(lane, answer->sequence, now_ms);
	else
		input_refused(lane, answer, now_ms);
}

/*
 * All lanes of a stream have the same key: a word that was for another one names a sequence that
 * was never ours.
 */
static bool word_is_ours(const struct lane *lane, const struct stun *stun)
{
	return stun->has_sequence && stun->sequence > lane->floor &&
	       stun->sequence <= lane->sequence && proof_verify(&lane->proof, stun);
}

bool lane_relay_input(struct lane *lane, const struct stun *stun, int64_t now_ms)
{
	const struct lane_exchange *exchange = &lane->exchange;

	if (stun->type == STUN_INDICATION) {
		if (!exchange->known || !word_is_ours(lane, stun))
			return false;
		lane_word_take(lane, stun->peer, false, now_ms);
		return true;
	}
	if (stun->type != STUN_SUCCESS && stun->type != STUN_ERROR)
		return false;
	if (!exchange->waiting || memcmp(stun->tid, exchange->tid, STUN_TID) != 0)
		return true; /* late, or forged: who can tell */
	if (stun->type == STUN_ERROR)
		input_error(lane, stun, now_ms);
	else if (exchange->proven && stun->mapped.addr.family && proof_verify(&lane->proof, stun))
		input_success(lane, stun, now_ms);
	return true;
}
