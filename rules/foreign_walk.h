/* SPDX-License-Identifier: GPL-2.0-or-later */
/* foreign_walk: foreign_walk on a ruleset in memory, for tests. */
#ifndef RULES_FOREIGN_WALK_H
#define RULES_FOREIGN_WALK_H

#include "rules/foreign_eval.h"

int foreign_walk_ruleset(const struct ruleset *ruleset, const struct foreign_host *host,
	const struct foreign_packet *packet,
	void (*chain)(void *data, const struct foreign_chain *chain), void *data);

#endif
