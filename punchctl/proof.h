/* SPDX-License-Identifier: GPL-2.0-or-later */
/* proof: the long-term credentials of one hole (RFC 8489, section 9.2): requests made, answers
 * verified. */
#ifndef PUNCHCTL_PROOF_H
#define PUNCHCTL_PROOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/peer.h"
#include "common/stun.h"

#define PROOF_USER	 80  /* "NAME:PORT" with the zero */
#define PROOF_TEXT	 128 /* bytes of a realm or a nonce that we take (14.9 and 14.10) */
#define PROOF_ALGORITHMS 64
/* No request is smaller, for the relay never answers an unproven one with more than it brought. */
#define PROOF_REQUEST_MIN 256

/* What the relay has told; key_len 0: nothing yet. */
struct proof {
	char user[PROOF_USER];
	uint8_t realm[PROOF_TEXT], nonce[PROOF_TEXT], algorithms[PROOF_ALGORITHMS];
	uint16_t realm_len, nonce_len, algorithms_len;
	uint8_t key[STUN_KEY_MAX];
	size_t key_len;
};

/* For "NAME:PORT", or with port 0 for a peer of "NAME". -EINVAL when that is too long. */
int proof_init(struct proof *proof, const char *name, uint16_t port);
/* Forgets what the relay has told, and the key. */
void proof_reset(struct proof *proof);
/*
 * Takes REALM, NONCE and PASSWORD-ALGORITHMS from a 401 or 438. -EPROTO, and nothing is changed:
 * one is missing or too long, or SHA-256 is not offered (there is no bidding down to MD5).
 */
int proof_take(struct proof *proof, const struct stun *answer, const char *password);
/*
 * Writes a request, which has no more than USERNAME while the relay has told nothing; returns its
 * length.
 */
size_t proof_request(const struct proof *proof, const uint8_t tid[static STUN_TID],
	uint64_t sequence, uint8_t out[static STUN_MAX]);
/* The same with a hello, which is left out of one that proves nothing. */
size_t proof_hello(const struct proof *proof, const uint8_t tid[static STUN_TID], uint64_t sequence,
	const struct peer_hello *hello, uint8_t out[static STUN_MAX]);
/* The answer carries MESSAGE-INTEGRITY-SHA256 by our key. */
bool proof_verify(const struct proof *proof, const struct stun *answer);

#endif
