/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/mac.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <nettle/md5.h>
#include <nettle/memops.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>

#define KEY_BYTES     32
#define KEY_BYTES_MIN 16
#define KEY_TEXT_LEN  128

void mac_md5(const struct mac_part *parts, size_t count, uint8_t out[static MAC_MD5])
{
	struct md5_ctx ctx;

	md5_init(&ctx);
	for (size_t i = 0; i < count; i++)
		md5_update(&ctx, parts[i].len, parts[i].data);
	md5_digest(&ctx, MAC_MD5, out);
	mac_wipe(&ctx, sizeof(ctx));
}

void mac_sha256(const struct mac_part *parts, size_t count, uint8_t out[static MAC_SHA256])
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	for (size_t i = 0; i < count; i++)
		sha256_update(&ctx, parts[i].len, parts[i].data);
	sha256_digest(&ctx, MAC_SHA256, out);
	mac_wipe(&ctx, sizeof(ctx));
}

void mac_hmac_sha1(const void *key, size_t key_len, const struct mac_part *parts, size_t count,
	uint8_t out[static MAC_SHA1])
{
	struct hmac_sha1_ctx ctx;

	hmac_sha1_set_key(&ctx, key_len, key);
	for (size_t i = 0; i < count; i++)
		hmac_sha1_update(&ctx, parts[i].len, parts[i].data);
	hmac_sha1_digest(&ctx, MAC_SHA1, out);
	mac_wipe(&ctx, sizeof(ctx));
}

void mac_hmac_sha256(const void *key, size_t key_len, const struct mac_part *parts, size_t count,
	uint8_t out[static MAC_SHA256])
{
	struct hmac_sha256_ctx ctx;

	hmac_sha256_set_key(&ctx, key_len, key);
	for (size_t i = 0; i < count; i++)
		hmac_sha256_update(&ctx, parts[i].len, parts[i].data);
	hmac_sha256_digest(&ctx, MAC_SHA256, out);
	mac_wipe(&ctx, sizeof(ctx));
}

bool mac_equal(const void *a, const void *b, size_t len)
{
	return memeql_sec(a, b, len);
}

void mac_wipe(void *data, size_t len)
{
	explicit_bzero(data, len);
}

void mac_random(void *out, size_t len)
{
	uint8_t *p = out;

	while (len > 0) {
		ssize_t got = getrandom(p, len, 0);

		if (got < 0 && errno == EINTR)
			continue;
		/* A key that can be guessed is worse than no program. */
		if (got <= 0)
			abort();
		p += got;
		len -= (size_t)got;
	}
}

void mac_key_make(char out[static MAC_KEY_TEXT])
{
	uint8_t bytes[KEY_BYTES];

	_Static_assert(BASE64_ENCODE_RAW_LENGTH(KEY_BYTES) + 1 == MAC_KEY_TEXT, "size of a key");
	mac_random(bytes, sizeof(bytes));
	base64_encode_raw(out, sizeof(bytes), bytes);
	out[MAC_KEY_TEXT - 1] = '\0';
	mac_wipe(bytes, sizeof(bytes));
}

/* nettle skips white space, which here is part of the key, and takes three padding characters. */
bool mac_key_valid(const char *text)
{
	size_t len = strnlen(text, KEY_TEXT_LEN + 1), size = 0;
	uint8_t bytes[BASE64_DECODE_LENGTH(KEY_TEXT_LEN)];
	struct base64_decode_ctx ctx;
	bool valid;

	if (len > KEY_TEXT_LEN || text[strcspn(text, " \t\r\n\v\f")] != '\0' || strstr(text, "==="))
		return false;
	base64_decode_init(&ctx);
	valid = base64_decode_update(&ctx, &size, bytes, len, text) && base64_decode_final(&ctx);
	mac_wipe(bytes, sizeof(bytes));
	return valid && size >= KEY_BYTES_MIN;
}

size_t mac_base64url(const void *data, size_t len, char *out, size_t size)
{
	size_t text_len = len / 3 * 4 + (len % 3 * 8 + 5) / 6;
	char final[BASE64_ENCODE_FINAL_LENGTH];
	struct base64_encode_ctx ctx;
	size_t done;

	if (size == 0)
		return 0;
	out[0] = '\0';
	if (text_len >= size)
		return 0;
	base64url_encode_init(&ctx);
	done = base64_encode_update(&ctx, out, len, data);
	base64_encode_final(&ctx, final);
	/* What final holds behind the text is padding. */
	memcpy(out + done, final, text_len - done);
	out[text_len] = '\0';
	return text_len;
}

/* One character at a time: nettle writes without asking, skips white space and takes padding. */
int mac_base64url_decode(const char *text, size_t text_len, void *out, size_t size, size_t *len)
{
	struct base64_decode_ctx ctx;
	uint8_t *bytes = out, byte;
	size_t done = 0;
	int got;

	if (text_len % 4 == 1)
		return -EINVAL;
	base64url_decode_init(&ctx);
	for (size_t i = 0; i < text_len; i++) {
		if (text[i] == '\0' || strchr(" \t\r\n\v\f=", text[i]))
			return -EINVAL;
		got = base64_decode_single(&ctx, &byte, text[i]);
		if (got < 0 || (got > 0 && done == size))
			return -EINVAL;
		if (got > 0)
			bytes[done++] = byte;
	}
	/* The padding that is left out; nettle then checks that no stray bits are left. */
	for (size_t i = text_len; i % 4 != 0; i++) {
		if (base64_decode_single(&ctx, &byte, '=') < 0)
			return -EINVAL;
	}
	*len = done;
	return 0;
}
