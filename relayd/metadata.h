/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * metadata: asks the metadata service of a cloud which public addresses the host has: time and
 * answers in, questions and addresses out, no I/O.
 *
 * Amazon's, Google's and Microsoft's services are tried in turn. Each is at the same link-local
 * address, speaks plain HTTP, and is asked for a local address and for the public one that belongs
 * to it; one question a connection. Microsoft's is asked for the list of a load balancer's frontend
 * addresses as well: public addresses of its "Standard" kind stand nowhere else.
 */
#ifndef RELAYD_METADATA_H
#define RELAYD_METADATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

#define METADATA_HOST  "169.254.169.254" /* where all three are, port 80 */
#define METADATA_ASK   512		 /* bytes of a question, with a zero */
#define METADATA_TOKEN 129
#define METADATA_PAIRS 64 /* of one answer; what is more is left out */

struct metadata_pair {
	struct addr local, public; /* of one family */
};

struct metadata {
	bool on;
	bool asking; /* a question is on its way */
	unsigned int cloud, step;
	char token[METADATA_TOKEN];
	struct addr local;   /* the public one is asked for */
	bool found;	     /* a public address, in this round */
	const char *name;    /* of the cloud that knew the last one, or NULL */
	unsigned int silent; /* rounds in which none did, since one did */
	int64_t due_ms, wait_ms;
};

/* off: asks nobody. */
void metadata_init(struct metadata *metadata, bool on, int64_t now_ms);
/* Begins a round at once, and forgets a question on its way. */
void metadata_again(struct metadata *metadata, int64_t now_ms);
/* The length of the question that is due, or 0; its answer has to be given to metadata_answer(). */
size_t metadata_ask(struct metadata *metadata, int64_t now_ms, char out[static METADATA_ASK]);
/*
 * All that came, up to HTTP_MAX bytes; none: nobody was there. How many local addresses' public
 * ones are known now. Then the next question may be due.
 */
size_t metadata_answer(struct metadata *metadata, const char *data, size_t len, int64_t now_ms,
	struct metadata_pair out[static METADATA_PAIRS]);

#endif
