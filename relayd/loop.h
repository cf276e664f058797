/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop: whether what is sent to a client comes back to its stream, as when the client is another
 * relay's listening endpoint and that relay's client is ours, over however many relays. Addresses
 * and ports do not tell, for behind one NAT client and sender are told apart by nothing else; so a
 * probe is sent to the client when somebody appears who could be its echo.
 */
#ifndef RELAYD_LOOP_H
#define RELAYD_LOOP_H

#include "common/stun.h"
#include "relayd/stream.h"
#include "rules/rules.h"

/* A client whose hole was closed as a loop is refused for so long. */
#define LOOP_MS 60000

/* A packet from event->sender has come: has table->probe called if it may be an echo. */
void loop_suspect(struct stream_table *table, struct slot *slot, const struct rules_event *event,
	int64_t now_ms);
/* It is what we have sent to the client ourselves: a probe, or the answer to its punch. */
bool loop_is_proven(const struct slot *slot, const struct rules_event *event);
/* A punch of this client would open a hole that was closed as a loop just now. */
bool loop_is_known(const struct slot *slot, const struct endpoint *client, int64_t now_ms);
/* The slot's probe; returns its length. A client that is none ignores it (RFC 8489, 6.3.2). */
size_t loop_probe(const struct slot *slot, uint8_t out[static STUN_HEADER]);

#endif
