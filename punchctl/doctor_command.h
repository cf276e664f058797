/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor_command: what makes a chain of another program let our packets pass, in that program's own
 * words, so that it stays when the program loads its rules anew.
 */
#ifndef PUNCHCTL_DOCTOR_COMMAND_H
#define PUNCHCTL_DOCTOR_COMMAND_H

#include "punchctl/doctor.h"

/* Fills in fix, keep and hint. */
void doctor_command(const struct doctor_host *host, const struct doctor_chain *chain,
	struct doctor_finding *finding);

const char *doctor_family_text(enum doctor_family family); /* "ip", "ip6", "inet", "?" */

#endif
