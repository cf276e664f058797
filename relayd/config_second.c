/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/config.h"

/*
 * "auto" finds addresses of bridges and tunnels too, where no client of ours would see an answer:
 * unless somebody has named them, only public ones are each other's alternates.
 */
static bool may_alternate(const struct config *config, const struct addr *local)
{
	struct addr public = config_public(config, local);

	return !config->automatic || !addr_is_private(&public);
}

bool config_second(const struct config *config, const struct addr *local, struct addr *out)
{
	size_t at = 0, count = config->address_count;

	while (at < count && !addr_equal(&config->addresses[at], local))
		at++;
	if (at == count || !may_alternate(config, local))
		return false;
	for (size_t i = 1; i < count; i++) {
		const struct addr *next = &config->addresses[(at + i) % count];

		if (next->family == local->family && may_alternate(config, next)) {
			*out = *next;
			return true;
		}
	}
	return false;
}
