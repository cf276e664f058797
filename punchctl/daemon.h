/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon: asks relayd over its control socket, one JSON object a line. */
#ifndef PUNCHCTL_DAEMON_H
#define PUNCHCTL_DAEMON_H

#include <jansson.h>

#include "common/ctl.h"
#include "punchctl/cmd.h"

#define DAEMON_SOCKET "/run/relayd/relayd.sock"

struct daemon {
	int fd, reply_ms;
	struct ctl_reader reader;
};

/* A reload, or a list of very many streams, may take its time. */
#define DAEMON_REPLY_MS 30000

/*
 * Each returns an enum cmd_status and has said what is wrong on stderr. The request is released;
 * the reply is the caller's, and is set only with CMD_DONE.
 */
int daemon_open(struct daemon *daemon, const struct cmd_context *context);
void daemon_close(struct daemon *daemon);
int daemon_send(struct daemon *daemon, json_t *request);
/* A whole line, which is wiped and freed; NULL: memory is short. */
int daemon_send_line(struct daemon *daemon, char *line, size_t len);
/* The next object, an answer or, from who waits for ever, an event. CMD_FAILED when relayd hangs
 * up. */
int daemon_answer(struct daemon *daemon, json_t **reply);
int daemon_event(struct daemon *daemon, json_t **event);
/* CMD_DONE if it is {"ok":true,..}; otherwise the reply is released. */
int daemon_check(json_t **reply);
/* Sends, and waits for {"ok":true,..}; anything else is CMD_FAILED. */
int daemon_request(struct daemon *daemon, json_t *request, json_t **reply);
/*
 * The same for an answer that is {"ok":true,"streams":[..]} and may be very long: each of the
 * array's elements is handed over as text as soon as it is there.
 */
int daemon_ask_streams(const struct cmd_context *context, json_t *request,
	void (*each)(void *data, const char *text, size_t len), void *data);
/* Opens, asks, waits for {"ok":true,..}, closes. */
int daemon_ask(const struct cmd_context *context, json_t *request, json_t **reply);

#endif
