/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sender: who may have a stream's flow, decided from the packets that want to open one.
 *
 * The kernel lets one sender at a time have a hole: a second flow to it would need the same reply
 * tuple and is dropped, silently, packet by packet. A sender that was started again with another
 * port is such a second flow; it gets the hole when the first one is no longer heard of.
 */
#ifndef RELAYD_SENDER_H
#define RELAYD_SENDER_H

#include "relayd/stream.h"
#include "rules/rules.h"

/* A packet from event->sender was let through by `source`, or was refused. */
void sender_event(struct stream_table *table, const struct rules_event *event, int64_t now_ms);
/*
 * A sample was taken: the port is kept again for who has the flow, when it has been silent for a
 * while and goes on; on the flow that it had it is not told by an event.
 */
void sender_heard(struct stream_table *table, struct slot *slot, int64_t now_ms);
/* Once a second: a lock whose holder is silent is given up. */
void sender_tick(struct stream_table *table, int64_t now_ms);
/* The lock is released; the next sender has it. */
void sender_unlock(struct stream_table *table, struct stream *stream);

#endif
