/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control_list: the answer to "list", part by part: of 100,000 streams it is 50 MB, and the loop
 * has punches to answer in between.
 */
#ifndef RELAYD_CONTROL_LIST_H
#define RELAYD_CONTROL_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "relayd/control_request.h"
#include "relayd/net.h"

struct list;

/* Of the streams that are there now; those that are removed meanwhile are left out. NULL: no
 * memory. */
struct list *list_open(struct net *net, const struct request *request);
void list_close(struct list *list);
/* The next part, for free(); NULL: memory is short. The last one ends with a newline. */
char *list_part(struct list *list, size_t *len);
bool list_done(const struct list *list);

#endif
