/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the relay has carried for pairs, by the kernel's counter of what went to each socket. */
#include "relayd/broker_inner.h"

size_t broker_spots(const struct broker *broker, size_t *at, struct rules_spot *spots, size_t room)
{
	size_t count = 0;

	/* Each lane has a timer. */
	if (!broker->heap.count)
		*at = BROKER_LANES;
	for (; *at < BROKER_LANES && count < room; ++*at) {
		const struct lane *lane = &broker->lanes[*at];

		/* Each socket once. */
		if (lane->pair && lane_by_client(broker, &lane->hole.client) == lane)
			spots[count++] = (struct rules_spot){.client = lane->hole.client};
	}
	return count;
}

/* The next lane of the same socket; they all have the same counts, but for those that are new. */
static struct lane *next_of(struct lane *lane)
{
	const struct endpoint *client = &lane->hole.client;

	while ((lane = LIST_NEXT(lane, hole_link)))
		if (!lane->closed && endpoint_equal(&lane->hole.client, client))
			break;
	return lane;
}

void broker_sample(struct broker *broker, const struct rules_client *client, int64_t now_ms)
{
	struct lane *first = lane_by_client(broker, &client->client);
	const struct lane *known = NULL;
	struct stream_carried *carried;
	uint64_t packets, bytes;

	if (!first)
		return;
	for (struct lane *lane = first; lane; lane = next_of(lane)) {
		if (lane->sampled)
			known = lane;
	}
	packets = client->packets;
	bytes = client->bytes;
	/* Unless the element was made anew. */
	if (known && packets >= known->packets && bytes >= known->bytes) {
		packets -= known->packets;
		bytes -= known->bytes;
	}
	carried = &first->crowd->stream->carried;
	carried->packets += packets;
	carried->bytes += bytes;
	if (known && packets)
		carried->media_ms = now_ms;
	else if (!known) /* of whenever that was */
		carried->rated_bytes += bytes;
	for (struct lane *lane = first; lane; lane = next_of(lane)) {
		lane->sampled = true;
		lane->packets = client->packets;
		lane->bytes = client->bytes;
	}
}
