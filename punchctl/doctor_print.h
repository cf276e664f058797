/* SPDX-License-Identifier: GPL-2.0-or-later */
/* doctor_print: findings as text for people, and as JSON. */
#ifndef PUNCHCTL_DOCTOR_PRINT_H
#define PUNCHCTL_DOCTOR_PRINT_H

#include <jansson.h>

#include "punchctl/doctor.h"

/* unchecked: what could not be looked at, NULL if everything was. */
void doctor_print(const struct doctor_report *report, const char *unchecked);
/* The caller's; NULL: memory is short. */
json_t *doctor_json(const struct doctor_report *report, const char *unchecked);

#endif
