/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control_client: one client of the control socket: its lines, its answers, and its limits. */
#ifndef RELAYD_CONTROL_CLIENT_H
#define RELAYD_CONTROL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <uv.h>

#include "common/ctl.h"
#include "relayd/control_do.h"
#include "relayd/metrics.h"
#include "relayd/net.h"

#define CLIENT_READ 4096 /* bytes at once */

/* All clients, and what they share. */
struct clients {
	struct net *net;
	struct metrics_control counts;
	TAILQ_HEAD(, client) list; /* those that are not being closed */
	unsigned int alive;	   /* those that are, too */
	/* Called when another one is no longer alive. */
	void (*freed)(struct clients *clients);
	char room[CLIENT_READ]; /* of the client that is being read */
};

struct client {
	uv_pipe_t pipe;
	struct clients *clients;
	struct ctl_reader reader;
	struct job job;
	bool monitors;
	bool reading;
	bool ending;	   /* closed when all is written: it has sent its last request */
	bool broken;	   /* what it sends is not looked at any more */
	int64_t active_ms; /* when it last asked, or read what it had asked for */
	size_t unread;	   /* bytes at the last sweep */
	TAILQ_ENTRY(client) link;
};

/* Takes the descriptor over, whatever it returns. */
int client_open(struct clients *clients, int fd);
/* May be called again; the memory goes later. */
void client_close(struct client *client);
/* A copy of a line to one who monitors; it is closed when it does not read. */
void client_tell(struct client *client, const char *line, size_t len);
/* Closes it when it has asked for nothing, or read nothing, for too long. */
void client_sweep(struct client *client, int64_t now_ms);

#endif
