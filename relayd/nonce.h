/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nonce: stateless nonces, each bound to one source and one local address and port, and to the
 * time.
 *
 * Only who receives at an address can know a nonce for it (RFC 8489, section 9.2.4: no two sources
 * get the same), which is what makes a spoofed punch worthless.
 *
 *   "obMatJos2" | 4 characters, features (section 9.2) | base64url( key id:8 | ms:48 | mac:128 )
 */
#ifndef RELAYD_NONCE_H
#define RELAYD_NONCE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/mac.h"

#define NONCE_TEXT    45 /* with its zero */
#define NONCE_LIFE_MS (120 * 1000)

/* Two secrets; the older still verifies, so that a rotation makes nobody's nonce stale. */
struct nonce {
	uint8_t secret[2][MAC_SHA256];
	uint8_t current; /* id of the newest; its secret is at id % 2 */
	int64_t rotated_ms;
};

/* Whom a nonce is for. */
struct nonce_binding {
	struct endpoint source, local;
};

void nonce_init(struct nonce *nonce, int64_t now_ms);
/* algorithms: a PASSWORD-ALGORITHMS attribute goes with it (feature bit 0). */
void nonce_make(struct nonce *nonce, const struct nonce_binding *binding, bool algorithms,
	int64_t now_ms, char out[static NONCE_TEXT]);

struct nonce_facts {
	bool algorithms;
	uint64_t issued_ms;
};
/* False: not one of ours, for somebody else, or too old. */
bool nonce_verify(const struct nonce *nonce, const struct nonce_binding *binding,
	const uint8_t *text, uint16_t len, int64_t now_ms, struct nonce_facts *facts);

#endif
