/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guard: what the kernel side lets the net side do: our addresses, our marks, clients that can be.
 */
#ifndef RELAYD_GUARD_H
#define RELAYD_GUARD_H

#include "relayd/config.h"
#include "rules/rules.h"

/* 0, or -EPERM and the reason in the error, with the index of the operation. */
int guard_check(const struct config *config, const struct rules_op *ops, size_t count,
	struct rules_error *error);

#endif
