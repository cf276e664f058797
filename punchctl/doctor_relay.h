/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor_relay: what relayd answers, as typed and checked values. It faces the network, so nothing
 * that it says is believed for more than it can be.
 */
#ifndef PUNCHCTL_DOCTOR_RELAY_H
#define PUNCHCTL_DOCTOR_RELAY_H

#include <jansson.h>

#include "punchctl/doctor.h"

/* relayd's answers to {"do":..}; any of them may be NULL. */
struct doctor_answers {
	json_t *host, *metrics;
};

void doctor_relay_read(const struct doctor_answers *answers, struct doctor_relay *relay);
/* Then each stream of {"do":"list"}. */
void doctor_relay_stream(const json_t *stream, struct doctor_relay *relay);

#endif
