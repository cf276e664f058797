/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tunnel: one run of `punchctl serve` or `punchctl connect`. */
#ifndef PUNCHCTL_TUNNEL_H
#define PUNCHCTL_TUNNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/peer.h"
#include "punchctl/target.h"

#define TUNNEL_SESSIONS	    64
#define TUNNEL_SESSIONS_MAX 1024
#define TUNNEL_IDLE	    120 /* seconds */

/* All pointers are the caller's and must outlive the tunnel. */
struct tunnel_config {
	enum peer_role role;
	struct target *target; /* resolved, and again when it is silent */
	const char *key_file;
	const char *key;
	struct endpoint local; /* of a service: where it is; of a client: where to listen */
	unsigned int sessions; /* at once */
	int64_t idle_ms;       /* without data: a session ends */
	bool share;    /* of a service: its own socket is punched, and data do not pass us */
	char **player; /* words of a program, ended by NULL; NULL: none, run until interrupted */
	bool relayed;  /* no direct paths; SIGUSR1 and SIGUSR2 change it */
	bool gateway;  /* is asked for a port where that helps */
	bool plain;    /* lines only, also on a terminal */
	bool json;
};

struct tunnel;

/* Opens what it needs at once; -errno, said. *out is for tunnel_close(). */
int tunnel_open(const struct tunnel_config *config, struct tunnel **out);
/* Runs until the program has ended, a signal, or a refusal that is final: 0, or -ECANCELED, said.
 */
int tunnel_run(struct tunnel *tunnel);
void tunnel_close(struct tunnel *tunnel);

#endif
