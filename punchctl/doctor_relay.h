/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor_relay: what relayd answers, as typed and checked values. It faces the network, so nothing
 * that it says is believed for more than it can be.
 */
#ifndef PUNCHCTL_DOCTOR_RELAY_H
#define PUNCHCTL_DOCTOR_RELAY_H

#include <jansson.h>

#include "punchctl/doctor.h"

/* The answers to {"do":"host"} and {"do":"list"}; either may be NULL. */
void doctor_relay_read(const json_t *host, const json_t *list, struct doctor_relay *relay);

#endif
