/* SPDX-License-Identifier: GPL-2.0-or-later */
/* relayd: the program: options, what needs privileges at the start, and the two processes. */
#ifndef RELAYD_RELAYD_H
#define RELAYD_RELAYD_H

#include <stdbool.h>

/* Returns the exit status: 0 done, 1 failed, 2 usage. */
int relayd_main(int argc, char **argv);

struct rules;
struct rules_error;
/* The same with another way to open the table, for tests. */
int relayd_main_with(int argc, char **argv,
	int (*open_rules)(struct rules **out, bool *adopted, struct rules_error *error));

#endif
