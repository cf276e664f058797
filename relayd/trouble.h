/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trouble: what the host is short of, or does to us. Each has a name, and is told when it begins
 * and when it is over, not each time that it is met. Times are monotonic milliseconds.
 */
#ifndef RELAYD_TROUBLE_H
#define RELAYD_TROUBLE_H

#include <stdbool.h>
#include <stdint.h>

enum trouble_kind {
	TROUBLE_FLOWS,	 /* the conntrack table is full: new senders are not let in */
	TROUBLE_SET,	 /* a set of the kernel's has reached its size */
	TROUBLE_BUFFER,	 /* a netlink buffer was too small: something was not heard, or not taken */
	TROUBLE_MEMORY,	 /* the kernel had none for a change of ours */
	TROUBLE_FILES,	 /* no file descriptor is left */
	TROUBLE_DISK,	 /* the database cannot be written */
	TROUBLE_CLOCK,	 /* the wall clock was set */
	TROUBLE_CLIENTS, /* as many as max-clients allows: nobody new is let in */
	TROUBLE_RATE,	 /* as fast as max-rate allows: what is more is dropped */
	TROUBLE_ADVERTISE, /* the relay is seen under another address than it says */
	TROUBLE_KINDS,
};

#define TROUBLE_TEXT 200

struct trouble {
	bool now;
	uint64_t count;	   /* times that it was met */
	int64_t since_ms;  /* the first time of this time */
	int64_t newest_ms; /* the last time */
	char text[TROUBLE_TEXT];
};

struct troubles {
	struct trouble list[TROUBLE_KINDS];
	/* Told that one begins (over false) or ends. */
	void (*event)(void *data, enum trouble_kind kind, const struct trouble *trouble, bool over);
	void *event_data;
};

/* It was met; the text is for people: what is wrong, and what mends it. */
void trouble_tell(struct troubles *troubles, enum trouble_kind kind, int64_t now_ms,
	const char *format, ...) __attribute__((format(printf, 4, 5)));
/* What it was about has worked. */
void trouble_end(struct troubles *troubles, enum trouble_kind kind);
/* Ends those that have not been met for a while; that of the disk ends when a writing succeeds. */
void trouble_tick(struct troubles *troubles, int64_t now_ms);

/* "conntrack_full", "set_full", "netlink_buffer", .. */
const char *trouble_name(enum trouble_kind kind);

/* What a code of the kernel's is called; TROUBLE_KINDS: it is none of these. */
enum trouble_kind trouble_of(int error);

#endif
