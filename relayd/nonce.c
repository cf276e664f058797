/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/nonce.h"

#include <string.h>

#include "common/buf.h"

#define COOKIE	    "obMatJos2"
#define COOKIE_LEN  9
#define FEATURE_LEN 4
#define HEAD	    7 /* key id and time */
#define TAG	    16
#define ROTATE_MS   (10 * 60 * 1000)

/* The 24 bits of section 18.1 in base64; bit 0 is "password algorithms". */
static const char *features(bool algorithms)
{
	return algorithms ? "AAAB" : "AAAA";
}

void nonce_init(struct nonce *nonce, int64_t now_ms)
{
	mac_random(nonce->secret, sizeof nonce->secret);
	nonce->current = 0;
	nonce->rotated_ms = now_ms;
}

static void rotate(struct nonce *nonce, int64_t now_ms)
{
	if (now_ms - nonce->rotated_ms < ROTATE_MS)
		return;
	nonce->current++;
	mac_random(nonce->secret[nonce->current % 2], sizeof nonce->secret[0]);
	nonce->rotated_ms = now_ms;
}

static void seal(const uint8_t secret[static MAC_SHA256], const struct nonce_binding *binding,
	bool algorithms, const uint8_t head[static HEAD], uint8_t tag[static TAG])
{
	uint8_t bytes[64], full[MAC_SHA256];
	struct buf buf;

	buf_init(&buf, bytes, sizeof bytes);
	buf_put(&buf, head, HEAD);
	buf_put_u8(&buf, algorithms);
	buf_put_u8(&buf, binding->source.addr.family == AF_INET6);
	buf_put(&buf, binding->source.addr.bytes, sizeof binding->source.addr.bytes);
	buf_put_u16(&buf, binding->source.port);
	buf_put(&buf, binding->local.addr.bytes, sizeof binding->local.addr.bytes);
	buf_put_u16(&buf, binding->local.port);
	mac_hmac_sha256(secret, MAC_SHA256, &(struct mac_part){bytes, buf.at}, 1, full);
	memcpy(tag, full, TAG);
}

void nonce_make(struct nonce *nonce, const struct nonce_binding *binding, bool algorithms,
	int64_t now_ms, char out[static NONCE_TEXT])
{
	uint8_t bytes[HEAD + TAG];
	struct buf buf;

	rotate(nonce, now_ms);
	buf_init(&buf, bytes, sizeof bytes);
	buf_put_u8(&buf, nonce->current);
	buf_put_u16(&buf, (uint16_t)((uint64_t)now_ms >> 32));
	buf_put_u32(&buf, (uint32_t)now_ms);
	seal(nonce->secret[nonce->current % 2], binding, algorithms, bytes, bytes + HEAD);
	memcpy(out, COOKIE, COOKIE_LEN);
	memcpy(out + COOKIE_LEN, features(algorithms), FEATURE_LEN);
	mac_base64url(bytes, sizeof bytes, out + COOKIE_LEN + FEATURE_LEN,
		NONCE_TEXT - COOKIE_LEN - FEATURE_LEN);
}

bool nonce_verify(const struct nonce *nonce, const struct nonce_binding *binding,
	const uint8_t *text, uint16_t len, int64_t now_ms, struct nonce_facts *facts)
{
	uint8_t bytes[HEAD + TAG], tag[TAG], age;
	size_t got;
	struct buf buf;

	if (len != NONCE_TEXT - 1 || memcmp(text, COOKIE, COOKIE_LEN))
		return false;
	facts->algorithms = !memcmp(text + COOKIE_LEN, features(true), FEATURE_LEN);
	if (!facts->algorithms && memcmp(text + COOKIE_LEN, features(false), FEATURE_LEN))
		return false;
	text += COOKIE_LEN + FEATURE_LEN;
	len -= COOKIE_LEN + FEATURE_LEN;
	if (mac_base64url_decode((const char *)text, len, bytes, sizeof bytes, &got) ||
		got != sizeof bytes)
		return false;
	buf_init_read(&buf, bytes, sizeof bytes);
	age = (uint8_t)(nonce->current - buf_get_u8(&buf));
	facts->issued_ms = (uint64_t)buf_get_u16(&buf) << 32;
	facts->issued_ms |= buf_get_u32(&buf);
	if (age > 1 || facts->issued_ms > (uint64_t)now_ms ||
		(uint64_t)now_ms - facts->issued_ms > NONCE_LIFE_MS)
		return false;
	seal(nonce->secret[bytes[0] % 2], binding, facts->algorithms, bytes, tag);
	return mac_equal(tag, bytes + HEAD, TAG);
}
