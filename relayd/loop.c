/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/loop.h"

#include <string.h>

#include "common/mac.h"

/*
 * Probes to one client. Longer than a sender has to be silent to lose the port (sender.c): if it is
 * the echo, a probe is what it sends.
 */
#define PROBE_MS 5000

/* Behind the client's address, or beside the sender who is known. */
static bool may_be_echo(const struct slot *slot, const struct endpoint *sender)
{
	const struct addr *client = &slot->want.client.addr, *known = &slot->sender.addr;

	if (!client->family)
		return false;
	return addr_equal(client, &sender->addr) ||
	       (known->family && !addr_equal(known, &sender->addr));
}

void loop_suspect(struct stream_table *table, struct slot *slot, const struct rules_event *event,
	int64_t now_ms)
{
	if (!table->probe || !may_be_echo(slot, &event->sender) ||
		(slot->probe_ms && now_ms - slot->probe_ms < PROBE_MS))
		return;
	slot->probe_ms = now_ms;
	mac_random(slot->probe, sizeof slot->probe);
	table->probe(table->event_data, slot);
}

bool loop_is_proven(const struct slot *slot, const struct rules_event *event)
{
	static const uint8_t none[STUN_TID];
	const uint8_t *tid = event->first + STUN_HEADER - STUN_TID;
	uint16_t type = (uint16_t)(event->first[0] << 8 | event->first[1]);

	if (!slot->want.client.addr.family || !stun_is(event->first, sizeof event->first))
		return false;
	if (type == STUN_SUCCESS)
		return memcmp(slot->tid, none, STUN_TID) && !memcmp(slot->tid, tid, STUN_TID);
	return type == STUN_INDICATION && slot->probe_ms && !memcmp(slot->probe, tid, STUN_TID);
}

bool loop_is_known(const struct slot *slot, const struct endpoint *client, int64_t now_ms)
{
	return slot->loop_ms && now_ms - slot->loop_ms < LOOP_MS &&
	       endpoint_equal(&slot->loop, client);
}

size_t loop_probe(const struct slot *slot, uint8_t out[static STUN_HEADER])
{
	struct buf buf;

	buf_init(&buf, out, STUN_HEADER);
	stun_begin(&buf, STUN_INDICATION, slot->probe);
	return stun_end(&buf);
}
