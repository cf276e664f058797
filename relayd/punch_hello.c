/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hello of a peer that has proven its key: handed to the broker, answered with its word. */
#include <errno.h>
#include <string.h>

#include "relayd/punch_inner.h"

static void write_word(const struct punch *punch, const struct request *request,
	const struct peer_word *word, struct punch_answer *answer)
{
	uint8_t message[PEER_WIRE];
	size_t len = peer_word_encode(word, message);
	struct buf buf;

	_Static_assert(STUN_HEADER + 24 + 12 + 16 + 8 + 4 + 196 + 36 <= PUNCH_ANSWER_MAX,
		"room for the largest word");
	punch_begin(&buf, answer->data, STUN_SUCCESS, request);
	stun_put_endpoint(&buf, STUN_XOR_MAPPED_ADDRESS, &request->packet->source);
	stun_put_consent(&buf, punch->table->consent_ms / 1000);
	stun_put_sequence(&buf, request->stun.sequence);
	stun_put_peer(&buf, message, len);
	punch_sign(&buf, request);
	answer->len = stun_end(&buf);
}

static enum punch_count refuse(const struct request *request, uint16_t code, const char *reason,
	enum punch_count count, struct punch_answer *answer)
{
	answer->len = punch_error(request, code, reason, answer->data);
	return count;
}

static enum punch_count refuse_hello(const struct punch *punch, const struct request *request,
	const struct broker_hello *hello, int err, struct punch_answer *answer)
{
	switch (err) {
	case -ESTALE:
		answer->len =
			punch_outrun(request, broker_sequence(punch->broker, hello), answer->data);
		return PUNCH_REPLAYED;
	case -EBUSY:
		return refuse(request, 486, "too many peers", PUNCH_BUSY, answer);
	case -ESHUTDOWN:
		return refuse(request, 503, "the relay is draining", PUNCH_DRAINING, answer);
	case -EADDRINUSE:
		return refuse(
			request, 437, "this socket carries another stream", PUNCH_CLAIMED, answer);
	default:
		return refuse(request, 403, "this lane is another's", PUNCH_FORBIDDEN, answer);
	}
}

enum punch_count punch_hello(struct punch *punch, const struct request *request, int64_t now_ms,
	struct punch_answer *answer)
{
	const struct stun *stun = &request->stun;
	struct peer_hello hello;
	struct broker_hello in = {.stream = request->stream,
		.hole = {request->packet->source, request->packet->local},
		.hello = &hello,
		.key_len = request->key_len,
		.sequence = stun->sequence};
	struct peer_word word;
	int err;

	if (!punch->broker || !request->stream->spec.peers)
		return refuse(
			request, 403, "this stream is not for peers", PUNCH_FORBIDDEN, answer);
	if (!stun->has_sequence || peer_hello_decode(stun->peer.p, stun->peer.len, &hello) < 0)
		return refuse(request, 400, "no hello", PUNCH_INCOMPLETE, answer);
	if (punch_is_share(punch, request->packet) && (hello.role != PEER_SERVICE || !hello.shared))
		return refuse(request, 403, "this port is for services that share theirs",
			PUNCH_FORBIDDEN, answer);
	memcpy(in.key, request->key, request->key_len);
	err = broker_hello(punch->broker, &in, now_ms, &word);
	mac_wipe(in.key, sizeof in.key);
	if (err)
		return refuse_hello(punch, request, &in, err, answer);
	write_word(punch, request, &word, answer);
	return PUNCH_PEER;
}
