/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mac: keyed hashes, random bytes, constant-time comparison, and keys as text; all by nettle. */
#ifndef COMMON_MAC_H
#define COMMON_MAC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAC_MD5	   16
#define MAC_SHA1   20
#define MAC_SHA256 32

/* One piece of a message that lies in several places. */
struct mac_part {
	const void *data;
	size_t len;
};

void mac_md5(const struct mac_part *parts, size_t count, uint8_t out[static MAC_MD5]);
void mac_sha256(const struct mac_part *parts, size_t count, uint8_t out[static MAC_SHA256]);
void mac_hmac_sha1(const void *key, size_t key_len, const struct mac_part *parts, size_t count,
	uint8_t out[static MAC_SHA1]);
void mac_hmac_sha256(const void *key, size_t key_len, const struct mac_part *parts, size_t count,
	uint8_t out[static MAC_SHA256]);

/* In a time that does not depend on the bytes. */
bool mac_equal(const void *a, const void *b, size_t len);
/* Not optimised away. */
void mac_wipe(void *data, size_t len);
/* getrandom(2); ends the program when the kernel has none to give. */
void mac_random(void *out, size_t len);

/* A stream's key is the text itself: base64 of 32 random bytes, 44 characters and a zero. */
#define MAC_KEY_TEXT 45
void mac_key_make(char out[static MAC_KEY_TEXT]);
/* A key that a person wrote: base64 text of at least 16 bytes, at most 128 characters. */
bool mac_key_valid(const char *text);

/* Base64 with the URL alphabet, no padding, zero-terminated; returns the length of the text. */
size_t mac_base64url(const void *data, size_t len, char *out, size_t size);
/* 0 and *len, or -EINVAL; out has room for size bytes. */
int mac_base64url_decode(const char *text, size_t text_len, void *out, size_t size, size_t *len);

#endif
