/* SPDX-License-Identifier: GPL-2.0-or-later */
/* gateway_job: what is asked of a router in a worker thread, which owns the job while it runs. */
#ifndef PUNCHCTL_GATEWAY_JOB_H
#define PUNCHCTL_GATEWAY_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"

enum gateway_what { GATEWAY_FIND, GATEWAY_MAP, GATEWAY_UNMAP };

struct gateway_igd; /* the router that UPnP found */

struct gateway_job {
	enum gateway_what what;
	struct addr local;
	uint16_t port;		 /* of this host */
	uint16_t wanted;	 /* MAP, UNMAP: outside; a wish */
	uint32_t lifetime_s;	 /* MAP: a wish */
	struct gateway_igd *igd; /* UPnP: found by FIND, used by the others */
	/* Results */
	int ret;	      /* 0; -ETIMEDOUT: nobody answered; -EACCES: refused; others */
	bool pcp;	      /* FIND */
	struct addr external; /* FIND, MAP */
	uint16_t given;	      /* MAP: outside */
	uint32_t granted_s;   /* MAP */
};

/* They block, for GATEWAY_BUDGET_MS or a little longer. */
void gateway_natpmp_run(struct gateway_job *job);
void gateway_upnp_run(struct gateway_job *job);
void gateway_upnp_free(struct gateway_igd *igd);

#endif
