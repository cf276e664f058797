/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control_request: what may be asked on the control socket, out of a JSON object; see control.h. */
#ifndef RELAYD_CONTROL_REQUEST_H
#define RELAYD_CONTROL_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "relayd/spec.h"

#define REQUEST_EXPIRE_MAX (10 * 366 * 86400) /* seconds */
#define REQUEST_ITEMS_MAX  1024		      /* streams at once */

enum request_do {
	REQUEST_ADD,
	REQUEST_ADD_MANY,
	REQUEST_REMOVE,
	REQUEST_REMOVE_MANY,
	REQUEST_LIST,
	REQUEST_SHOW,
	REQUEST_FLUSH,
	REQUEST_RELOAD,
	REQUEST_DRAIN,
	REQUEST_RULES,
	REQUEST_METRICS,
	REQUEST_EXPLAIN,
	REQUEST_HOST,
	REQUEST_MONITOR,
	REQUEST_COUNT,
};

struct request {
	enum request_do what;
	struct spec spec; /* the name, "" when there is none; all of it for REQUEST_ADD */
	int64_t expire;	  /* seconds from now, 0: never */
	/* Those of ADD_MANY and REMOVE_MANY, owned; `expires` are seconds from now. */
	struct spec_item *items;
	size_t count;
	bool keep_going;
	uint16_t port;	      /* REQUEST_EXPLAIN: of the stream, 0: all */
	bool again;	      /* REQUEST_EXPLAIN: asked a moment ago */
	bool trace;	      /* REQUEST_EXPLAIN: a packet is followed */
	struct endpoint from; /* REQUEST_EXPLAIN: the sender, family 0: as seen last */
	bool brief;	      /* LIST: only what a line of a table shows */
	bool set, on;	      /* DRAIN: whether to change it, and to what */
	uint32_t limit;	      /* LIST: the first ones by name; 0: all */
};

/*
 * 0, or -EINVAL and in `why` one line that names the field. Whether the fields fit together is not
 * looked at (spec_check). What is wrong with one of many stands there. The request holds keys.
 */
int request_parse(const json_t *object, struct request *request, char why[static SPEC_WHY]);

/* Wipes it and frees what it owns; it may be all zero, and be done again. */
void request_fini(struct request *request);

#endif
