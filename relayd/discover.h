/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * discover: how the relay's addresses are seen from outside: by a STUN server that is asked from
 * the punch port itself, and by the metadata service of a cloud. Time and bytes in, questions out,
 * no I/O.
 *
 * Off-path nobody can forge what is learnt: an answer counts once, if it comes from the server's
 * address and port to the socket that asked, with the 96 random bits of the newest question
 * (RFC 8489, section 6.3.1). Who is on the path can, as can the server itself.
 */
#ifndef RELAYD_DISCOVER_H
#define RELAYD_DISCOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/stun.h"
#include "relayd/config.h"
#include "relayd/metadata.h"

#define DISCOVER_ASK_MAX 64  /* bytes of a question */
#define DISCOVER_TEXT	 200 /* of a line for people */
#define DISCOVER_SILENT	 4   /* questions without an answer, and nobody is there */

/* What is known of one of the relay's addresses. */
struct discover_address {
	struct addr local;
	struct endpoint server; /* that is asked; family 0: none */
	struct endpoint mapped; /* as the server saw its punch port; family 0: not known */
	struct addr cloud;	/* as the metadata service says; family 0: it does not */
	const char *cloud_name; /* whose that is */
	struct addr told;	/* how it is seen, as was last said */
	bool asked;
	uint8_t tid[STUN_TID];
	unsigned int unanswered; /* questions since the last answer */
	int64_t due_ms, wait_ms;
};

struct discover {
	const struct config *config;
	size_t count;
	struct discover_address list[CONFIG_ADDRESSES];
	struct endpoint silent[CONFIG_FAMILIES]; /* as was last said; port 0: none */
	struct metadata metadata;
};

/*
 * Takes addresses, servers and `discover` of the configuration, which has to stay, and asks all as
 * soon as may be. What was learnt before of the same addresses from those that are still asked
 * stays.
 */
void discover_configure(struct discover *discover, const struct config *config, int64_t now_ms);
/* The STUN server that is asked from addresses of this family: the configured one or the partner;
 * family 0: none. */
struct endpoint discover_server(const struct config *config, uint8_t family);

/* The length of a question that is due, or 0; to be called until there is none. */
size_t discover_ask(struct discover *discover, int64_t now_ms, struct endpoint *from,
	struct endpoint *to, uint8_t out[static DISCOVER_ASK_MAX]);
/* An answer of STUN. false: nobody asked, or not like this. */
bool discover_answer(struct discover *discover, const struct endpoint *source,
	const struct endpoint *local, const struct stun *stun, int64_t now_ms);
/* The server of this family has answered none of the addresses for a while, or does again: a line,
 * once. */
bool discover_silence(struct discover *discover, uint8_t family, char out[static DISCOVER_TEXT]);
/* What the metadata service says. */
void discover_cloud(struct discover *discover, const struct metadata_pair *pair);

/* How the others see it, as far as anybody has said, a cloud before a server; family 0: nobody. */
struct addr discover_seen(const struct discover_address *address);
/* Who says so: "stun", "cloud", or "" for nobody. */
const char *discover_by(const struct discover_address *address);
/* Somebody is asked about it, and nobody has said anything. */
bool discover_is_unseen(const struct discover *discover, const struct discover_address *address);
/*
 * What is to be advertised for it although nothing is configured: of a private address the public
 * one. Family 0: nothing; also when a NAT changes the port, for then it is not there for others.
 */
struct addr discover_public(
	const struct discover *discover, const struct discover_address *address);
/* What contradicts the configuration, or what one says another, and what mends it, in a line. */
bool discover_doubt(const struct discover *discover, char out[static DISCOVER_TEXT]);

#endif
