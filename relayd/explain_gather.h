/* SPDX-License-Identifier: GPL-2.0-or-later */
/* explain_gather: collects what is known of a stream's ways, and asks the kernel side for the rest.
 */
#ifndef RELAYD_EXPLAIN_GATHER_H
#define RELAYD_EXPLAIN_GATHER_H

#include "relayd/explain.h"
#include "relayd/net.h"

#define EXPLAIN_PATHS 16 /* explained at once */

/* What is asked about each path, in this order. */
enum gather_stage {
	GATHER_ROUTE, /* from the sender to the client */
	GATHER_BACK,
	GATHER_FLOW,  /* the sender's conntrack entry */
	GATHER_HOLE,  /* and that which occupies the client's hole */
	GATHER_MEDIA, /* the rules of others, for each enum foreign_way */
	GATHER_REPLY,
	GATHER_PUNCH,
	GATHER_ANSWER,
	GATHER_MARKED, /* the route again, if a rule has marked the packet */
	GATHER_TRACE,  /* a packet of the first path, if wanted */
	GATHER_STAGES,
};

struct gather {
	struct asker *asker;
	void (*done)(void *data);
	void *data;
	bool again; /* asked a moment ago: neighbours are being asked for already */
	bool trace;
	/* -- */
	size_t path, left_out; /* paths beyond EXPLAIN_PATHS */
	unsigned int stage;
	size_t count;
	struct explain_path paths[EXPLAIN_PATHS];
};

/* Which ways to look at. */
struct gather_wish {
	uint16_t port;		/* of the stream; 0: all */
	struct endpoint sender; /* whose packet; family 0: as seen last */
};

/*
 * The paths of a stream, out of the tables and of what the kernel holds; then gather_start asks.
 */
void gather_stream(struct gather *gather, const struct net *net, const struct stream *stream,
	const struct gather_wish *wish, const struct sync_snapshot *snapshot);
/* Made-up packets of each kind to and from each address of the relay: for punchctl doctor. */
void gather_host(struct gather *gather, const struct net *net);

/* Calls done when everything is answered, perhaps at once. What could not be asked stays unknown.
 */
void gather_start(struct gather *gather);
/* Before done: there will be no done. */
void gather_cancel(struct gather *gather);
/* Releases the paths. */
void gather_fini(struct gather *gather);

#endif
