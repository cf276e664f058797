/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/bench/puncher.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define INTEGRITY_BYTES 36

static struct stun_bytes bytes(const char *text)
{
	return (struct stun_bytes){(const uint8_t *)text, (uint16_t)strlen(text)};
}

int puncher_open(struct puncher *puncher, const struct puncher_relay *relay,
	const struct endpoint *from, const char *user)
{
	struct sockaddr_storage addr;
	socklen_t len = endpoint_to_sockaddr(from, &addr);

	*puncher = (struct puncher){0};
	snprintf(puncher->user, sizeof(puncher->user), "%s", user);
	puncher->secret_len = stun_key(
		STUN_SHA256, bytes(user), bytes(relay->realm), relay->key, puncher->secret);
	puncher->fd = socket(from->addr.family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (puncher->fd < 0)
		return -errno;
	if (bind(puncher->fd, (struct sockaddr *)&addr, len)) {
		int error = -errno;

		puncher_close(puncher);
		return error;
	}
	return 0;
}

void puncher_close(struct puncher *puncher)
{
	if (puncher->fd >= 0)
		close(puncher->fd);
	puncher->fd = -1;
}

/* Microseconds of the wall clock, but always growing (punch(7)). */
static uint64_t next_sequence(struct puncher_relay *relay)
{
	struct timespec now;
	uint64_t us;

	clock_gettime(CLOCK_REALTIME, &now);
	us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	relay->sequence = us > relay->sequence ? us : relay->sequence + 1;
	return relay->sequence;
}

static void put_proof(struct puncher *puncher, struct puncher_relay *relay, struct buf *buf)
{
	stun_put_text(buf, STUN_REALM, relay->realm);
	stun_put_text(buf, STUN_NONCE, puncher->nonce);
	stun_put_algorithms(buf);
	stun_put_algorithm(buf, STUN_SHA256);
	stun_put_sequence(buf, next_sequence(relay));
}

int puncher_send(struct puncher *puncher, struct puncher_relay *relay)
{
	struct sockaddr_storage to;
	socklen_t to_len = endpoint_to_sockaddr(&relay->at, &to);
	uint8_t data[STUN_MAX];
	struct buf buf;
	size_t len;

	if (getrandom(puncher->tid, sizeof(puncher->tid), 0) < 0)
		return -errno;
	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, STUN_REQUEST, puncher->tid);
	stun_put_text(&buf, STUN_USERNAME, puncher->user); /* without it it is no punch */
	if (puncher->nonce[0])
		put_proof(puncher, relay, &buf);
	stun_put_padding(&buf, PUNCHER_PADDED, puncher->nonce[0] ? INTEGRITY_BYTES : 0);
	if (puncher->nonce[0])
		stun_put_integrity256(&buf, puncher->secret, puncher->secret_len);
	len = stun_end(&buf);
	if (!len)
		return -EMSGSIZE;
	return sendto(puncher->fd, data, len, 0, (struct sockaddr *)&to, to_len) < 0 ? -errno : 0;
}

enum puncher_event puncher_read(struct puncher *puncher, const uint8_t *data, size_t len)
{
	struct stun stun;

	if (!stun_is(data, len) || stun_parse(data, len, &stun) ||
		memcmp(stun.tid, puncher->tid, sizeof(stun.tid)) != 0)
		return PUNCHER_NOTHING;
	if (stun.type == STUN_SUCCESS && stun_verify(&stun, puncher->secret, puncher->secret_len))
		return PUNCHER_PUNCHED;
	if (stun.type != STUN_ERROR)
		return PUNCHER_NOTHING;
	puncher->error = stun.error;
	if ((stun.error != 401 && stun.error != 438) || !stun.nonce.p ||
		stun.nonce.len >= sizeof(puncher->nonce) ||
		(stun.error == 401 && puncher->nonce[0]))
		return PUNCHER_REFUSED;
	memcpy(puncher->nonce, stun.nonce.p, stun.nonce.len);
	puncher->nonce[stun.nonce.len] = 0;
	return PUNCHER_NONCE_GOT;
}
