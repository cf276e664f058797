/* SPDX-License-Identifier: GPL-2.0-or-later */
/* peersim_relay: the relay of peersim: proves hellos, pairs two lanes, leads their search by the
 * plans of relayd. */
#ifndef TESTS_PEERSIM_RELAY_H
#define TESTS_PEERSIM_RELAY_H

#include "common/peer.h"
#include "common/stun.h"
#include "relayd/plan.h"

struct simrelay_lane {
	bool known;
	struct endpoint hole;
	struct peer_hello hello;
	struct peer_word word;
	uint8_t key[STUN_KEY_MAX];
	size_t key_len;
	uint64_t sequence;
	int64_t say_ms; /* next indication; INT64_MAX: none */
	int64_t say_gap_ms;
};

struct simrelay {
	struct endpoint punch, alternate;
	struct simrelay_lane lanes[2]; /* by role */
	struct plan_history history;
	bool hopeless;
	enum { SIM_NONE, SIM_PREPARE, SIM_GO, SIM_DIRECT } stage;
	enum peer_plan plan;
	uint32_t number;
	int64_t next_ms, until_ms;
	bool mute;
	void *arg;
	void (*send)(void *arg, const struct endpoint *from, const struct endpoint *to,
		const void *data, size_t len);
};

void simrelay_init(struct simrelay *relay);
void simrelay_input(struct simrelay *relay, const struct endpoint *from, const struct endpoint *to,
	const uint8_t *data, size_t len, int64_t now_ms);
void simrelay_tick(struct simrelay *relay, int64_t now_ms);
int64_t simrelay_deadline(const struct simrelay *relay);

#endif
