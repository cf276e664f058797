/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natreport: what `punchctl nat` found, in plain words or as JSON, punchctl(8). */
#ifndef PUNCHCTL_NATREPORT_H
#define PUNCHCTL_NATREPORT_H

#include <jansson.h>

#include "punchctl/natrun.h"

/* What stands in the way of a peer that is called, from nothing to the worst. */
enum natreport_peer {
	NATREPORT_OPEN,	       /* no NAT, a port that is mapped, or a NAT that lets everybody in */
	NATREPORT_INDEPENDENT, /* endpoint-independent mapping, or port preserving */
	NATREPORT_SEQUENTIAL,  /* a port for each destination, one after another */
	NATREPORT_RANDOM,      /* a port for each destination, anywhere */
	NATREPORT_PEERS,
};

enum natreport_chance { NATREPORT_NEVER, NATREPORT_MAYBE, NATREPORT_SURELY };

/* Will a direct path to such a peer be found, before the relay has to do. */
enum natreport_chance natreport_chance(
	const struct natrun_outcome *outcome, enum natreport_peer peer);

void natreport_print(const struct natrun_config *config, const struct natrun_outcome *outcome);
/* A new reference; NULL: out of memory. */
json_t *natreport_json(const struct natrun_config *config, const struct natrun_outcome *outcome);

#endif
