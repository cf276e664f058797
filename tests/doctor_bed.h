/* SPDX-License-Identifier: GPL-2.0-or-later */
/* doctor_bed: a host, and a relay on it, with which all is well; tests spoil it. */
#ifndef TESTS_DOCTOR_BED_H
#define TESTS_DOCTOR_BED_H

#include <check.h>

#include "punchctl/doctor.h"

extern struct doctor_host host;
extern struct doctor_relay relay;
extern struct doctor_report report;

void setup(void);
void device_add(const char *name);
void address_add(const char *local, const char *public);

const struct doctor_finding *find(const char *id);
/* The only finding. */
const struct doctor_finding *examine(const char *id, enum doctor_weight weight);
void assert_nothing(void);

#endif
