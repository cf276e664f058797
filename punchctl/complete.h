/* SPDX-License-Identifier: GPL-2.0-or-later */
/* complete: what a shell may offer for the word that is being typed. */
#ifndef PUNCHCTL_COMPLETE_H
#define PUNCHCTL_COMPLETE_H

#include <stddef.h>

#include "punchctl/cmd.h"

/*
 * The words are those after punchctl's name, up to the cursor; the last may be empty. Prints what
 * may stand in its place, one a line with a tab and its meaning behind it; or COMPLETE_FILE, or
 * COMPLETE_PROGRAM if what follows "--" is another program's. All of it is taken from what --help
 * says, and from the daemon. Returns CMD_DONE.
 */
#define COMPLETE_FILE	 "<file>"
#define COMPLETE_PROGRAM "<program>"
int complete_print(const struct cmd *const *commands, const char *socket, int argc, char **argv);

#endif
