/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/punch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "relayd/loop.h"
#include "relayd/punch_inner.h"

/* Answers that are larger than their question, per source prefix and in all, a second. */
#define UNPADDED_PER_SECOND 5
#define UNPADDED_BURST	    20
#define UNPADDED_TOTAL	    500
/* An unproven datagram may move a raw punch no oftener. */
#define RAW_MOVE_MS 1000

void punch_init(struct punch *punch, struct stream_table *table, const char *realm, int64_t now_ms)
{
	memset(punch, 0, sizeof *punch);
	punch->table = table;
	punch->realm = realm;
	nonce_init(&punch->nonce, now_ms);
	limit_init(&punch->limit, UNPADDED_PER_SECOND, UNPADDED_BURST, UNPADDED_TOTAL);
	behaviour_init(&punch->behaviour, &punch->limit);
}

const char *punch_count_text(enum punch_count count)
{
	static const char *const text[PUNCH_COUNTS] = {
		[PUNCH_ACCEPTED] = "accepted",
		[PUNCH_REPEATED] = "repeated",
		[PUNCH_BINDING] = "binding",
		[PUNCH_CHALLENGED] = "challenged",
		[PUNCH_NOT_REQUEST] = "not_request",
		[PUNCH_MALFORMED] = "malformed",
		[PUNCH_UNPADDED] = "unpadded",
		[PUNCH_INCOMPLETE] = "incomplete",
		[PUNCH_STALE_NONCE] = "stale_nonce",
		[PUNCH_UNKNOWN_USER] = "unknown_user",
		[PUNCH_WRONG_KEY] = "wrong_key",
		[PUNCH_REPLAYED] = "replayed",
		[PUNCH_FORBIDDEN] = "forbidden",
		[PUNCH_CLAIMED] = "claimed",
		[PUNCH_UNKNOWN_ATTRIBUTE] = "unknown_attribute",
		[PUNCH_FAILED] = "failed",
		[PUNCH_RAW] = "raw",
		[PUNCH_PARTNER] = "partner",
		[PUNCH_PEER] = "peer",
		[PUNCH_BUSY] = "busy",
		[PUNCH_DRAINING] = "draining",
		[PUNCH_FULL] = "full",
		[PUNCH_SPENT] = "over_quota",
		[PUNCH_SEEN] = "seen",
	};

	return text[count];
}

bool punch_is_share(const struct punch *punch, const struct punch_packet *packet)
{
	return punch->share_low && packet->local.port >= punch->share_low &&
	       packet->local.port <= punch->share_high;
}

/* An answer to somebody unproven leaves if it is no larger than the question, or the prefix has a
 * token. */
static void answer_unproven(struct punch *punch, const struct request *request,
	struct punch_answer *answer, int64_t now_ms)
{
	if (answer->len <= request->packet->len ||
		limit_take(&punch->limit, &request->packet->source.addr, now_ms))
		return;
	answer->len = 0;
	punch->counts[PUNCH_UNPADDED]++;
}

/* 401 and 438 carry what the next request needs (RFC 8489, section 9.2.4). */
void punch_challenge(struct punch *punch, const struct request *request, uint16_t code,
	int64_t now_ms, struct punch_answer *answer)
{
	const struct nonce_binding binding = {request->packet->source, request->packet->local};
	char text[NONCE_TEXT];
	struct buf buf;

	/* With the algorithms if the question paid for it, else as RFC 5389 has it. */
	for (int algorithms = 1; algorithms >= 0; algorithms--) {
		nonce_make(&punch->nonce, &binding, algorithms, now_ms, text);
		punch_begin(&buf, answer->data, STUN_ERROR, request);
		stun_put_error(&buf, code, code == 401 ? "Unauthenticated" : "Stale Nonce");
		stun_put_text(&buf, STUN_REALM, punch->realm);
		stun_put_text(&buf, STUN_NONCE, text);
		if (algorithms)
			stun_put_algorithms(&buf);
		answer->len = stun_end(&buf);
		if (answer->len <= request->packet->len)
			break;
	}
	answer_unproven(punch, request, answer, now_ms);
}

static void plain_error(struct punch *punch, const struct request *request, uint16_t code,
	int64_t now_ms, struct punch_answer *answer)
{
	struct buf buf;

	punch_begin(&buf, answer->data, STUN_ERROR, request);
	stun_put_error(&buf, code, "");
	if (code == 420)
		stun_put_unknown(&buf, &request->stun);
	answer->len = stun_end(&buf);
	answer_unproven(punch, request, answer, now_ms);
}

/* As this module counts: what it was, and besides if it went without an answer. */
static enum punch_count plain_count(enum behaviour_count count)
{
	static const enum punch_count counts[BEHAVIOUR_COUNTS] = {
		[BEHAVIOUR_ANSWERED] = PUNCH_BINDING,
		[BEHAVIOUR_ELSEWHERE] = PUNCH_BINDING,
		[BEHAVIOUR_FORWARDED] = PUNCH_BINDING,
		[BEHAVIOUR_EMITTED] = PUNCH_PARTNER,
		[BEHAVIOUR_UNPADDED] = PUNCH_BINDING,
		[BEHAVIOUR_LIMITED] = PUNCH_BINDING,
		[BEHAVIOUR_SILENT] = PUNCH_NOT_REQUEST,
		[BEHAVIOUR_REFUSED] = PUNCH_INCOMPLETE,
		[BEHAVIOUR_MALFORMED] = PUNCH_MALFORMED,
		[BEHAVIOUR_HELLO] = PUNCH_PARTNER,
		[BEHAVIOUR_STRANGER] = PUNCH_FORBIDDEN,
		[BEHAVIOUR_STALE] = PUNCH_REPLAYED,
	};

	return counts[count];
}

/* What carries no credentials: stun is NULL where it is not STUN of today. */
static enum punch_count plain(struct punch *punch, const struct punch_packet *packet,
	const struct stun *stun, int64_t now_ms, struct punch_answer *answer)
{
	const struct behaviour_packet in = {
		packet->data, packet->len, packet->source, packet->local};
	struct behaviour_answer out = {.data = answer->data};
	enum behaviour_count count;

	if (!stun)
		count = behaviour_rfc3489(&punch->behaviour, &in, now_ms, &out);
	else if (stun->type == STUN_INDICATION)
		count = behaviour_partner(&punch->behaviour, &in, stun, now_ms, &out);
	else
		count = behaviour_request(&punch->behaviour, &in, stun, now_ms, &out);
	answer->len = out.len;
	answer->from = out.from;
	answer->to = out.to;
	punch->counts[PUNCH_UNPADDED] += count == BEHAVIOUR_UNPADDED || count == BEHAVIOUR_LIMITED;
	return plain_count(count);
}

/* The algorithm that the request uses, or 0: somebody took the better one away (section 9.2.4). */
static enum stun_algorithm algorithm(const struct request *request)
{
	static const uint8_t ours[] = {0, STUN_SHA256, 0, 0, 0, STUN_MD5, 0, 0};
	const struct stun_bytes *list = &request->stun.algorithms;

	if (!request->nonce.algorithms || (!list->p && !request->stun.algorithm))
		return STUN_MD5;
	if (!list->p || list->len != sizeof ours || memcmp(list->p, ours, sizeof ours))
		return 0;
	if (request->stun.algorithm == STUN_MD5 || request->stun.algorithm == STUN_SHA256)
		return (enum stun_algorithm)request->stun.algorithm;
	return 0;
}

/* Finds what is punched for and proves the key; what is not there takes as long as a wrong key. */
static enum punch_count prove(struct punch *punch, struct request *request)
{
	const struct stun *stun = &request->stun;
	enum stun_algorithm which = algorithm(request);

	if (!which)
		return PUNCH_INCOMPLETE;
	punch_find(punch->table, request);
	request->key_len = stun_key(which, stun->username, stun->realm,
		request->stream ? request->stream->spec.key : "no such stream", request->key);
	if (!stun_verify(stun, request->key, request->key_len))
		return request->stream ? PUNCH_WRONG_KEY : PUNCH_UNKNOWN_USER;
	return request->stream ? PUNCH_ACCEPTED : PUNCH_UNKNOWN_USER;
}

static enum punch_count proven(struct punch *punch, const struct request *request, int64_t now_ms,
	struct punch_answer *answer)
{
	if (request->stun.unknown_count) {
		answer->len = punch_error(request, 420, "", answer->data);
		return PUNCH_UNKNOWN_ATTRIBUTE;
	}
	if (!punch_allowed(punch, request->stream, &request->packet->source)) {
		bool own = punch->own && punch->own(punch->own_data, &request->packet->source.addr);

		answer->len = punch_error(request, 403,
			own ? "a client on the relay itself would be a loop"
			    : "not from this address",
			answer->data);
		return PUNCH_FORBIDDEN;
	}
	if (!request->stun.peer.p && punch_is_share(punch, request->packet)) {
		answer->len = punch_error(request, 403, "this port is for peers", answer->data);
		return PUNCH_FORBIDDEN;
	}
	if (request->stun.peer.p)
		return punch_hello(punch, request, now_ms, answer);
	return punch_claim(punch, request, now_ms, answer);
}

static enum punch_count authenticate(
	struct punch *punch, struct request *request, int64_t now_ms, struct punch_answer *answer)
{
	const struct nonce_binding where = {request->packet->source, request->packet->local};
	const struct stun *stun = &request->stun;
	bool truncated = stun->integrity256 && stun->integrity256_len != MAC_SHA256;
	enum punch_count verdict;

	if (!stun->username.p || !stun->realm.p || !stun->nonce.p || truncated) {
		plain_error(punch, request, 400, now_ms, answer);
		return PUNCH_INCOMPLETE;
	}
	/* Before the user is looked up: a forged source costs one hash (the RFC has it after). */
	if (!nonce_verify(&punch->nonce, &where, stun->nonce.p, stun->nonce.len, now_ms,
		    &request->nonce)) {
		punch_challenge(punch, request, 438, now_ms, answer);
		return PUNCH_STALE_NONCE;
	}
	verdict = prove(punch, request);
	if (verdict == PUNCH_INCOMPLETE)
		plain_error(punch, request, 400, now_ms, answer);
	else if (verdict != PUNCH_ACCEPTED)
		punch_challenge(punch, request, 401, now_ms, answer);
	else
		verdict = proven(punch, request, now_ms, answer);
	explicit_bzero(request->key, sizeof request->key);
	return verdict;
}

/* A datagram to a raw punch port: no proof, so it moves nothing that a proven punch has. */
static void handle_raw(struct punch *punch, const struct punch_packet *packet, int64_t now_ms,
	struct punch_answer *answer)
{
	const struct hole hole = {packet->source, packet->local};
	struct slot *slot = packet->raw;
	bool held = slot->want.client.addr.family != 0;
	bool same = held && endpoint_equal(&slot->want.client, &hole.client) &&
		    endpoint_equal(&slot->want.punch, &hole.punch);
	bool moved;

	/* The socket may live a little longer than the slot. */
	if (slot->gone)
		return;
	if (!punch_allowed(punch, slot->stream, &packet->source) ||
		loop_is_known(slot, &hole.client, now_ms)) {
		punch->counts[PUNCH_FORBIDDEN]++;
		return;
	}
	if (held && !same && (!slot->raw || now_ms - slot->punched_ms < RAW_MOVE_MS)) {
		punch->counts[PUNCH_CLAIMED]++;
		return;
	}
	/* One refresh a second is enough for the kernel. */
	if (same && now_ms - slot->punched_ms < RAW_MOVE_MS)
		return;
	if (punch_is_lane(punch, &hole.client) ||
		slot_claim(punch->table, slot, &hole, now_ms, &moved)) {
		punch->counts[PUNCH_CLAIMED]++;
		return;
	}
	slot->raw = true;
	punch->counts[PUNCH_RAW]++;
	answer->slot = slot;
}

void punch_handle(struct punch *punch, const struct punch_packet *packet, int64_t now_ms,
	struct punch_answer *answer)
{
	struct request request = {.packet = packet};
	const struct stun *stun = &request.stun;

	answer->len = answer->failure_len = 0;
	answer->slot = NULL;
	answer->from.addr.family = answer->to.addr.family = 0;
	if (packet->raw) {
		handle_raw(punch, packet, now_ms, answer);
		return;
	}
	if (behaviour_is_rfc3489(&punch->behaviour, packet->local.port)) {
		punch->counts[plain(punch, packet, NULL, now_ms, answer)]++;
		return;
	}
	if (stun_parse(packet->data, packet->len, &request.stun)) {
		punch->counts[PUNCH_MALFORMED]++;
		return;
	}
	if (stun->type == STUN_INDICATION && stun->partner.p) {
		punch->counts[plain(punch, packet, stun, now_ms, answer)]++;
		return;
	}
	if (stun->type != STUN_REQUEST) {
		bool ours = punch->discover && discover_answer(punch->discover, &packet->source,
						       &packet->local, stun, now_ms);

		punch->counts[ours ? PUNCH_SEEN : PUNCH_NOT_REQUEST]++;
		return;
	}
	/* Streams leave from the punch port alone, so a hole to the other would stay dry. */
	if (behaviour_is_alternate(&punch->behaviour, packet->local.port) &&
		(stun->integrity || stun->integrity256 || stun->username.p)) {
		punch->counts[PUNCH_FORBIDDEN]++;
		plain_error(punch, &request, 400, now_ms, answer);
	} else if (stun->integrity || stun->integrity256) {
		punch->counts[authenticate(punch, &request, now_ms, answer)]++;
	} else if (stun->unknown_count) {
		punch->counts[PUNCH_UNKNOWN_ATTRIBUTE]++;
		plain_error(punch, &request, 420, now_ms, answer);
	} else if (stun->username.p) {
		punch->counts[PUNCH_CHALLENGED]++;
		punch_challenge(punch, &request, 401, now_ms, answer);
	} else if (punch_is_share(punch, packet)) {
		punch->counts[PUNCH_NOT_REQUEST]++;
	} else {
		punch->counts[plain(punch, packet, stun, now_ms, answer)]++;
	}
}
