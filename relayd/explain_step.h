/* SPDX-License-Identifier: GPL-2.0-or-later */
/* explain_step: the steps of a packet's way, from facts to sentences; explain_view orders them. */
#ifndef RELAYD_EXPLAIN_STEP_H
#define RELAYD_EXPLAIN_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "relayd/explain.h"

/*
 * How a step is. STOPS: broken or waiting, and no packet gets past it; DOUBTS: it is not known
 * whether one does.
 */
enum how { OK, UNKNOWN, UNKNOWN_DOUBTS, WAITS, WAITS_STOPS, BROKEN, BROKEN_STOPS };

/* The steps so far. */
struct steps {
	const struct explain_path *path;
	json_t *array;
	enum explain_arrival arrival;
	/* What stops it; rather something broken than what waits for it, or is not known. */
	const char *cause;
	enum how cause_how;
};

/* One sentence; detail is taken over and may be NULL: its members become the step's. */
void step(struct steps *steps, const char *name, enum how how, json_t *detail, const char *format,
	...) __attribute__((format(printf, 5, 6)));

/* An address as text, by value, for the arguments of step. */
struct words {
	char s[ENDPOINT_TEXT];
};
struct words step_endpoint(const struct endpoint *endpoint);
struct words step_addr(const struct addr *addr);
double step_seconds(int64_t ms);

/* Of the stream: what relayd and its table know. */
void step_sender(struct steps *steps);
void step_listen(struct steps *steps);
void step_source(struct steps *steps);
void step_quota(struct steps *steps);
void step_ingress(struct steps *steps);
void step_consent(struct steps *steps);
void step_conntrack(struct steps *steps);
void step_egress(struct steps *steps);
void step_client(struct steps *steps);
/* Of peers, instead of sender, listen, source and ingress. */
void steps_pair(struct steps *steps);

/* Of the host. */
void step_forwarding(struct steps *steps);
void step_route(struct steps *steps);
void step_neighbour(struct steps *steps);
/* Rules that cannot be read. */
void step_legacy(struct steps *steps);
/* The base chains of one way, of one hook or (NULL) of all. */
void step_chains(struct steps *steps, enum foreign_way way, const char *hook);
/* What the kernel itself said of a packet. */
void steps_trace(struct steps *steps);

#endif
