/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan: how two peers look for a direct path, chosen from what is known of their NATs, and what has
 * worked before between such networks.
 */
#ifndef RELAYD_PLAN_H
#define RELAYD_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/nat.h"
#include "common/peer.h"

/* What is known of one side when a round is planned. */
struct plan_side {
	struct nat_report nat;
	struct endpoint hole; /* its proven address */
	uint16_t last;	      /* READY: its newest mapping */
	bool fixed;	      /* it has no socket but the one of its hole */
	bool listed; /* it may be reached elsewhere too: a neighbour, or its gateway maps a port */
};

/* The tries between two sides so far, since one of them changed. */
struct plan_history {
	unsigned int tries[PEER_BIRTHDAY + 1];
};

/*
 * The plan for the next try: the cheapest that can work and has tries left, or PEER_REST. `known`
 * is what worked before between the two networks, PEER_REST: nothing is known.
 */
enum peer_plan plan_choose(const struct plan_side side[static 2],
	const struct plan_history *history, enum peer_plan known);
/* Fills plan, part, pace, count, ports and limit of side's word; targets are the broker's. */
void plan_fill(enum peer_plan plan, const struct plan_side side[static 2], unsigned int which,
	unsigned int tries, struct peer_round *out);

/* "rest", "punch", "predict", "step", "birthday". */
const char *plan_text(enum peer_plan plan);

/* What has worked between two networks (/24, /56); a fixed size, the oldest is forgotten. */
#define PLAN_MEMORY 1024
struct plan_memory {
	struct {
		uint64_t pair; /* hash of both networks, 0: free */
		enum peer_plan plan;
		int64_t when_ms;
	} entries[PLAN_MEMORY];
	uint64_t seed;
};
void plan_remember(struct plan_memory *memory, const struct addr *a, const struct addr *b,
	enum peer_plan plan, int64_t now_ms);
enum peer_plan plan_recall(const struct plan_memory *memory, const struct addr *a,
	const struct addr *b, int64_t now_ms);

#endif
