/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/tally.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool tally_take(struct tally *tally, const char *what)
{
	size_t i = 0;

	if (tally->told < TALLY_LINES) {
		tally->told++;
		return true;
	}
	tally->held++;
	while (i < tally->kind_count && strcmp(tally->kinds[i].what, what) != 0)
		i++;
	if (i == TALLY_KINDS)
		return false; /* it is in the sum */
	if (i == tally->kind_count) {
		tally->kinds[i].what = what;
		tally->kinds[i].count = 0;
		tally->kind_count++;
	}
	tally->kinds[i].count++;
	return false;
}

const char *tally_end(struct tally *tally, char out[static TALLY_TEXT])
{
	bool any = tally->held > 0;
	int at = snprintf(out, TALLY_TEXT, "%" PRIu64 " more", tally->held);

	for (size_t i = 0; i < tally->kind_count && at < TALLY_TEXT; i++)
		at += snprintf(out + at, TALLY_TEXT - (size_t)at, "%s %" PRIu64 " %s",
			i ? "," : ":", tally->kinds[i].count, tally->kinds[i].what);
	memset(tally, 0, sizeof(*tally));
	return any ? out : NULL;
}
