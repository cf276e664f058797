/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/doctor.h"

#include <stdio.h>

/* What relayd has met itself since it started. */
void doctor_trouble(const struct doctor_relay *relay, struct doctor_report *report)
{
	static const struct {
		enum doctor_weight weight;
		bool past; /* it matters also when it is over */
		const char *id, *what, *breaks, *hint;
	} texts[DOCTOR_TROUBLES] = {
		[DOCTOR_SET_FULL] = {DOCTOR_WEAKENS, false, "set_full",
			"A set of table inet relayd is full.",
			"New streams, clients or senders may have to wait.",
			"relayd's log says which, and relayd(8) under set_full what helps."},
		[DOCTOR_NO_DESCRIPTORS] = {DOCTOR_WEAKENS, false, "descriptors",
			"relayd has no file descriptor left.",
			"It answers no new request on its control socket.",
			"Raise LimitNOFILE= in relayd's unit, and restart it."},
		[DOCTOR_DATABASE] = {DOCTOR_WEAKENS, false, "database",
			"relayd cannot write its database.", "Streams cannot be added or removed.",
			"Its log says why; is there room on the disk?"},
		[DOCTOR_NETLINK_BUFFER] = {DOCTOR_NOTE, true, "netlink_buffer",
			"The kernel has told relayd of more than it could take at once.",
			"Nothing: relayd compares then. If it happens often, it costs CPU.",
			"Its log and `punchctl metrics` say how often."},
		[DOCTOR_CLOCK_SET] = {DOCTOR_NOTE, true, "clock_jumped",
			"The clock was set while relayd ran.",
			"Nothing: streams that were added with --expire stay as long as was asked.",
			"`punchctl show NAME` says when one expires."},
		[DOCTOR_NO_MEMORY] = {DOCTOR_WEAKENS, false, "kernel_memory",
			"The kernel has no memory for what relayd tells it.",
			"Clients that come now get no stream.", "Free some memory."},
	};

	for (int i = 0; i < DOCTOR_TROUBLES; i++) {
		struct doctor_finding *finding;

		if (!texts[i].id || !(relay->now[i] || (texts[i].past && relay->met[i] > 0)))
			continue;
		finding = doctor_add(report, texts[i].id, texts[i].weight, "%s", texts[i].what);
		doctor_say(finding->breaks, "%s", texts[i].breaks);
		doctor_say(finding->hint, "%s", texts[i].hint);
	}
}
