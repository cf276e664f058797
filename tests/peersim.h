/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peersim: two lanes, a relay, two NATs and the links between them in one process, with a clock
 * that jumps from event to event, so that hundreds of sessions run in a second.
 *
 *     client -- NAT --+-- core --+-- NAT -- service
 *                     +-- relay -+
 */
#ifndef TESTS_PEERSIM_H
#define TESTS_PEERSIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "punchctl/lane.h"
#include "tests/natbox/nat.h"

#define SIM_KEY	 "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I="
#define SIM_NAME "files"

struct sim_config {
	struct nat_config nat[2];
	struct nat_report report[2];	  /* what the lanes say of them */
	unsigned int delay_ms, jitter_ms; /* of the core, one way */
	double loss;
	unsigned int data_ms; /* between two datagrams of data of each side; 0: none */
	uint32_t seed;
};

struct sim_side {
	bool direct; /* now */
	unsigned int directs, losts, rounds_failed;
	int64_t direct_ms;     /* after the pairing, the first time; 0: never */
	unsigned int probes;   /* datagrams to the other but for data, until then */
	uint32_t sent;	       /* data */
	uint32_t got, doubled; /* data of the other */
	uint32_t strangers;    /* datagrams that were FOREIGN */
	enum peer_plan plan;
};

struct sim;

struct sim *sim_open(const struct sim_config *config);
void sim_close(struct sim *sim);
/* Runs for so long; or until both are direct, or it turns out that they never will be. */
void sim_run(struct sim *sim, int64_t ms);
bool sim_run_direct(struct sim *sim, int64_t ms);
const struct sim_side *sim_side(const struct sim *sim, unsigned int side);
struct lane *sim_lane(struct sim *sim, unsigned int side);
int64_t sim_now(const struct sim *sim);
/* What goes from one NAT to the other is lost from now on, or not any more. */
void sim_cut(struct sim *sim, bool cut);
/* No data are sent any more, or they are again. */
void sim_data(struct sim *sim, unsigned int data_ms);
/* The NAT of a side forgets all, and has another address. */
void sim_renumber(struct sim *sim, unsigned int side);

#endif
