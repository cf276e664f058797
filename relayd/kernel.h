/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel: the kernel side; with CAP_NET_ADMIN and nothing else it does what the net side asks, if
 * the guard lets it, and starts the net side again when it dies.
 */
#ifndef RELAYD_KERNEL_H
#define RELAYD_KERNEL_H

#include "relayd/net.h"

/*
 * Runs until SIGTERM; the setup's kernel_fd is made here. *rules may be others at the end, or NULL.
 * Returns the exit status.
 */
int kernel_run(struct rules **rules, struct net_setup *setup);

#endif
