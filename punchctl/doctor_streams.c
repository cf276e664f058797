/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/doctor.h"

#include <stdio.h>

/* A host whose addresses are all private has its public one on a NAT in front of it. */
static void advertise(const struct doctor_relay *relay, struct doctor_report *report)
{
	const struct doctor_address *lone = NULL;
	struct doctor_finding *finding;
	char text[ADDR_TEXT];

	for (size_t i = 0; i < relay->address_count; i++) {
		if (!addr_is_private(&relay->addresses[i].public) &&
			relay->addresses[i].public.family == AF_INET)
			return;
		if (!lone && addr_is_private(&relay->addresses[i].public))
			lone = &relay->addresses[i];
	}
	if (!lone)
		return;
	addr_format(&lone->public, text);
	finding = doctor_add(report, "advertise",
		relay->public_clients > 0 ? DOCTOR_WEAKENS : DOCTOR_NOTE,
		"%s is a private address without `advertise`%s%s.", text,
		lone->unseen ? ", and `discover` has found nothing" : "",
		relay->public_clients > 0 ? "; clients come from the Internet" : "");
	doctor_say(finding->breaks,
		"If a NAT has the public address, `punchctl add` tells senders and clients one "
		"that they cannot reach.");
	doctor_say(finding->hint,
		"Put advertise = { \"%s=PUBLIC-ADDRESS\" } into relayd.conf%s; then `punchctl "
		"reload`.",
		text, lone->unseen ? "" : ", or have relayd find it out with `discover`");
}

static void seen(const struct doctor_relay *relay, struct doctor_report *report)
{
	struct doctor_finding *finding;

	if (!*relay->seen)
		return;
	finding = doctor_add(report, "seen", DOCTOR_WEAKENS, "%s.", relay->seen);
	doctor_say(finding->breaks,
		"Senders and clients may be told an address or a port that they cannot reach.");
	doctor_say(finding->hint, "Change relayd.conf, then `punchctl reload`.");
}

void doctor_streams(const struct doctor_relay *relay, struct doctor_report *report)
{
	struct doctor_finding *finding;

	advertise(relay, report);
	seen(relay, report);
	if (relay->raw_punches > 0) {
		finding = doctor_add(report, "raw_punch", DOCTOR_NOTE,
			"%ld of %ld streams take raw punches.", relay->raw_punches, relay->streams);
		doctor_say(finding->breaks,
			"Nothing; but whoever can forge an address within `clients` can aim such a "
			"stream at it.");
		doctor_say(finding->hint,
			"Without raw-punch, clients prove the key with `punchctl punch`.");
	}
}
