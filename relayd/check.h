/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check: the configuration as relayd's user reads it, at the start as at every reload. */
#ifndef RELAYD_CHECK_H
#define RELAYD_CHECK_H

#include "relayd/config.h"

/* 0, or -errno with a line in the log. */
int check_read(const char *path, struct config **out);
/* relayd --check: reads it, looks for what else a start needs, and prints it. 0, or -errno with a
 * line in the log. */
int check_print(const char *path);

#endif
