/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The attributes that depend on all that stands before them: both integrities, FINGERPRINT. */
#include "common/stun.h"

#include <string.h>

#include "common/mac.h"

#define ATTR_HEADER 4

/* The polynomial 0xedb88320 by half bytes: 64 bytes of table are enough for a few punches. */
static const uint32_t crc_table[16] = {
	0x00000000,
	0x1db71064,
	0x3b6e20c8,
	0x26d930ac,
	0x76dc4190,
	0x6b6b51f4,
	0x4db26158,
	0x5005713c,
	0xedb88320,
	0xf00f9344,
	0xd6d6a3e8,
	0xcb61b38c,
	0x9b64c2b0,
	0x86d3d2d4,
	0xa00ae278,
	0xbdbdf21c,
};

uint32_t stun_fingerprint(const uint8_t *data, size_t len)
{
	uint32_t crc = 0xffffffffu;

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		crc = crc >> 4 ^ crc_table[crc & 15];
		crc = crc >> 4 ^ crc_table[crc & 15];
	}
	return ~crc ^ 0x5354554eu;
}

size_t stun_key(enum stun_algorithm algorithm, struct stun_bytes user, struct stun_bytes realm,
	const char *password, uint8_t out[static STUN_KEY_MAX])
{
	const struct mac_part parts[] = {
		{user.p, user.len},
		{":", 1},
		{realm.p, realm.len},
		{":", 1},
		{password, strlen(password)},
	};

	switch (algorithm) {
	case STUN_MD5:
		mac_md5(parts, sizeof(parts) / sizeof(parts[0]), out);
		return MAC_MD5;
	case STUN_SHA256:
		mac_sha256(parts, sizeof(parts) / sizeof(parts[0]), out);
		return MAC_SHA256;
	}
	return 0;
}

/* What a hash covers: the message before the attribute, with another length in its header. */
struct cover {
	uint8_t head[4];
	struct mac_part parts[2];
};

/* Sections 14.5 and 14.6: the length is that of a message which ends with this attribute. */
static void cover_init(struct cover *cover, const uint8_t *data, size_t offset, size_t value_len)
{
	size_t body = offset + ATTR_HEADER + value_len - STUN_HEADER;

	memcpy(cover->head, data, 2);
	cover->head[2] = (uint8_t)(body >> 8);
	cover->head[3] = (uint8_t)body;
	cover->parts[0] = (struct mac_part){cover->head, sizeof(cover->head)};
	cover->parts[1] = (struct mac_part){data + 4, offset - 4};
}

bool stun_verify(const struct stun *stun, const uint8_t *key, size_t key_len)
{
	uint8_t mac[MAC_SHA256];
	struct cover cover;
	size_t offset, len;

	if (stun->integrity256) {
		offset = stun->integrity256;
		len = stun->integrity256_len;
		cover_init(&cover, stun->data, offset, len);
		mac_hmac_sha256(key, key_len, cover.parts, 2, mac);
	} else if (stun->integrity) {
		offset = stun->integrity;
		len = MAC_SHA1;
		cover_init(&cover, stun->data, offset, len);
		mac_hmac_sha1(key, key_len, cover.parts, 2, mac);
	} else {
		return false;
	}
	return mac_equal(mac, stun->data + offset + ATTR_HEADER, len);
}

/* False when there is no message to cover, or no room for the attribute; then buf is bad. */
static bool cover_begin(struct cover *cover, struct buf *buf, size_t value_len)
{
	if (buf->at < STUN_HEADER || buf_left(buf) < ATTR_HEADER + value_len) {
		buf->bad = true;
		return false;
	}
	cover_init(cover, buf->data, buf->at, value_len);
	return true;
}

void stun_put_integrity(struct buf *buf, const uint8_t *key, size_t key_len)
{
	uint8_t mac[MAC_SHA1];
	struct cover cover;

	if (!cover_begin(&cover, buf, sizeof(mac)))
		return;
	mac_hmac_sha1(key, key_len, cover.parts, 2, mac);
	stun_put(buf, STUN_INTEGRITY, mac, sizeof(mac));
}

void stun_put_integrity256(struct buf *buf, const uint8_t *key, size_t key_len)
{
	uint8_t mac[MAC_SHA256];
	struct cover cover;

	if (!cover_begin(&cover, buf, sizeof(mac)))
		return;
	mac_hmac_sha256(key, key_len, cover.parts, 2, mac);
	stun_put(buf, STUN_INTEGRITY_SHA256, mac, sizeof(mac));
}

void stun_put_fingerprint(struct buf *buf)
{
	size_t body = buf->at + ATTR_HEADER + sizeof(uint32_t) - STUN_HEADER;

	if (buf->at < STUN_HEADER || buf_left(buf) < ATTR_HEADER + sizeof(uint32_t)) {
		buf->bad = true;
		return;
	}
	buf_set_u16(buf, 2, (uint16_t)body);
	stun_put_u32(buf, STUN_FINGERPRINT, stun_fingerprint(buf->data, buf->at));
}
