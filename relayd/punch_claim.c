/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A punch that has proven its key, for a port of a stream. */
#include <errno.h>
#include <string.h>

#include "relayd/loop.h"
#include "relayd/punch_inner.h"

void punch_begin(struct buf *buf, uint8_t *out, uint16_t type, const struct request *request)
{
	buf_init(buf, out, PUNCH_ANSWER_MAX);
	stun_begin(buf, type, request->stun.tid);
}

void punch_sign(struct buf *buf, const struct request *request)
{
	if (request->stun.integrity256)
		stun_put_integrity256(buf, request->key, request->key_len);
	else
		stun_put_integrity(buf, request->key, request->key_len);
}

size_t punch_error(const struct request *request, uint16_t code, const char *reason, uint8_t *out)
{
	struct buf buf;

	punch_begin(&buf, out, STUN_ERROR, request);
	stun_put_error(&buf, code, reason);
	if (code == 420)
		stun_put_unknown(&buf, &request->stun);
	if (code == 400 && request->sequence)
		stun_put_sequence(&buf, request->sequence);
	punch_sign(&buf, request);
	return stun_end(&buf);
}

/* Who jumps over what was seen last goes on. */
size_t punch_outrun(const struct request *request, uint64_t sequence, uint8_t *out)
{
	struct request outrun = *request;
	size_t len;

	outrun.sequence = sequence;
	len = punch_error(&outrun, 400, "sequence went back", out);
	mac_wipe(outrun.key, sizeof outrun.key);
	return len;
}

static struct slot *find_slot(struct stream *stream, const char *port, uint8_t family)
{
	for (size_t i = 0; i < stream->slot_count; i++) {
		struct slot *slot = stream->slots[i];
		struct ports ports;

		if (slot->family != family)
			continue;
		if (!port || (!ports_parse(port, &ports) && ports.count == 1 &&
				     ports.port[0] == slot->port))
			return slot;
	}
	return NULL;
}

/*
 * "NAME" is the stream's first port, "NAME:PORT" that one. A stream for peers need not have any:
 * who says hello to it needs none.
 */
void punch_find(const struct stream_table *table, struct request *request)
{
	struct stun_bytes user = request->stun.username;
	const uint8_t *colon = memchr(user.p, ':', user.len);
	size_t len = colon ? (size_t)(colon - user.p) : user.len;
	char name[SPEC_NAME], port[6] = "";
	struct stream *stream;

	if (len >= sizeof name || (colon && user.len - len - 1 >= sizeof port))
		return;
	memcpy(name, user.p, len);
	name[len] = '\0';
	if (strlen(name) != len)
		return;
	if (colon)
		memcpy(port, colon + 1, user.len - len - 1);
	stream = stream_find(table, name);
	if (!stream)
		return;
	request->slot = find_slot(stream, colon ? port : NULL, request->packet->source.addr.family);
	if (request->slot || (request->stun.peer.p && !colon))
		request->stream = stream;
}

bool punch_allowed(
	const struct punch *punch, const struct stream *stream, const struct endpoint *client)
{
	if (!spec_admits(&stream->spec, &client->addr))
		return false;
	return client->port && addr_is_routable(&client->addr) &&
	       !(punch->own && punch->own(punch->own_data, &client->addr));
}

bool punch_is_lane(const struct punch *punch, const struct endpoint *client)
{
	return punch->broker && broker_has_hole(punch->broker, client);
}

/*
 * Is it older than what the slot has accepted? A captured request that is sent again must neither
 * move the stream back nor prolong it. Clients without our attribute are told by their nonce's age.
 */
static bool replayed(const struct request *request, bool same_hole)
{
	const struct slot *slot = request->slot;

	if (request->stun.has_sequence)
		return request->stun.sequence <= slot->sequence;
	return !same_hole && request->nonce.issued_ms < slot->nonce_ms;
}

static void write_success(
	const struct punch *punch, const struct request *request, struct punch_answer *answer)
{
	struct buf buf;

	punch_begin(&buf, answer->data, STUN_SUCCESS, request);
	stun_put_endpoint(&buf, STUN_XOR_MAPPED_ADDRESS, &request->packet->source);
	stun_put_consent(&buf, punch->table->consent_ms / 1000);
	if (request->stun.has_sequence)
		stun_put_sequence(&buf, request->stun.sequence);
	punch_sign(&buf, request);
	answer->len = stun_end(&buf);
	answer->failure_len =
		punch_error(request, 500, "the kernel refused the path", answer->failure);
	answer->slot = request->slot;
}

static enum punch_count refuse_claim(
	const struct request *request, int err, struct punch_answer *answer)
{
	static const struct {
		int err;
		uint16_t code;
		const char *reason;
		enum punch_count count;
	} causes[] = {
		{-EADDRINUSE, 437, "this socket carries another port", PUNCH_CLAIMED},
		{-ESHUTDOWN, 503, "the relay is draining", PUNCH_DRAINING},
		{-EUSERS, 508, "the relay has as many clients as it may", PUNCH_FULL},
		{-EDQUOT, 486, "the stream's quota is used up", PUNCH_SPENT},
		{0, 508, "out of memory", PUNCH_FAILED},
	};
	size_t i = 0;

	while (causes[i].err && causes[i].err != err)
		i++;
	answer->len = punch_error(request, causes[i].code, causes[i].reason, answer->data);
	return causes[i].count;
}

enum punch_count punch_claim(struct punch *punch, const struct request *request, int64_t now_ms,
	struct punch_answer *answer)
{
	const struct hole hole = {request->packet->source, request->packet->local};
	struct slot *slot = request->slot;
	bool same = endpoint_equal(&slot->want.client, &hole.client) &&
		    endpoint_equal(&slot->want.punch, &hole.punch);
	bool moved;
	int err;

	if (same && !memcmp(slot->tid, request->stun.tid, STUN_TID)) {
		write_success(punch, request, answer);
		return PUNCH_REPEATED;
	}
	if (loop_is_known(slot, &hole.client, now_ms)) {
		answer->len = punch_error(
			request, 403, "a loop: what was sent there came back", answer->data);
		return PUNCH_FORBIDDEN;
	}
	if (replayed(request, same)) {
		/* A client of ours jumps over what we have seen; any other needs only a new nonce.
		 */
		if (request->stun.has_sequence)
			answer->len = punch_outrun(request, slot->sequence, answer->data);
		else
			punch_challenge(punch, request, 438, now_ms, answer);
		return PUNCH_REPLAYED;
	}
	err = punch_is_lane(punch, &hole.client)
		      ? -EADDRINUSE
		      : slot_claim(punch->table, slot, &hole, now_ms, &moved);
	if (err)
		return refuse_claim(request, err, answer);
	slot->raw = false;
	memcpy(slot->tid, request->stun.tid, STUN_TID);
	slot->nonce_ms = request->nonce.issued_ms;
	if (request->stun.has_sequence)
		slot->sequence = request->stun.sequence;
	write_success(punch, request, answer);
	return PUNCH_ACCEPTED;
}
