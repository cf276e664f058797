/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the relay says: who the other is, and what to do to reach it. */
#include <string.h>

#include "punchctl/lane_inner.h"

#define AGAIN_MS 50

/* Serials may wrap. */
static bool serial_is_newer(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

/*
 * An answer to a hello that had heard a newer one is of a relay that has begun anew; any other old
 * word has been overtaken on its way.
 */
static bool word_is_news(const struct lane *lane, const struct peer_word *word, bool answer)
{
	if (!lane->has_word || serial_is_newer(word->serial, lane->word.serial))
		return true;
	return answer && serial_is_newer(lane->exchange.said, word->serial);
}

static void keys_make(struct lane *lane)
{
	bool client = lane->hello.role == PEER_CLIENT;
	const uint8_t *a = client ? lane->hello.lane : lane->word.peer;
	const uint8_t *b = client ? lane->word.peer : lane->hello.lane;

	peer_key(lane->key, client ? PEER_CLIENT : PEER_SERVICE, a, b, lane->key_own);
	peer_key(lane->key, client ? PEER_SERVICE : PEER_CLIENT, a, b, lane->key_peer);
}

/* The other is another, or there is none any more. */
static void peer_forget(struct lane *lane, int64_t now_ms)
{
	lane_direct_lost(lane, now_ms);
	lane_search_reset(lane);
	lane_check_forget(lane);
	lane_flow_forget(lane);
	memset(&lane->direct, 0, sizeof(lane->direct));
	mac_wipe(lane->key_own, sizeof(lane->key_own));
	mac_wipe(lane->key_peer, sizeof(lane->key_peer));
}

static void state_set(struct lane *lane, enum peer_state state, bool other, int64_t now_ms)
{
	static const enum lane_event_type types[] = {
		[PEER_WAITING] = LANE_WAITING,
		[PEER_PAIRED] = LANE_PAIRED,
		[PEER_CLOSED] = LANE_CLOSED,
	};
	struct lane_event event;

	if (other || state != PEER_PAIRED)
		peer_forget(lane, now_ms);
	lane->state = state;
	if (state == PEER_PAIRED)
		keys_make(lane);
	if (other || state != PEER_PAIRED)
		lane_pin_begin(lane, state == PEER_PAIRED && lane->word.pinned, now_ms);
	if (lane->pin == LANE_HELD)
		return;
	event = lane_event(lane, types[state]);
	event.peer = lane->config.relay;
	lane_emit(lane, &event);
}

void lane_word_take(struct lane *lane, struct stun_bytes bytes, bool answer, int64_t now_ms)
{
	struct peer_word word;
	bool first = !lane->has_word, other;
	enum peer_state before = lane->state;

	if (!bytes.p || peer_word_decode(bytes.p, bytes.len, &word) < 0)
		return;
	if (!word_is_news(lane, &word, answer)) {
		/* Repeated: our hello that heard it was lost, or is on its way. Or somebody else
		   repeats it, whose pace must not be ours. */
		if (!answer && word.serial == lane->word.serial &&
			now_ms - lane->exchange.sent_ms >= AGAIN_MS)
			lane_relay_tell(lane);
		return;
	}
	other = memcmp(word.peer, lane->word.peer, PEER_LANE) != 0;
	lane->has_word = true;
	lane->word = word;
	lane_relay_tell(lane);
	if (first || before != word.state || (other && word.state == PEER_PAIRED))
		state_set(lane, word.state, other, now_ms);
	if (lane->state == PEER_PAIRED)
		lane_search_round(lane, &word.round, now_ms);
}
