/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stun: messages of RFC 8489, and the attributes of RFC 5780 and of our own that punches use. */
#ifndef COMMON_STUN_H
#define COMMON_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/buf.h"

#define STUN_HEADER  20
#define STUN_TID     12
#define STUN_COOKIE  0x2112a442u
#define STUN_MAX     1280 /* no message of ours is larger, and none larger is read */
#define STUN_KEY_MAX 32	  /* bytes of a long-term key */

#define STUN_PUNCH_MAGIC 0x504e4348u /* "PNCH", what values of our own attributes begin with */

/* Message types for the method Binding (section 5). */
enum stun_type {
	STUN_REQUEST = 0x0001,
	STUN_INDICATION = 0x0011,
	STUN_SUCCESS = 0x0101,
	STUN_ERROR = 0x0111,
};

/* Section 18.3; RFC 5780, section 7; and ours in the range for designated experts. */
enum stun_attr {
	STUN_MAPPED_ADDRESS = 0x0001,
	STUN_CHANGE_REQUEST = 0x0003,
	STUN_USERNAME = 0x0006,
	STUN_INTEGRITY = 0x0008,
	STUN_ERROR_CODE = 0x0009,
	STUN_UNKNOWN_ATTRIBUTES = 0x000a,
	STUN_REALM = 0x0014,
	STUN_NONCE = 0x0015,
	STUN_INTEGRITY_SHA256 = 0x001c,
	STUN_PASSWORD_ALGORITHM = 0x001d,
	STUN_USERHASH = 0x001e,
	STUN_XOR_MAPPED_ADDRESS = 0x0020,
	STUN_USE_CANDIDATE = 0x0025, /* RFC 8445, section 16.1 */
	STUN_PADDING = 0x0026,
	STUN_RESPONSE_PORT = 0x0027,
	STUN_PASSWORD_ALGORITHMS = 0x8002,
	STUN_SOFTWARE = 0x8022,
	STUN_FINGERPRINT = 0x8028,
	STUN_RESPONSE_ORIGIN = 0x802b,
	STUN_OTHER_ADDRESS = 0x802c,
	/* Ours: "PNCH", then 64 bits that grow with every new request of a client. */
	STUN_PUNCH_SEQUENCE = 0xff01,
	/* Ours, in a success: "PNCH", then 32 bits, seconds that the hole is kept without a punch.
	 */
	STUN_PUNCH_CONSENT = 0xff02,
	/* Ours: "PNCH", then a hello or a word of peer.h. */
	STUN_PUNCH_PEER = 0xff03,
	/* Ours, in an answer to plain STUN: "PNCH", then 16 bits, the port where the relay answers
	   too, and 16 bits, zero. */
	STUN_PUNCH_ALTERNATE = 0xff04,
	/* Ours, between relays: "PNCH", then a message of relayd/partner.h. */
	STUN_PUNCH_PARTNER = 0xff05,
	/* Ours: "PNCH", then zeros. PADDING has servers of RFC 5780 answer with 1500 bytes. */
	STUN_PUNCH_PADDING = 0xff06,
};

enum stun_algorithm { STUN_MD5 = 0x0001, STUN_SHA256 = 0x0002 }; /* section 18.5 */

/* A part of the message; p is NULL when the attribute is not there. */
struct stun_bytes {
	const uint8_t *p;
	uint16_t len;
};

/*
 * A parsed message. Pointers point into the caller's datagram. Of an attribute that comes twice
 * the first counts (section 14); what follows the integrity is ignored but for FINGERPRINT.
 */
struct stun {
	const uint8_t *data; /* the datagram */
	size_t len;
	uint16_t type;
	uint8_t tid[STUN_TID];
	struct stun_bytes username, realm, nonce, userhash, software, reason;
	struct stun_bytes algorithms; /* PASSWORD-ALGORITHMS, undecoded */
	uint16_t algorithm;	      /* PASSWORD-ALGORITHM, 0: not there */
	uint16_t integrity;	      /* offset of MESSAGE-INTEGRITY in data, 0: not there */
	uint16_t integrity256;	      /* offset of MESSAGE-INTEGRITY-SHA256 */
	uint16_t integrity256_len;    /* 16 to 32 bytes */
	uint16_t error;		      /* 300 to 699, 0: not there */
	struct endpoint mapped; /* XOR-MAPPED-ADDRESS, else MAPPED-ADDRESS; family 0: not there */
	struct endpoint other, origin;
	bool has_change;
	uint32_t change; /* CHANGE-REQUEST flags */
	bool has_response_port;
	uint16_t response_port;
	bool has_sequence;
	uint64_t sequence;	   /* PUNCH-SEQUENCE with our magic */
	uint32_t consent;	   /* PUNCH-CONSENT, seconds; 0: not there */
	struct stun_bytes peer;	   /* PUNCH-PEER without the magic */
	uint16_t alternate;	   /* PUNCH-ALTERNATE, 0: not there */
	struct stun_bytes partner; /* PUNCH-PARTNER without the magic */
	bool has_padding;
	bool use_candidate;
	uint8_t unknown_count; /* comprehension-required attributes that we do not know */
	uint16_t unknown[8];
};

/* The first 8 bytes say that it is STUN and not RTP (sections 5 and 6; RFC 7983, section 7). */
bool stun_is(const uint8_t *data, size_t len);

/*
 * Parses a whole datagram. -EPROTO: not STUN, or a length that does not fit; -EBADMSG: a
 * FINGERPRINT that is wrong; -EMSGSIZE: larger than STUN_MAX. out is undefined then.
 */
int stun_parse(const uint8_t *data, size_t len, struct stun *out);

/* Key of a long-term credential: hash of "user:realm:password" (section 9.2.2); returns its length.
 */
size_t stun_key(enum stun_algorithm algorithm, struct stun_bytes user, struct stun_bytes realm,
	const char *password, uint8_t out[static STUN_KEY_MAX]);
/* Verifies MESSAGE-INTEGRITY-SHA256 if it is there, else MESSAGE-INTEGRITY; false if neither is. */
bool stun_verify(const struct stun *stun, const uint8_t *key, size_t key_len);
/* The value of FINGERPRINT over these bytes: CRC-32, XORed with "STUN" (section 14.7). */
uint32_t stun_fingerprint(const uint8_t *data, size_t len);

/* Writers: begin, attributes, integrity, fingerprint, then stun_end, which returns the length or 0.
 */
void stun_begin(struct buf *buf, uint16_t type, const uint8_t tid[static STUN_TID]);
void stun_put(struct buf *buf, uint16_t attr, const void *value, size_t len);
void stun_put_text(struct buf *buf, uint16_t attr, const char *text);
void stun_put_u32(struct buf *buf, uint16_t attr, uint32_t value);
/* MAPPED-ADDRESS, RESPONSE-ORIGIN, OTHER-ADDRESS; XOR-MAPPED-ADDRESS is obfuscated (14.2). */
void stun_put_endpoint(struct buf *buf, uint16_t attr, const struct endpoint *endpoint);
void stun_put_error(struct buf *buf, uint16_t code, const char *reason);
void stun_put_unknown(struct buf *buf, const struct stun *request);
void stun_put_algorithm(struct buf *buf, enum stun_algorithm algorithm);
/* PASSWORD-ALGORITHMS: SHA-256, then MD5. */
void stun_put_algorithms(struct buf *buf);
void stun_put_sequence(struct buf *buf, uint64_t sequence);
void stun_put_consent(struct buf *buf, uint32_t seconds);
void stun_put_peer(struct buf *buf, const void *message, size_t len);
void stun_put_alternate(struct buf *buf, uint16_t port);
void stun_put_partner(struct buf *buf, const void *message, size_t len);
/* PADDING that makes the message, with `after` bytes still to come, at least `total` bytes. */
void stun_put_padding(struct buf *buf, size_t total, size_t after);
void stun_put_integrity(struct buf *buf, const uint8_t *key, size_t key_len);	 /* 24 bytes */
void stun_put_integrity256(struct buf *buf, const uint8_t *key, size_t key_len); /* 36 bytes */
void stun_put_fingerprint(struct buf *buf);					 /* 8 bytes */
size_t stun_end(struct buf *buf);

#endif
