/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/trouble.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define CALM_MS 10000

const char *trouble_name(enum trouble_kind kind)
{
	static const char *const names[] = {
		[TROUBLE_FLOWS] = "conntrack_full",
		[TROUBLE_SET] = "set_full",
		[TROUBLE_BUFFER] = "netlink_buffer",
		[TROUBLE_MEMORY] = "kernel_memory",
		[TROUBLE_FILES] = "no_descriptors",
		[TROUBLE_DISK] = "database",
		[TROUBLE_CLOCK] = "clock_set",
		[TROUBLE_CLIENTS] = "clients_full",
		[TROUBLE_RATE] = "rate_full",
		[TROUBLE_ADVERTISE] = "advertise",
	};

	return names[kind];
}

enum trouble_kind trouble_of(int error)
{
	switch (error) {
	case -ENFILE:
	case -ENOSPC:
		return TROUBLE_SET;
	case -ENOBUFS:
	case -EMSGSIZE:
		return TROUBLE_BUFFER;
	case -ENOMEM:
		return TROUBLE_MEMORY;
	}
	return TROUBLE_KINDS;
}

void trouble_tell(
	struct troubles *troubles, enum trouble_kind kind, int64_t now_ms, const char *format, ...)
{
	struct trouble *trouble = &troubles->list[kind];
	bool begins = !trouble->now;
	va_list args;

	va_start(args, format);
	vsnprintf(trouble->text, sizeof trouble->text, format, args);
	va_end(args);
	trouble->count++;
	trouble->newest_ms = now_ms;
	trouble->now = true;
	if (!begins)
		return;
	trouble->since_ms = now_ms;
	if (troubles->event)
		troubles->event(troubles->event_data, kind, trouble, false);
}

void trouble_end(struct troubles *troubles, enum trouble_kind kind)
{
	struct trouble *trouble = &troubles->list[kind];

	if (!trouble->now)
		return;
	trouble->now = false;
	if (troubles->event)
		troubles->event(troubles->event_data, kind, trouble, true);
}

void trouble_tick(struct troubles *troubles, int64_t now_ms)
{
	for (int i = 0; i < TROUBLE_KINDS; i++)
		if (i != TROUBLE_DISK && now_ms - troubles->list[i].newest_ms >= CALM_MS)
			trouble_end(troubles, (enum trouble_kind)i);
}
