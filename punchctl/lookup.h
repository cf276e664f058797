/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lookup: the relay's name at the start, with a word for who watches while it takes its time. */
#ifndef PUNCHCTL_LOOKUP_H
#define PUNCHCTL_LOOKUP_H

#include <stdbool.h>

#include "punchctl/target.h"

struct lookup_config {
	bool plain;   /* never a last line of the terminal */
	bool patient; /* a resolver that does not answer is waited for, as a silent relay is */
};

/* The target's addresses. -ENOENT or another error, said; -EINTR: a signal ended it. */
int lookup(const struct lookup_config *config, struct target *target);

#endif
