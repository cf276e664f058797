/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as messages of nf_tables about what somebody has changed. */
#undef NDEBUG /* the assertions are what is tested */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "rules/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rules_change sum = {.cause = RULES_CAUSE_NONE}, change;
	const struct nlmsghdr *nlh;
	int left = (int)size;
	uint8_t *copy;

	if (size > NL_BUFFER)
		return 0;
	copy = malloc(size + 1); /* aligned, and no longer than it is */
	assert(copy);
	memcpy(copy, data, size);
	for (nlh = (const struct nlmsghdr *)copy; mnl_nlmsg_ok(nlh, left);
		nlh = mnl_nlmsg_next(nlh, &left)) {
		bool ours = change_parse(nlh, &change);

		assert(change.cause < RULES_CAUSES);
		assert(ours || change.cause == RULES_CAUSE_NONE);
		assert(strnlen(change.process, RULES_PROCESS) < RULES_PROCESS);
		rules_change_add(&sum, &change);
	}
	free(copy);
	return 0;
}
