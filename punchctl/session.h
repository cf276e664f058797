/* SPDX-License-Identifier: GPL-2.0-or-later */
/* session: one run of `punchctl punch`: the loop that joins agent, carry, player and signals. */
#ifndef PUNCHCTL_SESSION_H
#define PUNCHCTL_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "punchctl/target.h"

/* All pointers are the caller's and must outlive the session. */
struct session_config {
	const struct target *target; /* resolved */
	const char *key_file;
	const char *key;
	const struct ports *ports; /* at the relay */
	const uint16_t *local;	   /* the player's, on 127.0.0.1, as many */
	char **player;		   /* words, ended by NULL; NULL: none, run until interrupted */
	const char *sdp;	   /* path of the rewritten description, or NULL */
	bool share;		   /* the player's own sockets are punched, at the ports `local` */
	bool plain;		   /* lines only, also on a terminal */
	bool json;
};

struct session;

/* Opens the sockets; -errno. *out is for session_close(). */
int session_open(const struct session_config *config, struct session **out);
/* Runs until the player has ended, a signal, or a refusal that is final: 0, or -ECANCELED, said. */
int session_run(struct session *session);
void session_close(struct session *session);

#endif
