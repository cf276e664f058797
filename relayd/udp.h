/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp: the punch sockets, read and written in batches. */
#ifndef RELAYD_UDP_H
#define RELAYD_UDP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <uv.h>

#include "common/addr.h"
#include "relayd/config.h"
#include "relayd/punch.h"
#include "relayd/sync.h"

#define UDP_BATCH 64

struct udp;

/* A socket on one local address; for a raw punch port also the slot that it is for. An idle one
 * waits for its slot and is not read. */
struct udp_socket {
	struct udp *udp;
	uv_poll_t poll;
	uv_timer_t rest;  /* while there is much to read, instead of poll */
	uint64_t read_ms; /* when poll last said that there was something */
	unsigned int handles;
	int fd;
	struct endpoint local;
	struct slot *raw;
	bool idle;
	LIST_ENTRY(udp_socket) link;
};

struct udp {
	uv_loop_t *loop;
	struct punch *punch;
	struct sync *sync;
	const struct config *config;
	LIST_HEAD(, udp_socket) sockets;
	LIST_HEAD(, udp_pending) free_pending;
	struct udp_pending *pending;
	uint64_t received, sent, unsent;
};

int udp_open(struct udp *udp, uv_loop_t *loop, struct punch *punch, struct sync *sync,
	const struct config *config);
void udp_close(struct udp *udp);
/* Takes the descriptor over. */
int udp_add(struct udp *udp, int fd, const struct endpoint *local);
/*
 * Raw punch ports: those that a stream wants are opened before anything is changed for it, and are
 * idle (-errno and the reason: none of them is). Slots take the idle ones that are theirs, and
 * leave them to whoever is next; what nobody has taken in the end is closed. Nothing is read
 * meanwhile.
 */
int udp_open_raws(struct udp *udp, const struct spec *spec, char why[static SPEC_WHY]);
void udp_take_raws(struct udp *udp, struct slot *slot);
void udp_leave_raws(struct udp *udp, const struct slot *slot);
void udp_close_idle(struct udp *udp);
/* Sends from the socket at this local endpoint; without one it is counted as unsent. */
void udp_send(struct udp *udp, const struct endpoint *from, const struct endpoint *to,
	const void *data, size_t len);
/* A bound, non-blocking socket; used by the parent for the ports of the configuration. */
int udp_bind(const struct endpoint *local, int *fd);

#endif
