/* SPDX-License-Identifier: GPL-2.0-or-later */
/* summary: a stream in one line, by that one of its ports that has most to tell. */
#ifndef PUNCHCTL_SUMMARY_H
#define PUNCHCTL_SUMMARY_H

#include <jansson.h>

struct summary {
	const char *name, *state, *listen, *sender, *client; /* the object's; "-": none */
	json_int_t rate;				     /* bytes per second, of all ports */
	double idle; /* seconds without media; negative: none ever came */
};

void summary_read(struct summary *summary, const json_t *stream);

#endif
