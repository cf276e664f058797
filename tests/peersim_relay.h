/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peersim_relay: the relay of peersim: relayd's broker, with the STUN in front of it and the kernel
 * behind it made of a few lines.
 */
#ifndef TESTS_PEERSIM_RELAY_H
#define TESTS_PEERSIM_RELAY_H

#include "common/peer.h"
#include "relayd/broker.h"

#define SIMRELAY_PEERS 16
#define SIMRELAY_DONE  16

struct simrelay {
	struct endpoint punch, alternate;
	struct stream_table table;
	struct stream *stream;
	struct broker *broker;
	/* What the kernel relays. */
	struct simrelay_peer {
		struct endpoint client, peer;
	} peers[SIMRELAY_PEERS];
	unsigned int peer_count;
	/* Transactions that the kernel is still busy with. */
	struct simrelay_done {
		int64_t at_ms;
		void (*done)(void *data, int error);
		void *data;
	} dones[SIMRELAY_DONE];
	unsigned int done_count;
	int64_t now_ms;
	bool mute;
	void *arg;
	void (*send)(void *arg, const struct endpoint *from, const struct endpoint *to,
		const void *data, size_t len);
};

void simrelay_open(struct simrelay *relay);
void simrelay_close(struct simrelay *relay);
void simrelay_input(struct simrelay *relay, const struct endpoint *from, const struct endpoint *to,
	const uint8_t *data, size_t len, int64_t now_ms);
void simrelay_tick(struct simrelay *relay, int64_t now_ms);
int64_t simrelay_deadline(const struct simrelay *relay);
/* How often a pair was found to have nothing left to try. */
uint64_t simrelay_hopeless(const struct simrelay *relay);

#endif
