/* SPDX-License-Identifier: GPL-2.0-or-later */
/* view: streams, events and what the kernel holds, as the JSON of control.h; never a key. */
#ifndef RELAYD_VIEW_H
#define RELAYD_VIEW_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/text.h"
#include "relayd/broker.h"
#include "relayd/config.h"
#include "relayd/control.h"
#include "relayd/stream.h"
#include "relayd/trouble.h"

/* Every function that returns json_t hands it over to the caller; NULL when memory is short. */

/*
 * A stream, with an entry in "ports" for each port and each of the relay's addresses. "clients" is
 * "any" or a prefix; "rate", "raw_punch" and "expires" (wall clock seconds) are 0 for none. Of a
 * port without a client, "client" and "consent" are null; "idle" is null before the first media.
 * "pairs" has an entry for each pair of peers; without a broker (NULL) there are none. What the
 * relay carried for them is "relayed", and a part of the stream's "packets" and "bytes".
 */
json_t *view_stream(const struct config *config, const struct broker *broker,
	const struct stream *stream, int64_t now_ms);
/* The same as text, for very many. */
void view_stream_write(const struct config *config, const struct broker *broker,
	const struct stream *stream, int64_t now_ms, struct text *out);
/*
 * Only name, state, listen, relayed of one with peers, and of ports listen, client, sender,
 * packets, rate, idle.
 */
void view_stream_brief(
	const struct config *config, const struct stream *stream, int64_t now_ms, struct text *out);
/* Those of now: [{"trouble":NAME,"text":TEXT,"since":SECONDS,"count":TIMES},..] */
json_t *view_troubles(const struct troubles *troubles, int64_t now_ms);
/* time: wall clock milliseconds. */
json_t *view_event(const struct control_event *event, int64_t time);
/* "203.0.113.7:3478" for each address of the relay: where clients punch. */
json_t *view_relays(const struct config *config);

/* An endpoint as text; null for none, and for NULL. */
json_t *view_endpoint(const struct endpoint *endpoint);
json_t *view_addr(const struct addr *addr);
/* "any" when it has no bits. */
json_t *view_prefix(const struct prefix *prefix);

/*
 * All streams by name, without those that are on their way out: an array for free(), which holds
 * pointers of the table. NULL when memory is short; *count may be 0.
 */
const struct stream **view_sorted(const struct stream_table *table, size_t *count);

#endif
