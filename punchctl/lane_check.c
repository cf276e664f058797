/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checks between the two: Binding requests that only the other can make, their answers, and the
 * addresses that both have shown. RFC 8445, sections 7 and 8, with one component, regular
 * nomination, and the client controlling.
 */
#include <string.h>

#include "punchctl/lane_inner.h"

#define FRESH_MS  3000 /* an answer to an older check proves nothing any more */
#define TRIES_MAX 9

static const int64_t repeat_ms[] = {50, 50, 100, 100, 200, 200, 400, 400, 400};

/* In the time: the check said that this address is chosen. */
#define CHOICE 0x80000000u

/* What the transaction of an answer says of our check. */
struct answer {
	int64_t age_ms;
	bool choice;
};

/*
 * The transaction says when it was made, and by a keyed hash that we have made it for this address:
 * nothing is kept of two thousand probes, and an answer of yesterday, or from elsewhere, is none.
 */
static void tid_make(const struct lane *lane, const struct endpoint *to, uint32_t when,
	uint8_t tid[static STUN_TID])
{
	const struct mac_part parts[] = {
		{"check", 5},
		{&when, sizeof(when)},
		{&to->port, sizeof(to->port)},
		{to->addr.bytes, sizeof(to->addr.bytes)},
	};
	uint8_t mac[MAC_SHA256];
	struct buf buf;

	mac_hmac_sha256(lane->secret, sizeof(lane->secret), parts, 4, mac);
	buf_init(&buf, tid, STUN_TID);
	buf_put_u32(&buf, when);
	buf_put(&buf, mac, STUN_TID - sizeof(when));
}

static bool tid_is_ours(const struct lane *lane, const struct endpoint *from,
	const uint8_t tid[static STUN_TID], int64_t now_ms, struct answer *answer)
{
	uint8_t made[STUN_TID];
	struct buf buf;
	uint32_t when;

	buf_init_read(&buf, tid, STUN_TID);
	when = buf_get_u32(&buf);
	answer->age_ms = ((uint32_t)(now_ms - lane->base_ms) - when) & ~CHOICE;
	if (answer->age_ms > FRESH_MS)
		return false;
	answer->choice = when & CHOICE;
	tid_make(lane, from, when, made);
	return mac_equal(made, tid, STUN_TID);
}

static void sign(struct lane *lane, struct buf *buf)
{
	stun_put_integrity256(buf, lane->key_own, sizeof(lane->key_own));
	stun_put_fingerprint(buf);
}

void lane_check_send(struct lane *lane, unsigned int socket, const struct endpoint *to, uint8_t ttl,
	bool nominate, int64_t now_ms)
{
	uint8_t data[128], tid[STUN_TID];
	uint32_t when = (uint32_t)(now_ms - lane->base_ms) & ~CHOICE;
	struct buf buf;

	tid_make(lane, to, nominate ? when | CHOICE : when, tid);
	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, STUN_REQUEST, tid);
	if (nominate)
		stun_put(&buf, STUN_USE_CANDIDATE, NULL, 0);
	sign(lane, &buf);
	(void)lane->config.send(lane->config.arg, socket, to, ttl, data, stun_end(&buf));
}

/*
 * The other's key proves who has made a check, not where it came from: who has it may name anybody
 * as the source. An address that the relay has not named is the other's all the same when its NAT
 * has several, so that it is believed, but only so often in a round.
 */
static bool stray_take(struct lane *lane, const struct addr *to)
{
	const struct peer_round *round = &lane->search.round;

	for (unsigned int i = 0; i < round->target_count; i++) {
		if (addr_equal(&round->targets[i].addr, to))
			return true;
	}
	if (addr_equal(&lane->direct.peer.addr, to))
		return true;
	return lane->search.strays++ < LANE_STRAYS;
}

static void answer_send(struct lane *lane, unsigned int socket, const struct endpoint *to,
	const struct stun *request)
{
	uint8_t data[128];
	struct buf buf;

	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, STUN_SUCCESS, request->tid);
	stun_put_endpoint(&buf, STUN_XOR_MAPPED_ADDRESS, to);
	sign(lane, &buf);
	(void)lane->config.send(lane->config.arg, socket, to, 0, data, stun_end(&buf));
}

static struct lane_pair *pair_find(
	struct lane *lane, unsigned int socket, const struct endpoint *peer)
{
	for (unsigned int i = 0; i < LANE_PAIRS; i++) {
		struct lane_pair *pair = &lane->pairs[i];

		if (pair->used && pair->socket == socket && endpoint_equal(&pair->peer, peer))
			return pair;
	}
	return NULL;
}

bool lane_check_knows(const struct lane *lane, unsigned int socket, const struct endpoint *from)
{
	return pair_find((struct lane *)lane, socket, from);
}

/* The pair of this address; the one that has been silent longest makes room. */
static struct lane_pair *pair_get(
	struct lane *lane, unsigned int socket, const struct endpoint *peer, int64_t now_ms)
{
	struct lane_pair *pair = pair_find(lane, socket, peer);

	if (pair)
		return pair;
	pair = &lane->pairs[0];
	for (unsigned int i = 0; i < LANE_PAIRS && pair->used; i++) {
		if (!lane->pairs[i].used || lane->pairs[i].seen_ms < pair->seen_ms)
			pair = &lane->pairs[i];
	}
	*pair = (struct lane_pair){
		.used = true, .socket = socket, .peer = *peer, .next_ms = now_ms};
	return pair;
}

void lane_check_forget(struct lane *lane)
{
	memset(lane->pairs, 0, sizeof(lane->pairs));
}

bool lane_check_is_hot(const struct lane *lane, int64_t now_ms)
{
	for (unsigned int i = 0; i < LANE_PAIRS; i++) {
		if (lane->pairs[i].used && now_ms - lane->pairs[i].seen_ms < LANE_HOT_MS)
			return true;
	}
	return false;
}

static bool pair_is_direct(const struct lane *lane, const struct lane_pair *pair)
{
	return lane->direct.active && pair->socket == lane->direct.socket &&
	       endpoint_equal(&pair->peer, &lane->direct.peer);
}

/* Ours to check: until the other has answered and, by the client, until it knows the choice. */
static bool pair_is_open(const struct lane *lane, const struct lane_pair *pair)
{
	if (!pair->used || pair->tries >= TRIES_MAX || pair_is_direct(lane, pair))
		return false;
	return !pair->answered || (lane->hello.role == PEER_CLIENT && pair->nominated);
}

static void pair_check(struct lane *lane, struct lane_pair *pair, int64_t now_ms)
{
	bool nominate = lane->hello.role == PEER_CLIENT && pair->nominated;

	if (lane->search.probes >= PEER_PROBES_MAX || !stray_take(lane, &pair->peer.addr)) {
		pair->tries = TRIES_MAX;
		return;
	}
	pair->next_ms = now_ms + repeat_ms[pair->tries++];
	lane->search.probes++;
	lane_check_send(lane, pair->socket, &pair->peer, 0, nominate, now_ms);
}

/* The client takes the first that has answered, unless a better one is chosen already. */
static void client_choose(struct lane *lane, int64_t now_ms)
{
	struct lane_pair *chosen = NULL;

	for (unsigned int i = 0; i < LANE_PAIRS; i++) {
		struct lane_pair *pair = &lane->pairs[i];

		if (pair->used && pair->nominated && pair->tries < TRIES_MAX)
			return;
		if (pair->used && pair->answered && !pair->nominated &&
			now_ms - pair->seen_ms < FRESH_MS &&
			(!chosen || pair->seen_ms > chosen->seen_ms))
			chosen = pair;
	}
	if (!chosen)
		return;
	chosen->nominated = true;
	chosen->tries = 0;
	pair_check(lane, chosen, now_ms);
}

/* Section 7.3: answered where it came from, and checked back at once. */
static bool input_request(struct lane *lane, unsigned int socket, const struct endpoint *from,
	const struct stun *request, int64_t now_ms)
{
	struct lane_pair *pair;

	if (!stray_take(lane, &from->addr))
		return false;
	pair = pair_get(lane, socket, from, now_ms);
	answer_send(lane, socket, from, request);
	pair->seen_ms = now_ms;
	if (pair_is_direct(lane, pair))
		return true;
	if (lane->hello.role == PEER_SERVICE && request->use_candidate)
		pair->nominated = true;
	if (lane->hello.role == PEER_SERVICE && pair->nominated && pair->answered)
		lane_direct_begin(lane, pair, now_ms);
	else if (!pair->answered && pair->tries == 0)
		pair_check(lane, pair, now_ms);
	return true;
}

/* The client's choice counts when the other has heard of it. */
static void input_answer(struct lane *lane, unsigned int socket, const struct endpoint *from,
	const struct answer *answer, int64_t now_ms)
{
	struct lane_pair *pair = pair_get(lane, socket, from, now_ms);

	lane_direct_answered(lane, socket, from, answer->age_ms, now_ms);
	pair->seen_ms = now_ms;
	pair->rtt_ms = answer->age_ms;
	pair->answered = true;
	if (lane->direct.active)
		return;
	if (pair->nominated && (answer->choice || lane->hello.role == PEER_SERVICE))
		lane_direct_begin(lane, pair, now_ms);
	else if (lane->hello.role == PEER_CLIENT)
		client_choose(lane, now_ms);
}

bool lane_check_input(struct lane *lane, unsigned int socket, const struct endpoint *from,
	const struct stun *stun, int64_t now_ms)
{
	struct answer answer;

	/* Data that are to stay on the relay have no use for another path, on either side. */
	if (lane->state != PEER_PAIRED || lane_stays(lane) || !stun->integrity256 ||
		!stun_verify(stun, lane->key_peer, sizeof(lane->key_peer)))
		return false;
	if (stun->type == STUN_REQUEST)
		return input_request(lane, socket, from, stun, now_ms);
	if (stun->type == STUN_SUCCESS && tid_is_ours(lane, from, stun->tid, now_ms, &answer))
		input_answer(lane, socket, from, &answer, now_ms);
	else
		return false;
	return true;
}

void lane_check_tick(struct lane *lane, int64_t now_ms)
{
	for (unsigned int i = 0; i < LANE_PAIRS; i++) {
		struct lane_pair *pair = &lane->pairs[i];

		if (pair_is_open(lane, pair) && now_ms >= pair->next_ms)
			pair_check(lane, pair, now_ms);
	}
	if (lane->hello.role == PEER_CLIENT && !lane->direct.active && lane->state == PEER_PAIRED &&
		!lane_stays(lane))
		client_choose(lane, now_ms);
}

int64_t lane_check_deadline(const struct lane *lane)
{
	int64_t due = INT64_MAX;

	for (unsigned int i = 0; i < LANE_PAIRS; i++) {
		if (pair_is_open(lane, &lane->pairs[i]))
			due = lane_min(due, lane->pairs[i].next_ms);
	}
	return due;
}
