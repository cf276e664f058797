/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/doctor.h"

#include <stdio.h>
#include <string.h>

#include "punchctl/doctor_command.h"

/*
 * Whether an earlier finding says the same: of another address or family, or, where the same
 * command mends both, of the media that go the other way.
 */
static bool is_told(const struct doctor_report *report, const struct doctor_finding *finding)
{
	for (const struct doctor_finding *other = report->list; other < finding; other++)
		if (*finding->fix ? !strcmp(other->fix, finding->fix)
				  : !strcmp(other->what, finding->what))
			return true;
	return false;
}

static const char *owner_text(enum doctor_owner owner)
{
	switch (owner) {
	case DOCTOR_OURS:
		return "relayd";
	case DOCTOR_UFW:
		return "ufw";
	case DOCTOR_FIREWALLD:
		return "firewalld";
	case DOCTOR_DOCKER:
		return "Docker's firewall";
	case DOCTOR_IPTABLES:
		return "iptables";
	case DOCTOR_NFTABLES:
		return "nftables";
	}
	return "?";
}

/* "ufw (chain FORWARD of table ip filter)" */
static const char *where(const struct doctor_chain *chain, char out[static 256])
{
	snprintf(out, 256, "%s (chain %s of table %s %s)", owner_text(chain->owner),
		*chain->chain ? chain->chain : "?", doctor_family_text(chain->family),
		*chain->table ? chain->table : "?");
	return out;
}

static void dropped(const struct doctor_host *host, const struct doctor_chain *chain,
	struct doctor_report *report)
{
	struct doctor_finding *finding = NULL;
	char place[256];

	where(chain, place);
	switch (chain->way) {
	case DOCTOR_MEDIA:
		finding = doctor_add(report, "forward", DOCTOR_STOPS,
			"%s drops media that is forwarded.", place);
		doctor_say(finding->breaks, "No stream reaches its client.");
		break;
	case DOCTOR_REPLY:
		finding = doctor_add(report, "forward_back", DOCTOR_WEAKENS,
			"%s drops what clients send back.", place);
		doctor_say(finding->breaks,
			"Senders get no RTCP reports; peers do not hear each other.");
		break;
	case DOCTOR_PUNCH:
		finding = doctor_add(report, "punch", DOCTOR_STOPS,
			"%s drops punches to UDP port %u.", place, chain->port);
		doctor_say(finding->breaks, "No client can ask for its stream.");
		break;
	case DOCTOR_ANSWER:
		finding = doctor_add(report, "answer", DOCTOR_STOPS,
			"%s drops what relayd answers from UDP port %u.", place, chain->port);
		doctor_say(finding->breaks, "No client learns that its punch has worked.");
		break;
	}
	doctor_command(host, chain, finding);
	if (is_told(report, finding))
		report->count--;
}

static void taken(const struct doctor_chain *chain, struct doctor_report *report)
{
	struct doctor_finding *finding;
	char place[256];

	finding = doctor_add(report, "taken",
		chain->way == DOCTOR_REPLY ? DOCTOR_WEAKENS : DOCTOR_STOPS,
		"%s translates %s before relayd does.", where(chain, place),
		chain->way == DOCTOR_PUNCH ? "punches" : "media");
	doctor_say(finding->breaks, "They go elsewhere.");
	doctor_say(finding->hint,
		"Give the stream other ports, or the program that has put the rule there.");
	if (is_told(report, finding))
		report->count--;
}

static void unclear(const struct doctor_chain *chain, struct doctor_report *report)
{
	struct doctor_finding *finding;
	char place[256];

	finding = doctor_add(report, "unclear", DOCTOR_NOTE,
		"%s has a rule that is not understood, in the way of %s.", where(chain, place),
		chain->way == DOCTOR_PUNCH || chain->way == DOCTOR_ANSWER ? "punches" : "media");
	doctor_say(finding->breaks, "Perhaps nothing.");
	doctor_say(finding->hint, "`punchctl explain NAME --trace` finds out with a packet.");
	if (is_told(report, finding))
		report->count--;
}

void doctor_firewall(const struct doctor_host *host, const struct doctor_relay *relay,
	struct doctor_report *report)
{
	for (size_t i = 0; relay->asked && i < relay->chain_count; i++) {
		const struct doctor_chain *chain = &relay->chains[i];

		if (chain->owner == DOCTOR_OURS)
			continue;
		switch (chain->verdict) {
		case DOCTOR_PASSES:
			break;
		case DOCTOR_DROPS:
			dropped(host, chain, report);
			break;
		case DOCTOR_CHANGES:
			taken(chain, report);
			break;
		case DOCTOR_UNCLEAR:
			unclear(chain, report);
			break;
		}
	}
}
