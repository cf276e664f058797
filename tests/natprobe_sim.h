/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * natprobe_sim: a relay that answers plain STUN (RFC 5780), a host, and NATs in a row between them,
 * each one router further; in simulated time.
 */
#ifndef TESTS_NATPROBE_SIM_H
#define TESTS_NATPROBE_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "punchctl/natprobe.h"
#include "tests/natbox/nat.h"

#define SIM_NATS 3

struct sim_config {
	unsigned int nats;
	struct nat_config nat[SIM_NATS]; /* the host's own router first; public is filled in */
	unsigned int routers;		 /* without NAT, before the outermost NAT */
	unsigned int hops;		 /* from the host to the relay; 0: 12 */
	bool two;			 /* the relay has two addresses, else two ports only */
	bool walled;			 /* no datagram reaches or leaves its other port, */
	bool walled_in;			 /* or reaches it */
	bool half;	       /* or reaches or leaves its other address, which it names */
	bool plain;	       /* it has neither, and ignores CHANGE-REQUEST */
	bool dead;	       /* it says nothing */
	bool deaf;	       /* it knows no RESPONSE-PORT */
	unsigned int loss;     /* per mille */
	unsigned int delay_ms; /* one way; 0: 30 */
	uint32_t seed;
};

struct sim {
	int64_t now_ms;		  /* how long it took */
	unsigned int datagrams;	  /* that the host sent */
	unsigned int sockets_max; /* at once */
	unsigned int small;	  /* requests that an answer is larger than */
	struct natprobe_result result;
};

/* Runs a probe to its end, or for at most an hour. *probe is a configuration without functions. */
void sim_run(const struct sim_config *config, const struct natprobe_config *probe, struct sim *out);

#endif
