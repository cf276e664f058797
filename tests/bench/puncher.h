/* SPDX-License-Identifier: GPL-2.0-or-later */
/* puncher: one client that punches one port of a stream from a socket of its own, for punchstorm.
 */
#ifndef BENCH_PUNCHER_H
#define BENCH_PUNCHER_H

#include <stddef.h>
#include <stdint.h>

#include "common/stun.h"

#define PUNCHER_NAME   80
#define PUNCHER_NONCE  128
#define PUNCHER_PADDED 256 /* bytes of every request */

enum puncher_event {
	PUNCHER_NOTHING,   /* not for us, or not STUN: media */
	PUNCHER_NONCE_GOT, /* a 401 or 438 with a nonce: punch */
	PUNCHER_PUNCHED,   /* a success with the right integrity */
	PUNCHER_REFUSED,   /* any other error; puncher->error is its code */
};

/* What all clients have in common; the texts belong to the caller. */
struct puncher_relay {
	struct endpoint at;
	const char *realm, *key;
	uint64_t sequence; /* of the last punch */
};

struct puncher {
	int fd;
	uint16_t error;
	uint8_t tid[STUN_TID];
	char user[PUNCHER_NAME];      /* NAME:PORT */
	char nonce[PUNCHER_NONCE];    /* empty: none yet */
	uint8_t secret[STUN_KEY_MAX]; /* the long-term key of the user */
	size_t secret_len;
};

/* Binds a socket, not blocking, to from (port 0: any). 0 or -errno; puncher_close frees it. */
int puncher_open(struct puncher *puncher, const struct puncher_relay *relay,
	const struct endpoint *from, const char *user);
void puncher_close(struct puncher *puncher);
/* Sends a request: with the proof when there is a nonce, else the one that asks for it. */
int puncher_send(struct puncher *puncher, struct puncher_relay *relay);
/* What a datagram that came to its socket means. */
enum puncher_event puncher_read(struct puncher *puncher, const uint8_t *data, size_t len);

#endif
