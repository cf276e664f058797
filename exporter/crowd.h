/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crowd: the HTTP connections, so that those that have shown no token cannot keep out those that
 * have one: when all places are taken, the oldest of them gives way.
 */
#ifndef EXPORTER_CROWD_H
#define EXPORTER_CROWD_H

#include <stddef.h>
#include <sys/queue.h>

#include <microhttpd.h>

struct guest;
TAILQ_HEAD(guest_list, guest);

struct crowd {
	struct guest_list strangers; /* the newest last */
	size_t count, room;	     /* connections, strangers or not; and how many there may be */
};

void crowd_init(struct crowd *crowd, size_t room);
/* For MHD_OPTION_NOTIFY_CONNECTION, with the crowd as data. */
void crowd_notify(void *data, struct MHD_Connection *connection, void **guest,
	enum MHD_ConnectionNotificationCode code);
/* Whoever this connection is from has shown the token. */
void crowd_trust(struct crowd *crowd, struct MHD_Connection *connection);

#endif
