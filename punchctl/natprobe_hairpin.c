/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hairpinning, RFC 4787, section 6: two sockets here, each sends to the other's mapped address. */
#include <string.h>

#include "common/mac.h"
#include "punchctl/natprobe_tests.h"

#define HAIRPIN_TRIES 3

void hairpin_start(struct natprobe *probe, int64_t now_ms)
{
	struct probe_hairpin *hairpin = &probe->hairpin;

	hairpin->stage = PROBE_DONE;
	if (!probe->config.thorough || probe->result.report.mapping == NAT_MAPPING_NONE)
		return;
	hairpin->stage = PROBE_RUNNING;
	mac_random(hairpin->tid, sizeof(hairpin->tid));
	ask_start_fresh(probe, &hairpin->asks[0], now_ms);
	ask_start_fresh(probe, &hairpin->asks[1], now_ms);
}

/* Both ways, since a filter opens only for an address that its own side has sent to. */
static void hairpin_send(struct natprobe *probe, int64_t now_ms)
{
	struct probe_hairpin *hairpin = &probe->hairpin;

	for (unsigned int i = 0; i < 2; i++)
		probe_indicate(probe, hairpin->asks[i].socket, &hairpin->asks[1 - i].mapped, 0,
			hairpin->tid);
	hairpin->tries++;
	hairpin->last_ms = now_ms;
}

static void hairpin_end(struct natprobe *probe, enum natprobe_answer answer)
{
	struct probe_hairpin *hairpin = &probe->hairpin;

	hairpin->stage = PROBE_DONE;
	probe->result.hairpin = answer;
	for (unsigned int i = 0; i < 2; i++)
		probe_socket_close(probe, hairpin->asks[i].socket);
}

void hairpin_step(struct natprobe *probe, int64_t now_ms)
{
	struct probe_hairpin *hairpin = &probe->hairpin;

	if (hairpin->stage != PROBE_RUNNING || !hairpin->asks[0].done || !hairpin->asks[1].done)
		return;
	if (!ask_succeeded(&hairpin->asks[0]) || !ask_succeeded(&hairpin->asks[1]))
		hairpin_end(probe, NATPROBE_UNKNOWN);
	else if (hairpin->tries == 0 || now_ms >= hairpin_deadline(probe)) {
		if (hairpin->tries == HAIRPIN_TRIES)
			hairpin_end(probe, NATPROBE_NO);
		else
			hairpin_send(probe, now_ms);
	}
}

int64_t hairpin_deadline(const struct natprobe *probe)
{
	const struct probe_hairpin *hairpin = &probe->hairpin;

	if (hairpin->stage != PROBE_RUNNING || hairpin->tries == 0)
		return INT64_MAX;
	return hairpin->last_ms + probe->rto_ms;
}

bool hairpin_input(struct natprobe *probe, int socket, const struct stun *stun)
{
	const struct probe_hairpin *hairpin = &probe->hairpin;

	if (hairpin->stage != PROBE_RUNNING || stun->type != STUN_INDICATION ||
		(socket != hairpin->asks[0].socket && socket != hairpin->asks[1].socket) ||
		memcmp(stun->tid, hairpin->tid, STUN_TID) != 0)
		return false;
	hairpin_end(probe, NATPROBE_YES);
	return true;
}
