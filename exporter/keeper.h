/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keeper: a child that can open the token file and do nothing else, so that the process that speaks
 * HTTP can have it read again and yet open no file.
 */
#ifndef EXPORTER_KEEPER_H
#define EXPORTER_KEEPER_H

#include "exporter/token.h"

/*
 * Starts the child, and *fd is where to ask it; it ends when that is closed. Before there is
 * anything that it should not inherit. 0 or -errno.
 */
int keeper_start(const char *path, int *fd);
/* Has it read the file; the answer makes fd readable. */
int keeper_ask(int fd);
/*
 * The answer, once fd is readable: 0 or what token_read() returned, with its `why`; -EPIPE: the
 * child has ended.
 */
int keeper_answer(int fd, struct token *token, char why[static TOKEN_WHY]);

#endif
