/* SPDX-License-Identifier: GPL-2.0-or-later */
/* notify: tells systemd, by one datagram, what the service is at (sd_notify(3)). */
#ifndef COMMON_NOTIFY_H
#define COMMON_NOTIFY_H

#include <stdint.h>

/* Each does nothing when NOTIFY_SOCKET is not set. */
void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);
void notify_alive(void);
/* How it stands, in one line of words. */
void notify_status(const char *words);

/* How often the main process must be heard to be alive, in ms; 0: nobody waits for that. */
uint64_t notify_watchdog_ms(void);

#endif
