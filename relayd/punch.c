/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/punch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Answers that are larger than their question, per source prefix and in all, a second. */
#define UNPADDED_PER_SECOND 5
#define UNPADDED_BURST	    20
#define UNPADDED_TOTAL	    500
/* An unproven datagram may move a raw punch no oftener. */
#define RAW_MOVE_MS 1000

/* A request on its way through the checks. */
struct request {
	const struct punch_packet *packet;
	struct stun stun;
	struct nonce_facts nonce;
	struct slot *slot;
	uint8_t key[STUN_KEY_MAX];
	size_t key_len;
};

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
	};

	return text[count];
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

static void begin(struct buf *buf, uint8_t *out, uint16_t type, const struct request *request)
{
	buf_init(buf, out, PUNCH_ANSWER_MAX);
	stun_begin(buf, type, request->stun.tid);
}

static void sign(struct buf *buf, const struct request *request)
{
	if (request->stun.integrity256)
		stun_put_integrity256(buf, request->key, request->key_len);
	else
		stun_put_integrity(buf, request->key, request->key_len);
}

/* 401 and 438 carry what the next request needs (RFC 8489, section 9.2.4). */
static void challenge(struct punch *punch, const struct request *request, uint16_t code,
	int64_t now_ms, struct punch_answer *answer)
{
	const struct nonce_binding binding = {request->packet->source, request->packet->local};
	char text[NONCE_TEXT];
	struct buf buf;

	/* With the algorithms if the question paid for it, else as RFC 5389 has it. */
	for (int algorithms = 1; algorithms >= 0; algorithms--) {
		nonce_make(&punch->nonce, &binding, algorithms, now_ms, text);
		begin(&buf, answer->data, STUN_ERROR, request);
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

	begin(&buf, answer->data, STUN_ERROR, request);
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

static size_t proven_error(
	const struct request *request, uint16_t code, const char *reason, uint8_t *out)
{
	struct buf buf;

	begin(&buf, out, STUN_ERROR, request);
	stun_put_error(&buf, code, reason);
	if (code == 420)
		stun_put_unknown(&buf, &request->stun);
	if (code == 400)
		stun_put_sequence(&buf, request->slot->sequence);
	sign(&buf, request);
	return stun_end(&buf);
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

/* "NAME" is the stream's first port, "NAME:PORT" that one. */
static struct slot *find_slot(
	const struct stream_table *table, struct stun_bytes user, uint8_t family)
{
	const uint8_t *colon = memchr(user.p, ':', user.len);
	size_t len = colon ? (size_t)(colon - user.p) : user.len;
	char name[SPEC_NAME], port[6] = "";
	struct stream *stream;

	if (len >= sizeof name || (colon && user.len - len - 1 >= sizeof port))
		return NULL;
	memcpy(name, user.p, len);
	name[len] = '\0';
	if (strlen(name) != len)
		return NULL;
	if (colon)
		memcpy(port, colon + 1, user.len - len - 1);
	stream = stream_find(table, name);
	for (size_t i = 0; stream && i < stream->slot_count; i++) {
		struct slot *slot = &stream->slots[i];
		struct ports ports;

		if (slot->family != family)
			continue;
		if (!colon || (!ports_parse(port, &ports) && ports.count == 1 &&
				      ports.port[0] == slot->port))
			return slot;
	}
	return NULL;
}

/* Finds the slot and proves the key; a stream that is not there takes as long as a wrong key. */
static enum punch_count prove(struct punch *punch, struct request *request)
{
	const struct stun *stun = &request->stun;
	enum stun_algorithm which = algorithm(request);

	if (!which)
		return PUNCH_INCOMPLETE;
	request->slot =
		find_slot(punch->table, stun->username, request->packet->source.addr.family);
	request->key_len = stun_key(which, stun->username, stun->realm,
		request->slot ? request->slot->stream->spec.key : "no such stream", request->key);
	if (!stun_verify(stun, request->key, request->key_len))
		return request->slot ? PUNCH_WRONG_KEY : PUNCH_UNKNOWN_USER;
	return request->slot ? PUNCH_ACCEPTED : PUNCH_UNKNOWN_USER;
}

static bool allowed(
	const struct punch *punch, const struct slot *slot, const struct endpoint *client)
{
	const struct prefix *clients = &slot->stream->spec.clients;

	if (clients->bits && !prefix_contains(clients, &client->addr))
		return false;
	return client->port && addr_is_routable(&client->addr) &&
	       !(punch->own && punch->own(punch->own_data, &client->addr));
}

/*
 * Is it older than what the slot has accepted? A captured request that is sent again must neither
 * move the stream back nor prolong it. Clients without our attribute are told by their nonce's age.
 */
static bool replayed(const struct request *request, bool same_hole)
{
	const struct slot *slot = request->slot;

	if (request->stun.has_sequence)
		return request->stun.sequence <= slot->sequence;
	return !same_hole && request->nonce.issued_ms < slot->nonce_ms;
}

static void write_success(
	const struct punch *punch, const struct request *request, struct punch_answer *answer)
{
	struct buf buf;

	begin(&buf, answer->data, STUN_SUCCESS, request);
	stun_put_endpoint(&buf, STUN_XOR_MAPPED_ADDRESS, &request->packet->source);
	stun_put_consent(&buf, punch->table->consent_ms / 1000);
	if (request->stun.has_sequence)
		stun_put_sequence(&buf, request->stun.sequence);
	sign(&buf, request);
	answer->len = stun_end(&buf);
	answer->failure_len =
		proven_error(request, 500, "the kernel refused the path", answer->failure);
	answer->slot = request->slot;
}

static enum punch_count claim(struct punch *punch, const struct request *request, int64_t now_ms,
	struct punch_answer *answer)
{
	const struct hole hole = {request->packet->source, request->packet->local};
	struct slot *slot = request->slot;
	bool same = endpoint_equal(&slot->want.client, &hole.client) &&
		    endpoint_equal(&slot->want.punch, &hole.punch);
	bool moved;
	int err;

	if (same && !memcmp(slot->tid, request->stun.tid, STUN_TID)) {
		write_success(punch, request, answer);
		return PUNCH_REPEATED;
	}
	if (replayed(request, same)) {
		/* A client of ours jumps over what we have seen; any other needs only a new nonce.
		 */
		if (request->stun.has_sequence)
			answer->len =
				proven_error(request, 400, "sequence went back", answer->data);
		else
			challenge(punch, request, 438, now_ms, answer);
		return PUNCH_REPLAYED;
	}
	err = slot_claim(punch->table, slot, &hole, now_ms, &moved);
	if (err) {
		bool taken = err == -EADDRINUSE;

		answer->len = proven_error(request, taken ? 437 : 508,
			taken ? "this socket carries another port" : "out of memory", answer->data);
		return taken ? PUNCH_CLAIMED : PUNCH_FAILED;
	}
	slot->raw = false;
	memcpy(slot->tid, request->stun.tid, STUN_TID);
	slot->nonce_ms = request->nonce.issued_ms;
	if (request->stun.has_sequence)
		slot->sequence = request->stun.sequence;
	write_success(punch, request, answer);
	return PUNCH_ACCEPTED;
}

static enum punch_count proven(struct punch *punch, const struct request *request, int64_t now_ms,
	struct punch_answer *answer)
{
	if (request->stun.unknown_count) {
		answer->len = proven_error(request, 420, "", answer->data);
		return PUNCH_UNKNOWN_ATTRIBUTE;
	}
	if (!allowed(punch, request->slot, &request->packet->source)) {
		answer->len = proven_error(request, 403, "not from this address", answer->data);
		return PUNCH_FORBIDDEN;
	}
	return claim(punch, request, now_ms, answer);
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
		challenge(punch, request, 438, now_ms, answer);
		return PUNCH_STALE_NONCE;
	}
	verdict = prove(punch, request);
	if (verdict == PUNCH_INCOMPLETE)
		plain_error(punch, request, 400, now_ms, answer);
	else if (verdict != PUNCH_ACCEPTED)
		challenge(punch, request, 401, now_ms, answer);
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

	/* The socket may live a little longer than the stream. */
	if (slot->stream->gone)
		return;
	if (!allowed(punch, slot, &packet->source)) {
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
	if (slot_claim(punch->table, slot, &hole, now_ms, &moved)) {
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
		punch->counts[PUNCH_NOT_REQUEST]++;
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
		challenge(punch, &request, 401, now_ms, answer);
	} else {
		punch->counts[plain(punch, packet, stun, now_ms, answer)]++;
	}
}
