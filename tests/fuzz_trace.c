/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as messages of the trace group: what is read of them lies within them. */
#undef NDEBUG /* the assertions are what is tested */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>

#include "rules/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void event_check(const struct trace_event *event)
{
	assert(event->kind <= TRACE_POLICY);
	assert(strnlen(event->table, sizeof(event->table)) < sizeof(event->table));
	assert(strnlen(event->chain, sizeof(event->chain)) < sizeof(event->chain));
	assert(strnlen(event->target, sizeof(event->target)) < sizeof(event->target));
	assert(event->source.addr.family == event->dest.addr.family);
	assert(event->source.addr.family || !event->source.port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1);
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)copy;
	int left = (int)size;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		struct trace_event event;
		uint32_t id;

		if (trace_parse(nlh, &event, &id))
			event_check(&event);
	}
	free(copy);
	return 0;
}
