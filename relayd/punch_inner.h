/* SPDX-License-Identifier: GPL-2.0-or-later */
/* punch_inner: what the files of punch share: a request on its way through the checks. */
#ifndef RELAYD_PUNCH_INNER_H
#define RELAYD_PUNCH_INNER_H

#include "common/mac.h"
#include "relayd/punch.h"

struct request {
	const struct punch_packet *packet;
	struct stun stun;
	struct nonce_facts nonce;
	struct stream *stream; /* that it is for; NULL: there is none */
	struct slot *slot;     /* NULL: none of this stream, it can only be a hello */
	uint64_t sequence;     /* for a 400 */
	uint8_t key[STUN_KEY_MAX];
	size_t key_len;
};

/* punch.c */
void punch_challenge(struct punch *punch, const struct request *request, uint16_t code,
	int64_t now_ms, struct punch_answer *answer);

/* Its port takes hellos of shared sockets, and nothing else. */
bool punch_is_share(const struct punch *punch, const struct punch_packet *packet);

/* punch_claim.c */
void punch_begin(struct buf *buf, uint8_t *out, uint16_t type, const struct request *request);
void punch_sign(struct buf *buf, const struct request *request);
/* A signed error; returns its length. */
size_t punch_error(const struct request *request, uint16_t code, const char *reason, uint8_t *out);
/* 400, and the sequence that must be exceeded. */
size_t punch_outrun(const struct request *request, uint64_t sequence, uint8_t *out);
/* Sets stream and slot. */
void punch_find(const struct stream_table *table, struct request *request);
bool punch_allowed(
	const struct punch *punch, const struct stream *stream, const struct endpoint *client);
/* The hole is a peer's. */
bool punch_is_lane(const struct punch *punch, const struct endpoint *client);
enum punch_count punch_claim(struct punch *punch, const struct request *request, int64_t now_ms,
	struct punch_answer *answer);

/* punch_hello.c */
enum punch_count punch_hello(struct punch *punch, const struct request *request, int64_t now_ms,
	struct punch_answer *answer);

#endif
