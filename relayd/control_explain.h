/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control_explain: the answers that take questions to the kernel side: explain and host. */
#ifndef RELAYD_CONTROL_EXPLAIN_H
#define RELAYD_CONTROL_EXPLAIN_H

#include <jansson.h>

#include "relayd/control_request.h"
#include "relayd/explain_gather.h"
#include "relayd/net.h"

struct inquiry;

/*
 * Begins REQUEST_EXPLAIN or REQUEST_HOST with what the kernel holds. 0: done is called later, or
 * now, with the answer (NULL: memory is short), which it takes over; the inquiry is gone then.
 * -ENOMEM.
 */
int inquiry_start(struct net *net, const struct request *request,
	const struct sync_snapshot *snapshot, void (*done)(void *data, json_t *answer), void *data,
	struct inquiry **out);
/* There will be no done. */
void inquiry_cancel(struct inquiry *inquiry);

#endif
