/* SPDX-License-Identifier: GPL-2.0-or-later */
/* punchctl: the program: its table of commands, and the options before them. */
#ifndef PUNCHCTL_PUNCHCTL_H
#define PUNCHCTL_PUNCHCTL_H

/* Returns an enum cmd_status. */
int punchctl_main(int argc, char **argv);

#endif
