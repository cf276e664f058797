/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gateway: asks the router for a port that leads to a UDP port of this host: by NAT-PMP (RFC 6886),
 * which also routers with PCP (RFC 6887) understand, or else by UPnP IGD. The libraries for both
 * block, so they run in worker threads of the loop; the mapping is renewed until it is closed.
 */
#ifndef PUNCHCTL_GATEWAY_H
#define PUNCHCTL_GATEWAY_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "common/addr.h"

#define GATEWAY_BUDGET_MS  1500 /* then a router is taken for one without service */
#define GATEWAY_LIFETIME_S 7200 /* RFC 6886, section 3.3 */

enum gateway_protocol { GATEWAY_NATPMP, GATEWAY_UPNP, GATEWAY_PROTOCOLS };

struct gateway_service {
	bool answered;
	bool pcp;	      /* NATPMP: it speaks PCP as well */
	bool refused;	      /* it answered, and gave no mapping */
	struct addr external; /* the router's own; family 0: unknown */
};

struct gateway_status {
	bool settled; /* all have answered, or their time is over */
	struct gateway_service services[GATEWAY_PROTOCOLS];
	struct endpoint external; /* that leads to our port; family 0: none */
	enum gateway_protocol by;
	uint32_t lifetime_s; /* 0: until the router forgets it */
};

struct gateway;

struct gateway_config {
	uv_loop_t *loop;
	struct addr local;   /* IPv4; the address that leads to the router */
	uint16_t port;	     /* the UDP port of this host */
	uint32_t lifetime_s; /* 0: GATEWAY_LIFETIME_S */
	/* The mapping is there, has moved or is gone, or all is settled. */
	void (*changed)(void *arg, const struct gateway_status *status);
	void *arg;
};

/* -EAFNOSUPPORT unless local is IPv4; -ENOMEM. */
int gateway_open(const struct gateway_config *config, struct gateway **out);
/* Deletes the mapping, then frees, and says so; no call of changed() comes any more. */
void gateway_close(struct gateway *gateway, void (*closed)(void *arg), void *arg);
const struct gateway_status *gateway_status(const struct gateway *gateway);

/*
 * The mapping serves peers: it is at the address that the relay sees. Otherwise there is another
 * NAT behind the router, and nobody outside reaches it.
 */
bool gateway_is_outermost(const struct endpoint *external, const struct endpoint *mapped);

const char *gateway_protocol_text(enum gateway_protocol protocol);

#endif
