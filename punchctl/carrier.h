/* SPDX-License-Identifier: GPL-2.0-or-later */
/* carrier: a lane with its sockets in the loop: datagrams between them and a program's socket. */
#ifndef PUNCHCTL_CARRIER_H
#define PUNCHCTL_CARRIER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <uv.h>

#include "punchctl/volley.h"
#include "punchctl/lane.h"

/* Datagrams of all carriers and of the whole run. */
struct carrier_counters {
	uint64_t inward, outward;
	uint64_t inward_bytes, outward_bytes;
	uint64_t foreign; /* neither from the relay nor from the other side */
	uint64_t late;	  /* waited too long for a path, or came while there was none */
	uint64_t crowded; /* of one session too many */
	struct volley_loss loss;
};

struct carrier;

/* A socket that carriers share with a program, which has all data; they have what is STUN. */
struct carrier_twin {
	int fd; /* -1: there is none, as the program is not there */
	uint8_t family;
	uint16_t port;
};

/* What all carriers of a run share. All pointers are the caller's. */
struct carrier_shared {
	uv_loop_t *loop;
	struct volley *volley;
	struct carrier_counters *counters;
	const struct carrier_twin *twin; /* NULL: each has sockets of its own */
	void *arg;
	/* In the midst of things: to be noted and told, and acted on by settled(). */
	void (*event)(struct carrier *carrier, const struct lane_event *event);
	/* Now the carrier may be closed; carrier->news says what has happened. */
	void (*settled)(struct carrier *carrier);
	/* Data have come and carrier->sink has no socket; it may set one. */
	void (*wanted)(struct carrier *carrier);
};

/* Where data from the other side go. */
struct carrier_sink {
	int fd; /* -1: nowhere */
	struct sockaddr_storage to;
	socklen_t to_len; /* 0: fd is connected */
	struct volley_asked asked;
};

struct carrier_socket {
	uv_poll_t poll;
	struct carrier *carrier;
	int fd;		     /* -1: closed */
	unsigned int number; /* the lane's */
};

struct carrier {
	TAILQ_ENTRY(carrier) entry; /* the caller's list */
	const struct carrier_shared *shared;
	struct lane *lane; /* NULL: closed */
	struct endpoint relay;
	struct carrier_sink sink;
	void *owner;	    /* the caller's: whose data these are; NULL: a spare one */
	unsigned int route; /* the caller's */
	unsigned int news;  /* bits 1 << enum lane_event_type; the caller clears them */
	bool paired;
	bool spare;		   /* carrier_set_spare() */
	bool silent;		   /* the relay; nothing else has been heard since */
	bool fallen;		   /* back to the relay, from a direct path */
	bool parted;		   /* the caller's: the other side is another than its owner's */
	struct lane_event pairing; /* when paired */
	struct lane_event refusal; /* when it has failed */
	int64_t opened_ms;
	uint64_t inward, outward; /* datagrams */
	unsigned int handles;	  /* of libuv, not yet closed */
	uv_timer_t timer;
	int64_t armed_ms; /* INT64_MAX: the timer does not run */
	unsigned int count;
	struct carrier_socket *sockets[1 + PEER_SOCKETS_MAX]; /* 0 to count; with a twin, none */
};

struct carrier_config {
	const struct carrier_shared *shared;
	enum peer_role role;
	const char *name, *key;
	struct endpoint relay;
};

/* 0 or -errno. */
int carrier_open(const struct carrier_config *config, struct carrier **out);
/* Says goodbye; the memory goes when libuv has let go of the handles. */
void carrier_close(struct carrier *carrier);

/*
 * Of a twin, which the caller reads: true, it was for this carrier, and what came of it is settled,
 * so that any carrier may be closed.
 */
bool carrier_input(
	struct carrier *carrier, const struct endpoint *from, const uint8_t *data, size_t len);

/* The port of the lane's own socket. */
uint16_t carrier_port(const struct carrier *carrier);
/* Its lane was told something that the relay is to know. */
void carrier_told(struct carrier *carrier);
/* It is only kept in reserve, and gives way to others when the relay has no more places. */
void carrier_set_spare(struct carrier *carrier, bool spare);
/* The network has changed. */
void carrier_network(struct carrier *carrier);
/* No direct path, or one again. */
void carrier_set_relayed(struct carrier *carrier, bool relayed);
/*
 * Sends the first `count` of the volley, which are for the other side. False, and nothing is sent:
 * there is no path yet. The carrier is not closed by it.
 */
bool carrier_outward(struct carrier *carrier, unsigned int count);

#endif
