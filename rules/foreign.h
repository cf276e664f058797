/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign: what the nftables rules of other programs (iptables-nft included) do to a packet of
 * ours, by reading the ruleset and by tracing.
 */
#ifndef RULES_FOREIGN_H
#define RULES_FOREIGN_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"

/* The way that a packet takes through the host. */
enum foreign_way {
	FOREIGN_MEDIA,	/* from the sender, translated, forwarded to the client */
	FOREIGN_REPLY,	/* from the client, translated back, forwarded to the sender */
	FOREIGN_PUNCH,	/* STUN from a client to a socket of ours */
	FOREIGN_ANSWER, /* and our answer */
};

struct foreign_packet {
	enum foreign_way way;
	struct endpoint source, dest; /* as it arrives; of ANSWER: as it leaves the socket */
	struct endpoint to;   /* MEDIA, REPLY: where it goes once its destination is translated */
	struct endpoint from; /* MEDIA, REPLY: as whom it leaves */
	uint32_t mark;	      /* MEDIA, REPLY: of its conntrack entry */
	bool first;	      /* it opens the flow: nat chains are asked too */
	bool replied; /* MEDIA: packets went the other way too, so that it counts as established */
	char in[IF_NAMESIZE];  /* "": not known */
	char out[IF_NAMESIZE]; /* "": as the route says */
};

enum foreign_verdict {
	FOREIGN_PASSES,
	FOREIGN_DROPS,
	FOREIGN_CHANGES, /* a nat chain of theirs comes before ours and takes the packet */
	FOREIGN_UNKNOWN, /* an expression stands in its way that is not understood */
};

/* By whose hands a chain is made, as its table and chains are called. */
enum foreign_owner {
	FOREIGN_OURS,
	FOREIGN_UFW,
	FOREIGN_FIREWALLD,
	FOREIGN_DOCKER,
	FOREIGN_IPTABLES, /* iptables-nft, nobody in particular */
	FOREIGN_NFTABLES, /* anything else */
};

/* A base chain on the packet's way, in the order in which the packet passes them. */
struct foreign_chain {
	uint8_t family; /* NFPROTO_* */
	char table[64], chain[64];
	char type[16], hook[16]; /* "filter", "nat", "route"; "prerouting", .. */
	int32_t priority;
	enum foreign_owner owner;
	enum foreign_verdict verdict;
	/* Where it was decided: a rule of this chain (handle 0: its policy), and the rule in words.
	 */
	char at_chain[64];
	uint64_t handle;
	char why[128];
	uint32_t mark; /* that the packet has behind it, where that is known */
};

/*
 * Walks the way of the packet; calls back for each base chain of any program, ours included, also
 * behind one that drops. Reads only. Needs CAP_NET_ADMIN; opens a socket of its own. 0 or -errno.
 */
int foreign_walk(const struct foreign_packet *packet,
	void (*chain)(void *data, const struct foreign_chain *chain), void *data);

/*
 * Whether tables of iptables-legacy exist (AF_INET, AF_INET6), whose rules are not to be seen here:
 * what foreign_walk says is not the whole truth then.
 */
bool foreign_legacy(uint8_t family);

const char *foreign_verdict_text(enum foreign_verdict verdict); /* "passes", "drops", .. */
const char *foreign_owner_text(enum foreign_owner owner);	/* "relayd", "ufw", .. */

#endif
