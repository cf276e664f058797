/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/foreign.h"

const char *foreign_verdict_text(enum foreign_verdict verdict)
{
	static const char *const texts[] = {"passes", "drops", "changes", "unknown"};

	return texts[verdict];
}

const char *foreign_owner_text(enum foreign_owner owner)
{
	static const char *const texts[] = {
		"relayd", "ufw", "firewalld", "docker", "iptables", "nftables"};

	return texts[owner];
}
