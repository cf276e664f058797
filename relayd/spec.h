/* SPDX-License-Identifier: GPL-2.0-or-later */
/* spec: what an operator asks of a stream, whether in the file or by punchctl, and its checks. */
#ifndef RELAYD_SPEC_H
#define RELAYD_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

#define SPEC_NAME      64  /* with the zero; letters, digits, and . _ - inside */
#define SPEC_KEY       129 /* with the zero */
#define SPEC_WHY       200 /* room for the reason of a refusal */
#define SPEC_PEERS_MAX 1024
#define SPEC_QUOTA     32 /* room for a quota as text */

enum spec_source {
	SPEC_ANY,    /* anybody may send */
	SPEC_FIRST,  /* locked to the address of the first sender */
	SPEC_PREFIX, /* an address or a prefix */
};

/* When a quota begins anew, by UTC. */
enum spec_period { SPEC_EVER, SPEC_DAY, SPEC_MONTH };

struct spec {
	char name[SPEC_NAME];
	struct ports listen;
	struct addr at; /* of the relay's addresses the one that it listens at; family 0: all */
	enum spec_source source; /* SPEC_FIRST by default */
	struct prefix prefix;	 /* for SPEC_PREFIX */
	char key[SPEC_KEY];
	struct prefix clients; /* bits 0: from anywhere, in both families; the default */
	uint64_t rate;	       /* bytes per second to a client, 0: no limit */
	uint64_t quota;	       /* bytes to all clients in a period, 0: no limit */
	enum spec_period period;
	uint16_t raw_punch; /* port i of the stream is punched at raw_punch + i; 0: off */
	uint16_t peers;	    /* pairs of a service and a client at once; 0: no peers. A stream with
			       peers needs no listen ports */
};

/* One of many that are added or removed at once; of the latter only the name counts. */
struct spec_item {
	struct spec spec;
	int64_t expires;    /* as in registry_add */
	bool done;	    /* it was added */
	char why[SPEC_WHY]; /* what is wrong with it, or "" */
};

/* Fills in the reason; -EINVAL. */
__attribute__((format(printf, 2, 3))) int spec_refuse(
	char why[static SPEC_WHY], const char *format, ...);

/* An empty spec of this name; -EINVAL and the reason when the name will not do. */
int spec_init(struct spec *spec, const char *name, char why[static SPEC_WHY]);
/*
 * Setters for what people write: 0, or -EINVAL and in `why` what is wrong and what would be right,
 * without the option's name, e.g. `"99999" is not a port; ports are 1 to 65535`.
 */
int spec_set_listen(struct spec *spec, const char *text, char why[static SPEC_WHY]);
int spec_set_source(struct spec *spec, const char *text, char why[static SPEC_WHY]);
int spec_set_key(struct spec *spec, const char *text, char why[static SPEC_WHY]);
int spec_set_clients(struct spec *spec, const char *text, char why[static SPEC_WHY]);
int spec_set_rate(struct spec *spec, long long rate, char why[static SPEC_WHY]);
int spec_set_quota(struct spec *spec, const char *text, char why[static SPEC_WHY]);
int spec_set_raw_punch(struct spec *spec, long long port, char why[static SPEC_WHY]);
int spec_set_peers(struct spec *spec, long long pairs, char why[static SPEC_WHY]);
/* What must hold between the fields: a port list or peers, a key, no quota of peers, raw punch
 * ports that fit and do not overlap listen. */
int spec_check(const struct spec *spec, char why[static SPEC_WHY]);
/* Does it listen at this port, or is it punched there without proof? */
bool spec_wants(const struct spec *spec, unsigned int port);
/* Do the two want a port (listen or raw punch) of each other, at one address? Returns it, or 0. */
uint16_t spec_overlap(const struct spec *a, const struct spec *b);
bool spec_equal(const struct spec *a, const struct spec *b);
/* May a client punch from there? */
bool spec_admits(const struct spec *spec, const struct addr *client);
/* May it have a sender there? */
bool spec_means(const struct spec *spec, const struct addr *sender);
/* As spec_set_quota() takes it: "50G/month", or "0". */
const char *spec_quota_format(const struct spec *spec, char out[static SPEC_QUOTA]);
/* "any", "first", or the prefix. */
const char *spec_source_format(const struct spec *spec, char out[static PREFIX_TEXT]);

#endif
