/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explain: walks the way of a packet step by step, out of facts that were gathered before, and says
 * of each step whether it is ok, waits, or is broken, and what would mend it. Pure.
 */
#ifndef RELAYD_EXPLAIN_H
#define RELAYD_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "relayd/stream.h"
#include "rules/foreign.h"
#include "rules/path.h"
#include "rules/trace.h"

#define EXPLAIN_WAYS 4 /* enum foreign_way */

struct explain_route {
	bool known;
	struct path_route route;
};

struct explain_entry {
	bool asked, found;
	struct path_flow flow;
};

struct explain_walk {
	bool asked;
	int error; /* why it is not known */
	size_t count;
	struct foreign_chain *chains; /* owned */
};

struct explain_trace {
	bool asked;
	int error;
	size_t count;
	struct trace_event *events; /* owned */
};

/* One way: to a stream's port at one of our addresses, or from a peer to its peer. */
struct explain_path {
	char name[SPEC_NAME];
	bool pair;   /* between peers; then: */
	bool direct; /* they do not need us any more */
	uint32_t number;
	struct endpoint listen;	  /* where the sender sends to; of peers, the relay's end */
	struct endpoint public;	  /* as the sender calls it */
	struct endpoint punch_at; /* where a client punches; family 0: not asked about */

	/* Times are milliseconds ago, -1 for never. */
	struct endpoint sender;	     /* whose packet is explained; made up unless: */
	bool seen, given;	     /* it has sent; the question named it */
	int64_t sender_ms, media_ms; /* it took the flow; media moved the counters */
	enum spec_source allowed;    /* of the stream's `source` */
	struct prefix source;	     /* of SPEC_PREFIX */
	struct addr lock, holder;    /* of the slot; family 0: nobody */
	int64_t lock_ms;
	uint64_t refused; /* packets, and of whom the last was */
	struct endpoint refused_sender;

	struct endpoint client; /* made up unless: */
	bool punched;		/* it has a hole */
	struct endpoint punch;	/* the relay's end of its hole */
	bool raw, stale;
	bool spent;		/* the stream's quota: */
	char quota[SPEC_QUOTA]; /* "": none */
	uint64_t used;
	int64_t punched_ms;
	uint64_t moves;
	struct endpoint loop; /* a client that was closed as a loop, not long ago; or family 0 */

	/* What our table has. */
	bool listens;
	struct prefix listen_source;
	struct endpoint ingress; /* family 0: none */
	bool consents;
	struct endpoint egress;
	uint32_t consent_ms;
	uint64_t packets, bytes, rate;

	/* And what else the kernel has. */
	const char *full; /* the conntrack table is: what mends it; or NULL */
	bool legacy;	  /* rules of iptables-legacy, which nobody can read here */
	struct explain_route route, back;
	uint32_t mark; /* that rules of others give the packet before it is routed */
	struct explain_entry flow, hole; /* of the sender; whatever occupies the hole */
	struct explain_walk walks[EXPLAIN_WAYS];
	struct explain_trace trace;
};

/* The state of a step in words: "ok", "waiting", "unknown", "broken". */
enum explain_state { EXPLAIN_OK, EXPLAIN_WAITING, EXPLAIN_UNKNOWN, EXPLAIN_BROKEN };
const char *explain_state_text(enum explain_state state);

/* Whether a packet sent now would arrive; the worst of several is that of all. */
enum explain_arrival { EXPLAIN_ARRIVES, EXPLAIN_UNSURE, EXPLAIN_LOST };
json_t *explain_arrival(enum explain_arrival arrival); /* true, null, false */

/*
 * {"listen":E,"sender":E,"client":E,"arrives":B,"cause":S,"steps":[{"step":S,"state":S,"stops":B,"text":T,
 * ..}]} for the caller, or NULL when memory is short.
 */
json_t *explain_view(const struct explain_path *path, enum explain_arrival *arrival);
/* {"way","family","table_family","table","chain","type","hook","priority","owner","verdict","at","handle","why"}
 */
json_t *explain_chain(enum foreign_way way, uint8_t family, const struct foreign_chain *chain);
const char *explain_way_text(enum foreign_way way);

/* Releases what it holds, not itself. */
void explain_fini(struct explain_path *path);

#endif
