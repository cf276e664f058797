/* SPDX-License-Identifier: GPL-2.0-or-later */
/* volley: UDP sockets, and datagrams that are received and sent many at a time. */
#ifndef PUNCHCTL_VOLLEY_H
#define PUNCHCTL_VOLLEY_H

#include <stdbool.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/addr.h"

#define VOLLEY_COUNT	64
#define VOLLEY_DATAGRAM 9216 /* bytes; larger ones are cut, and not whole */
#define VOLLEY_RCVBUF	(4 * 1024 * 1024)

#define VOLLEY_CONTROL CMSG_SPACE(sizeof(struct in6_pktinfo))

/* An address of this host that somebody has asked, and that answers leave from. */
struct volley_asked {
	size_t len; /* 0: unknown, the kernel chooses */
	_Alignas(struct cmsghdr) uint8_t control[VOLLEY_CONTROL];
};

/* Zeros are a new one. */
struct volley {
	unsigned int used; /* of `in`, the last time */
	size_t sent_bytes; /* by the last volley_send() */
	struct mmsghdr in[VOLLEY_COUNT], out[VOLLEY_COUNT];
	struct iovec in_iov[VOLLEY_COUNT], out_iov[VOLLEY_COUNT][2];
	struct sockaddr_storage from[VOLLEY_COUNT];
	struct volley_asked to[VOLLEY_COUNT];
	uint8_t data[VOLLEY_COUNT][VOLLEY_DATAGRAM];
};

/* Datagrams that the kernel did not take. */
struct volley_loss {
	uint64_t oversized;
	uint64_t refused; /* nobody listens there: what ICMP said of an earlier one */
	uint64_t unsent;  /* for another reason */
};

/* A socket that does not block, not connected; -errno. */
int volley_socket(const struct endpoint *local);
/* What is received from now on says which address was asked. */
int volley_ask(int fd);
/* Room for bursts; beyond net.core.rmem_max only the privileged get what they ask for. */
void volley_grow(int fd);
/* The address that it is bound to: 0 or -errno. */
int volley_local(int fd, struct endpoint *out);
/* 0: none, the socket has gone. */
uint16_t volley_port(int fd);
/* One datagram, with this TTL or hop limit; 0: the system's. 0 or -errno. */
int volley_send_one(int fd, const struct endpoint *to, uint8_t ttl, const void *data, size_t len);
/* The same from a socket of that family. */
int volley_send_as(int fd, uint8_t family, const struct endpoint *to, uint8_t ttl, const void *data,
	size_t len);

/* How many have come, up to VOLLEY_COUNT, into in, from and data; 0: none; -errno. */
int volley_receive(struct volley *volley, int fd);
bool volley_is_whole(const struct volley *volley, unsigned int i);
size_t volley_len(const struct volley *volley, unsigned int i);
/* Which address it went to, if volley_ask() was called. */
void volley_asked(const struct volley *volley, unsigned int i, struct volley_asked *out);
/* The at-th to be sent; the bytes stay the caller's. head: goes in front; len 0: nothing does. */
void volley_put(struct volley *volley, unsigned int at, uint8_t *data, size_t len);
void volley_put_behind(
	struct volley *volley, unsigned int at, const uint8_t *head, size_t head_len);
/* Where the first `count` go; without a call the socket is connected. */
void volley_aim(
	struct volley *volley, unsigned int count, struct sockaddr_storage *to, socklen_t len);
/* Where the first `count` leave from. */
void volley_answer(struct volley *volley, unsigned int count, struct volley_asked *asked);
/* How many were sent; one that the kernel does not take is dropped, as any router would. */
unsigned int volley_send(
	struct volley *volley, int fd, unsigned int count, struct volley_loss *loss);

#endif
