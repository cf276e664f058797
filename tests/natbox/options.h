/* SPDX-License-Identifier: GPL-2.0-or-later */
/* options: the command line of natbox. */
#ifndef TESTS_NATBOX_OPTIONS_H
#define TESTS_NATBOX_OPTIONS_H

#include "tests/natbox/box.h"
#include "tests/natbox/link.h"

#define INSIDE_MAX 16

struct options {
	const char *inside[INSIDE_MAX], *outside; /* DEVICE[@NAMESPACE] */
	size_t inside_count;
	struct box_config box;
	struct link_config link;
};

/* 0; 1: help was printed; -EINVAL: why was. */
int options_parse(int argc, char **argv, struct options *out);

#endif
