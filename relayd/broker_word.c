/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words: what a lane is told, in answers, and pushed until it is heard. */
#include <string.h>

#include "common/mac.h"
#include "relayd/broker_inner.h"

#define PUSH_FIRST_MS 100
#define PUSHES	      7 /* 100, 200 ... 6400 ms: then it is left to the answers */
#define RTT_MAX_MS    2000

static const uint8_t *other_id(const struct lane *lane)
{
	if (lane->closed)
		return NULL;
	if (lane->pair && (lane->pair->committed || lane->claims))
		return lane->pair->lane[!lane->role]->id;
	return lane->claims ? lane->hello.peer : NULL;
}

/* Both fire at one time: who is nearer to us hears it earlier, and waits longer. */
static uint32_t delay(const struct broker *broker, const struct lane *lane)
{
	uint32_t rtt_ms = lane->hello.rtt_ms < RTT_MAX_MS ? lane->hello.rtt_ms : RTT_MAX_MS;
	int64_t left_ms = lane->fire_ms - broker->now_ms - rtt_ms / 2;

	return left_ms > 0 ? (uint32_t)left_ms : 0;
}

void word_fill(const struct broker *broker, const struct lane *lane, struct peer_word *out)
{
	const struct broker_config *config = &broker->config;
	const uint8_t *other = other_id(lane);

	*out = (struct peer_word){.serial = lane->serial};
	if (lane->closed)
		out->state = PEER_CLOSED;
	if (config->alternate)
		out->alternate = config->alternate(config->arg, &lane->hole.punch);
	if (lane->hello.shared) {
		out->share_low = config->share_low;
		out->share_high = config->share_high;
	}
	if (!other)
		return;
	out->state = PEER_PAIRED;
	out->pinned = lane->pair && lane->pair->lane[!lane->role]->hello.shared;
	memcpy(out->peer, other, PEER_LANE);
	out->round = lane->round;
	if (out->round.go)
		out->round.delay_ms = delay(broker, lane);
}

void word_changed(struct broker *broker, struct lane *lane)
{
	lane->serial = lane->serial + 1 ? lane->serial + 1 : 1;
	lane->push_ms = broker->now_ms;
	lane->pushes = 0;
	lane_schedule(broker, lane);
}

void word_push(struct broker *broker, struct lane *lane)
{
	uint8_t data[STUN_MAX], message[PEER_WIRE], tid[STUN_TID];
	struct peer_word word;
	struct buf buf;
	size_t len;

	word_fill(broker, lane, &word);
	len = peer_word_encode(&word, message);
	mac_random(tid, sizeof(tid));
	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, STUN_INDICATION, tid);
	stun_put_sequence(&buf, lane->sequence);
	stun_put_peer(&buf, message, len);
	stun_put_integrity256(&buf, lane->key, lane->key_len);
	len = stun_end(&buf);
	if (len > 0)
		broker->config.send(broker->config.arg, &lane->hole, data, len);
	lane->push_ms = lane->pushes < PUSHES ? broker->now_ms + (PUSH_FIRST_MS << lane->pushes)
					      : INT64_MAX;
	lane->pushes++;
}
