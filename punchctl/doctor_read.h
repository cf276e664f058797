/* SPDX-License-Identifier: GPL-2.0-or-later */
/* doctor_read: gets the facts about this host; changes nothing. */
#ifndef PUNCHCTL_DOCTOR_READ_H
#define PUNCHCTL_DOCTOR_READ_H

#include "punchctl/doctor.h"

/* From the files under root, "" for the host's own: devices, settings, programs. */
void doctor_read_files(const char *root, struct doctor_host *host);
/* From the kernel by other ways: addresses, offloads, the clock. */
void doctor_read_live(const struct doctor_relay *relay, struct doctor_host *host);
/* The buffers of the sockets at this port. */
void doctor_read_sockets(uint16_t port, struct doctor_host *host);

#endif
