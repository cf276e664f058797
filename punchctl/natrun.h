/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natrun: one run of `punchctl nat`: the loop that joins the probe, the gateway and the sockets. */
#ifndef PUNCHCTL_NATRUN_H
#define PUNCHCTL_NATRUN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "punchctl/gateway.h"
#include "punchctl/natprobe.h"

struct natrun_config {
	struct endpoint relay;
	bool lifetime;
	uint32_t lifetime_max_ms;
	bool gateway; /* ask the router too */
};

struct natrun_outcome {
	struct natprobe_result probe;
	bool has_gateway; /* it was asked */
	struct gateway_status gateway;
};

/* -errno: no socket, no route; -EINTR: a signal ended it. */
int natrun(const struct natrun_config *config, struct natrun_outcome *out);

#endif
