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
	json_t *host, *list, *metrics;
};

void doctor_relay_read(const struct doctor_answers *answers, struct doctor_relay *relay);

#endif
