/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tunnel_state: what the parts of a tunnel know of each other; for tunnel*.c only. */
#ifndef PUNCHCTL_TUNNEL_STATE_H
#define PUNCHCTL_TUNNEL_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <uv.h>

#include "punchctl/carrier.h"
#include "punchctl/player.h"
#include "punchctl/prober.h"
#include "punchctl/progress.h"
#include "punchctl/queue.h"
#include "punchctl/report.h"
#include "punchctl/resolver.h"
#include "punchctl/sharing.h"
#include "punchctl/source.h"
#include "punchctl/status.h"
#include "punchctl/tell.h"
#include "punchctl/tunnel.h"
#include "punchctl/watch.h"

#define TUNNEL_ROUTES 2 /* IPv4, IPv6 */

/* How a relay is reached by one family of addresses. */
struct tunnel_route {
	struct tunnel *tunnel;
	uint8_t family;
	unsigned int index; /* of the target's addresses */
	bool has_nat;
	bool silent;	    /* that is the last that was heard of it */
	bool waiting;	    /* that it waits has been told */
	int64_t waiting_ms; /* since when; 0: it does not */
	bool failed;	    /* for good */
	uint16_t refused;   /* what has been told */
	bool no_gateway;    /* that would serve us */
	struct nat_report nat;
	struct endpoint mapped; /* as the relay saw a socket of ours */
	struct prober *prober;	/* NULL: not at work */
	unsigned int host_count;
	struct endpoint hosts[PEER_HOSTS]; /* without ports */
};

/* One client of the service. */
struct session {
	TAILQ_ENTRY(session) entry;
	struct source source;	    /* of a client's side: its program's socket, in the table */
	struct sockaddr_storage sa; /* the same for the kernel */
	socklen_t sa_len;
	struct volley_asked asked; /* where it was listened, if that is anywhere */
	struct tunnel *tunnel;
	uint64_t number;
	struct carrier *carrier; /* NULL: there is none just now */
	struct queue *queue;	 /* NULL: nothing waits */
	int64_t used_ms;
	uint64_t inward, outward; /* by carriers that have gone */
	/* Of a service's side. */
	uv_poll_t poll;
	int inner; /* connected to the service; -1: none */
};

TAILQ_HEAD(carriers, carrier);
TAILQ_HEAD(sessions, session);
TAILQ_HEAD(mappings, mapping);

struct tunnel {
	const struct tunnel_config *config;
	char key[TARGET_KEY];
	struct report report;
	uv_loop_t loop;
	uv_timer_t minute, retry;
	uv_signal_t sigint, sigterm, sighup, sigusr1, sigusr2;
	bool ending, ready;
	bool relayed;  /* no direct paths */
	bool terminal; /* it was started at one */
	int ret;
	struct player player;
	struct carrier_shared shared;
	struct carrier_counters counters;
	struct volley volley;
	unsigned int route_count;
	struct tunnel_route routes[TUNNEL_ROUTES];
	int64_t looked_ms;	   /* at the host's addresses */
	struct resolver *resolver; /* NULL: not at work */
	int64_t resolved_ms;	   /* the relay's name; 0: not since the start */
	struct carriers carriers;
	struct mappings mappings;
	unsigned int mapping_count;
	struct sessions sessions;
	unsigned int session_count;
	uint64_t session_number;
	struct source_table sources;
	unsigned int failures; /* carriers of late that did not live, */
	int64_t failed_ms;     /* and the last of them */
	int64_t retry_ms;      /* no new carrier before; 0: at once */
	bool proven;	       /* the key was good once */
	struct progress progress;
	struct status_rate in, out;
	unsigned int taken; /* of a service's side: lanes that clients have taken of late */
	/* Of a service whose socket is shared. */
	struct sharing *sharing;
	struct watch *watch;
	struct carrier_twin twin;
	uint16_t share_low, share_high; /* the relay's ports for its lanes */
	/* Of a client's side. */
	uv_poll_t poll;
	int listener;
	int best; /* the route that was paired last; -1: unknown */
};

/* tunnel.c */
int64_t tunnel_now(const struct tunnel *tunnel);
void tunnel_end(struct tunnel *tunnel, int ret);
/* Starts the program, once. */
void tunnel_ready(struct tunnel *tunnel, const struct carrier *carrier);
struct tell tunnel_tell(const struct tunnel *tunnel, const struct carrier *carrier);
/* New carriers where they are missing; called whenever something has changed. */
void tunnel_fill(struct tunnel *tunnel);

/* tunnel_show.c */
/* How it stands shows. */
void tunnel_show(struct tunnel *tunnel);

/* tunnel_carrier.c */
void tunnel_carrier_init(struct tunnel *tunnel);
/* Through this route, to this port of the relay; NULL: said, and tried again later. */
struct carrier *tunnel_carrier_open(struct tunnel *tunnel, unsigned int route, uint16_t port);
void tunnel_carrier_close(struct tunnel *tunnel, struct carrier *carrier);
/* It ends; if it was of no use, the next one comes later, and later each time. */
void tunnel_carrier_failed(struct tunnel *tunnel, const struct carrier *carrier);
/* A relay has another address: what is nobody's and goes to the old one is closed. */
void tunnel_carrier_move(struct tunnel *tunnel);
/* A client's: nobody has served for a while. */
void tunnel_tell_waiting(struct tunnel *tunnel);
/* True: the file holds another key now, and all carriers have gone. */
bool tunnel_reread_key(struct tunnel *tunnel);

/* tunnel_net.c */
void tunnel_net_fini(struct tunnel *tunnel);
/* Have the host's addresses changed? Then every carrier hears of it. */
void tunnel_net_look(struct tunnel *tunnel);
/* What is known already, to a new carrier. */
void tunnel_net_tell(struct tunnel *tunnel, struct carrier *carrier);

/* tunnel_gateway.c */
/* Asks the router for ports where they are missing and of use. */
void tunnel_gateway_fill(struct tunnel *tunnel);
/* The carrier closes: what was mapped to it is given back. */
void tunnel_gateway_drop(struct tunnel *tunnel, const struct carrier *carrier);
/* All are given back: there is another network, or nobody shall reach us. */
void tunnel_gateway_reset(struct tunnel *tunnel);

/* tunnel_resolve.c */
/* Is the relay silent? Then its name is looked up again. */
void tunnel_resolve_look(struct tunnel *tunnel);
void tunnel_resolve_fini(struct tunnel *tunnel);

/* tunnel_session.c */
/* NULL: memory is short. */
struct session *tunnel_session_open(struct tunnel *tunnel);
/* With its carrier, and told. */
void tunnel_session_close(struct session *session, const char *reason);
/* The carrier, which is paired, is this session's. */
void tunnel_session_attach(struct session *session, struct carrier *carrier);
/* Carrier and session part, and both stay; NULL: there was none. */
struct carrier *tunnel_session_release(struct session *session);
/* The carrier is closed, the session stays. */
void tunnel_session_detach(struct session *session);
/* When data last came or went. */
int64_t tunnel_session_used_ms(const struct session *session);
/* It has a carrier: the i-th of what was received becomes the at-th that is sent; false: it is
 * dropped, counted. */
bool tunnel_stage(struct session *session, unsigned int i, unsigned int at);
void tunnel_stage_data(struct session *session, unsigned int at, uint8_t *data, size_t len);

/* tunnel_serve.c */
void tunnel_serve_fill(struct tunnel *tunnel);
/* A second has passed: spare lanes that a crowd has wanted go one by one. */
void tunnel_serve_calm(struct tunnel *tunnel);
void tunnel_serve_settled(struct tunnel *tunnel, struct carrier *carrier, unsigned int news);
unsigned int tunnel_serve_waiting(const struct tunnel *tunnel, unsigned int route);
void tunnel_serve_wanted(struct tunnel *tunnel, struct carrier *carrier);

/* tunnel_share.c: the service's own socket has the lanes, each at a port of the relay of its own */
int tunnel_share_open(struct tunnel *tunnel);
void tunnel_share_close(struct tunnel *tunnel);
/* As many as `wanted` shall wait for a client. */
void tunnel_share_fill(struct tunnel *tunnel, unsigned int wanted);
void tunnel_share_settled(struct tunnel *tunnel, struct carrier *carrier);

/* tunnel_connect.c */
int tunnel_connect_open(struct tunnel *tunnel);
void tunnel_connect_close(struct tunnel *tunnel);
void tunnel_connect_fill(struct tunnel *tunnel);
void tunnel_connect_settled(struct tunnel *tunnel, struct carrier *carrier, unsigned int news);

#endif
