/* SPDX-License-Identifier: GPL-2.0-or-later */
/* relayd: the program: options, what needs privileges at the start, and the two processes. */
#ifndef RELAYD_RELAYD_H
#define RELAYD_RELAYD_H

/* Returns the exit status: 0 done, 1 failed, 2 usage. */
int relayd_main(int argc, char **argv);

#endif
