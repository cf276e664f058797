/* SPDX-License-Identifier: GPL-2.0-or-later */
/* doctor_fix: shows what mends a finding, asks, and runs it. */
#ifndef PUNCHCTL_DOCTOR_FIX_H
#define PUNCHCTL_DOCTOR_FIX_H

#include "punchctl/doctor.h"

/*
 * Shows each command before it runs; on a terminal it asks first unless yes is set. Returns how
 * many have been run with success; *failed: how many without.
 */
size_t doctor_fix(const struct doctor_report *report, bool yes, size_t *failed);

#endif
