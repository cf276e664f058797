/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control_do: does what a request says, and answers when the kernel has done it too. */
#ifndef RELAYD_CONTROL_DO_H
#define RELAYD_CONTROL_DO_H

#include <stdbool.h>
#include <stddef.h>

#include "relayd/control.h"
#include "relayd/control_list.h"
#include "relayd/control_request.h"
#include "relayd/metrics.h"
#include "relayd/net.h"

/* A request and what has become of it; the caller sets what stands above the line. */
struct inquiry;

struct job {
	struct net *net;
	const struct metrics_control *counts;
	/*
	 * The answer with its newline, for free(); NULL: memory is short. The job is done, unless
	 * `more` says that this is only a part of it, and the next one comes with job_more.
	 */
	void (*answer)(struct job *job, char *line, size_t len, bool more);
	struct request request;
	/* -- */
	bool waiting;	    /* for the kernel */
	struct list *list;  /* a long answer that has been begun, or NULL */
	unsigned int count; /* of holes that were closed */
	struct net_changes changes;
	struct inquiry *inquiry; /* NULL: none is under way */
	size_t bad;		 /* of many, the one at fault; SIZE_MAX: none */
	char failed[SPEC_WHY];	 /* what the kernel has refused since, "" for nothing */
};

/* Answers at once or later, once; everything but REQUEST_MONITOR. */
void job_begin(struct job *job);
/* The part before has been read: the next one. */
void job_more(struct job *job);
/* There will be no answer. */
void job_cancel(struct job *job);
/* Something happened: it may be the kernel's refusal of what the job did. */
void job_event(struct job *job, const struct control_event *event);

#endif
