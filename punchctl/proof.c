/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/proof.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/mac.h"

#define INTEGRITY256_SIZE 36

int proof_init(struct proof *proof, const char *name, uint16_t port)
{
	int len;

	memset(proof, 0, sizeof(*proof));
	if (port)
		len = snprintf(proof->user, sizeof(proof->user), "%s:%u", name, port);
	else
		len = snprintf(proof->user, sizeof(proof->user), "%s", name);
	return len < 0 || (size_t)len >= sizeof(proof->user) ? -EINVAL : 0;
}

void proof_reset(struct proof *proof)
{
	mac_wipe(proof->key, sizeof(proof->key));
	proof->key_len = 0;
}

/* Section 14.11: number, length of the parameters, parameters, padding. */
static bool algorithms_have(struct stun_bytes algorithms, enum stun_algorithm wanted)
{
	uint16_t algorithm, len;
	struct buf buf;

	buf_init_read(&buf, algorithms.p, algorithms.len);
	while (buf_left(&buf) > 0) {
		algorithm = buf_get_u16(&buf);
		len = buf_get_u16(&buf);
		buf_take(&buf, (len + 3u) & ~3u);
		if (buf.bad)
			return false;
		if (algorithm == wanted)
			return true;
	}
	return false;
}

static bool bytes_fit(struct stun_bytes bytes, size_t size)
{
	return bytes.p && bytes.len > 0 && bytes.len <= size;
}

int proof_take(struct proof *proof, const struct stun *answer, const char *password)
{
	struct stun_bytes user = {(const uint8_t *)proof->user, (uint16_t)strlen(proof->user)};

	if (!bytes_fit(answer->realm, sizeof(proof->realm)) ||
		!bytes_fit(answer->nonce, sizeof(proof->nonce)) ||
		!bytes_fit(answer->algorithms, sizeof(proof->algorithms)) ||
		!algorithms_have(answer->algorithms, STUN_SHA256))
		return -EPROTO;
	memcpy(proof->realm, answer->realm.p, answer->realm.len);
	memcpy(proof->nonce, answer->nonce.p, answer->nonce.len);
	memcpy(proof->algorithms, answer->algorithms.p, answer->algorithms.len);
	proof->realm_len = answer->realm.len;
	proof->nonce_len = answer->nonce.len;
	proof->algorithms_len = answer->algorithms.len;
	proof->key_len = stun_key(STUN_SHA256, user, answer->realm, password, proof->key);
	return 0;
}

/* Section 9.2.3.2, behind USERNAME; the list is echoed as it came, which is what undoes a bid-down.
 */
static void proof_put(const struct proof *proof, struct buf *buf, uint64_t sequence)
{
	stun_put(buf, STUN_REALM, proof->realm, proof->realm_len);
	stun_put(buf, STUN_NONCE, proof->nonce, proof->nonce_len);
	stun_put(buf, STUN_PASSWORD_ALGORITHMS, proof->algorithms, proof->algorithms_len);
	stun_put_algorithm(buf, STUN_SHA256);
	stun_put_sequence(buf, sequence);
}

static size_t request_make(const struct proof *proof, const uint8_t tid[static STUN_TID],
	uint64_t sequence, struct stun_bytes peer, uint8_t out[static STUN_MAX])
{
	struct buf buf;

	buf_init(&buf, out, STUN_MAX);
	stun_begin(&buf, STUN_REQUEST, tid);
	/* Also in the first: without it a relay takes us for somebody who wants plain STUN. */
	stun_put_text(&buf, STUN_USERNAME, proof->user);
	if (proof->key_len == 0) {
		stun_put_padding(&buf, PROOF_REQUEST_MIN, 0);
		return stun_end(&buf);
	}
	proof_put(proof, &buf, sequence);
	if (peer.p)
		stun_put_peer(&buf, peer.p, peer.len);
	stun_put_padding(&buf, PROOF_REQUEST_MIN, INTEGRITY256_SIZE);
	stun_put_integrity256(&buf, proof->key, proof->key_len);
	return stun_end(&buf);
}

size_t proof_request(const struct proof *proof, const uint8_t tid[static STUN_TID],
	uint64_t sequence, uint8_t out[static STUN_MAX])
{
	return request_make(proof, tid, sequence, (struct stun_bytes){0}, out);
}

size_t proof_hello(const struct proof *proof, const uint8_t tid[static STUN_TID], uint64_t sequence,
	const struct peer_hello *hello, uint8_t out[static STUN_MAX])
{
	uint8_t wire[PEER_WIRE];
	struct stun_bytes peer = {wire, (uint16_t)peer_hello_encode(hello, wire)};

	return request_make(proof, tid, sequence, peer, out);
}

bool proof_verify(const struct proof *proof, const struct stun *answer)
{
	return proof->key_len > 0 && answer->integrity256 > 0 &&
	       stun_verify(answer, proof->key, proof->key_len);
}
