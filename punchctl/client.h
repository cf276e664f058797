/* SPDX-License-Identifier: GPL-2.0-or-later */
/* client: asks relayd over its control socket, one JSON object a line. */
#ifndef PUNCHCTL_CLIENT_H
#define PUNCHCTL_CLIENT_H

#include <jansson.h>

#include "common/ctl.h"
#include "punchctl/cmd.h"

#define CLIENT_SOCKET "/run/relayd/relayd.sock"

struct client {
	int fd;
	struct ctl_reader reader;
};

/*
 * Each returns an enum cmd_status and has said what is wrong on stderr. The request is released;
 * the reply is the caller's, and is set only with CMD_DONE.
 */
int client_open(struct client *client, const char *socket);
void client_close(struct client *client);
int client_send(struct client *client, json_t *request);
/* Waits for the next object; -1 in timeout_ms waits for ever. CMD_FAILED when relayd hangs up. */
int client_receive(struct client *client, int timeout_ms, json_t **reply);
/* Opens, asks, waits for {"ok":true,..}, closes. */
int client_ask(const struct cmd_context *context, json_t *request, json_t **reply);

#endif
