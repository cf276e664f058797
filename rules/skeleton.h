/* SPDX-License-Identifier: GPL-2.0-or-later */
/* skeleton: the table with its sets, chains and rules; streams are elements and are not in here. */
#ifndef RULES_SKELETON_H
#define RULES_SKELETON_H

#include <stdbool.h>
#include <stdint.h>

#include "rules/batch.h"

/*
 * The table's comment: whose it is, and the version of all that is below. What is new is made over
 * a table that an earlier relayd left, so only a part that changes needs a new version: then the
 * table is made anew, with what upgrade.h can take over from the version before.
 */
#define SKELETON_TAG	 "relayd "
#define SKELETON_COMMENT SKELETON_TAG "2"
#define SKELETON_BEFORE	 SKELETON_TAG "1"

/* Each exists for IPv4 and for IPv6. */
enum set_id {
	SET_LISTEN,	/* where senders send to; counts what was refused */
	SET_MARK,	/* the conntrack mark of a listening endpoint */
	SET_EXACT,	/* consent: listening endpoint and the one address that may send to it */
	SET_ANY,	/* consent: listening endpoint to which anybody may send */
	SET_EXACT_RATE, /* as EXACT and ANY, of streams with a rate; RATE counts and polices them */
	SET_ANY_RATE,
	SET_WITHIN,    /* consent: those from whose prefixes one may send; RATE counts */
	SET_PREFIX,    /* the prefixes, as long as there is a client */
	SET_RATE,      /* counter and limit of a listening endpoint */
	SET_LIMITED,   /* counter of what was over the limit; packets add the endpoint */
	SET_INGRESS,   /* listening endpoint to client */
	SET_EGRESS,    /* client to the relay's end of its hole */
	SET_CONSENT,   /* peers that may be sent to, with counter, limit and timeout */
	SET_PUNCH,     /* STUN endpoints of ours */
	SET_RAW,       /* endpoints where every datagram is a punch */
	SET_OPENING,   /* limits the log of each listening endpoint */
	SET_PEER,      /* a hole, as seen from its client, to the client of the other's hole */
	SET_PEER_MARK, /* the conntrack mark of what comes through a hole */
	SET_PEER_FROM, /* a hole to the relay's end of the other's */
	SET_COUNT,
};

const char *set_name(enum set_id set, uint8_t family);

/* The table may have one of this name. */
bool skeleton_has_set(const char *name);
bool skeleton_has_chain(const char *name);

/* What this kernel can do. */
struct kernel {
	bool persist;  /* a table that is owned and survives its owner: 6.9 */
	bool refresh;  /* adding an element again begins its timeout anew: 6.12 */
	bool destroy;  /* deletion of what may not be there: 6.3 */
	bool timeouts; /* objects for conntrack timeouts */
};

/* What costs every packet, and exists only where it is needed. */
struct skeleton_extra {
	bool peers;	   /* SET_PEER has elements */
	uint64_t max_rate; /* bytes per second, 0: no limit */
};

/* The whole table; over one of the same version its rules are made anew and its elements stay. */
void skeleton_add(
	struct batch *batch, const struct kernel *kernel, const struct skeleton_extra *extra);
void skeleton_delete(struct batch *batch, const char *table);
/* The table alone, for the probe too. */
void skeleton_add_table(struct batch *batch, const char *table, uint32_t flags);
void skeleton_add_timeout(struct batch *batch, const char *table, uint8_t family);
uint32_t skeleton_flags(const struct kernel *kernel);

/*
 * The chain that looks for the consent of peers costs every packet, so it exists only while there
 * are pairs that the relay carries.
 */
void skeleton_add_peers(struct batch *batch);
void skeleton_delete_peers(struct batch *batch);

#endif
