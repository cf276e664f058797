/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/daemon.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"
#include "punchctl/out.h"

int daemon_open(struct daemon *daemon, const struct cmd_context *context)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	const char *path = context->socket ? context->socket : DAEMON_SOCKET;
	struct timeval wait;

	if (!*path) {
		log_error("--socket lacks its path");
		return CMD_USAGE;
	}
	if (strlen(path) >= sizeof sa.sun_path) {
		log_error("--socket %s: the path is too long for a socket", path);
		return CMD_USAGE;
	}
	strcpy(sa.sun_path, path);
	daemon->reply_ms = context->reply_ms ? context->reply_ms : DAEMON_REPLY_MS;
	wait = (struct timeval){daemon->reply_ms / 1000, daemon->reply_ms % 1000 * 1000};
	daemon->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* connect() waits too: for room in the queue of a relayd that hangs. */
	setsockopt(daemon->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
	if (daemon->fd < 0 || connect(daemon->fd, (struct sockaddr *)&sa, sizeof sa)) {
		log_error("no relayd at %s: %s%s", path, strerror(errno),
			errno == EACCES ? "; root and the group of relayd's user may ask it" : "");
		if (daemon->fd >= 0)
			close(daemon->fd);
		return CMD_NO_DAEMON;
	}
	ctl_reader_init(&daemon->reader, CTL_REPLY_MAX);
	return CMD_DONE;
}

void daemon_close(struct daemon *daemon)
{
	close(daemon->fd);
	ctl_reader_fini(&daemon->reader);
}

int daemon_send(struct daemon *daemon, json_t *request)
{
	size_t len = 0;
	char *line = request ? ctl_format(request, &len) : NULL;

	json_decref(request);
	return daemon_send_line(daemon, line, len);
}

int daemon_send_line(struct daemon *daemon, char *line, size_t len)
{
	int status = CMD_DONE;

	if (!line) {
		log_error("out of memory");
		return CMD_FAILED;
	}
	for (size_t at = 0; at < len && !status;) {
		ssize_t n = send(daemon->fd, line + at, len - at, MSG_NOSIGNAL);

		if (n > 0)
			at += (size_t)n;
		else if (errno == EPIPE)
			break; /* refused before it was read: the reason waits for us */
		else if (errno != EINTR)
			status = CMD_FAILED;
	}
	if (status)
		log_error("relayd does not listen: %s", strerror(errno));
	explicit_bzero(line, len); /* it may hold a key */
	free(line);
	return status;
}

static int feed(struct daemon *daemon, int timeout_ms)
{
	struct pollfd pollfd = {.fd = daemon->fd, .events = POLLIN};
	char bytes[65536];
	ssize_t len;
	int n = poll(&pollfd, 1, timeout_ms);

	if (n < 0 && errno == EINTR)
		return CMD_DONE;
	if (!n) {
		log_error("relayd does not answer");
		return CMD_FAILED;
	}
	len = n < 0 ? n : recv(daemon->fd, bytes, sizeof bytes, 0);
	if (len < 0 && errno == EINTR)
		return CMD_DONE;
	if (len <= 0) {
		log_error("relayd hung up%s%s", len ? ": " : "", len ? strerror(errno) : "");
		return CMD_FAILED;
	}
	if (ctl_reader_feed(&daemon->reader, bytes, (size_t)len)) {
		log_error("relayd's answer is too long");
		return CMD_FAILED;
	}
	return CMD_DONE;
}

static int receive(struct daemon *daemon, int timeout_ms, json_t **reply)
{
	char why[160];
	int status;

	for (;;) {
		int err = ctl_reader_next(&daemon->reader, reply, why, sizeof why);

		if (!err)
			return CMD_DONE;
		if (err != -EAGAIN) {
			log_error("relayd's answer makes no sense: %s", why);
			return CMD_FAILED;
		}
		status = feed(daemon, timeout_ms);
		if (status)
			return status;
	}
}

int daemon_answer(struct daemon *daemon, json_t **reply)
{
	return receive(daemon, daemon->reply_ms, reply);
}

int daemon_event(struct daemon *daemon, json_t **event)
{
	return receive(daemon, -1, event);
}

int daemon_check(json_t **reply)
{
	const char *error;

	if (json_is_true(json_object_get(*reply, "ok")))
		return CMD_DONE;
	error = json_string_value(json_object_get(*reply, "error"));
	log_error("%s", error ? error : "relayd refused and did not say why");
	json_decref(*reply);
	*reply = NULL;
	return CMD_FAILED;
}

int daemon_request(struct daemon *daemon, json_t *request, json_t **reply)
{
	int status = daemon_send(daemon, request);

	if (!status)
		status = daemon_answer(daemon, reply);
	return status ? status : daemon_check(reply);
}

int daemon_ask(const struct cmd_context *context, json_t *request, json_t **reply)
{
	struct daemon daemon;
	int status = daemon_open(&daemon, context);

	if (status) {
		json_decref(request);
		return status;
	}
	status = daemon_request(&daemon, request, reply);
	daemon_close(&daemon);
	return status;
}

/* The answer as it comes; whole until it is known what it is. */
struct streams {
	void (*each)(void *data, const char *text, size_t len);
	void *data;
	char *text; /* owned */
	size_t len, room, at;
	size_t begin; /* of the element that is being read */
	unsigned int depth;
	bool known, string, escape, done;
};

static const char streams_head[] = "{\"ok\":true,\"streams\":[";

static int streams_room(struct streams *streams, size_t more)
{
	size_t used = streams->depth ? streams->begin : streams->at, room;
	char *grown;

	/* What has been handed over is dropped. */
	if (used && streams->known) {
		memmove(streams->text, streams->text + used, streams->len - used);
		streams->len -= used;
		streams->at -= used;
		streams->begin = 0;
	}
	if (streams->room - streams->len >= more)
		return CMD_DONE;
	room = 2 * (streams->len + more);
	grown = room > CTL_REPLY_MAX ? NULL : realloc(streams->text, room);
	if (!grown) {
		log_error("relayd's answer is too long");
		return CMD_FAILED;
	}
	streams->text = grown;
	streams->room = room;
	return CMD_DONE;
}

/* Elements are objects: one ends where its last brace does. */
static void streams_step(struct streams *streams)
{
	char c = streams->text[streams->at++];

	if (streams->string) {
		streams->string = streams->escape || c != '"';
		streams->escape = !streams->escape && c == '\\';
		return;
	}
	if (c == '"')
		streams->string = true;
	else if (c == '{' && !streams->depth++)
		streams->begin = streams->at - 1;
	else if (c == '}' && streams->depth && !--streams->depth)
		streams->each(streams->data, streams->text + streams->begin,
			streams->at - streams->begin);
	else if (c == ']' && !streams->depth)
		streams->done = true;
}

/* Another answer than that is short, and for the usual reader. */
static int streams_feed(struct streams *streams, struct daemon *daemon)
{
	const size_t head = sizeof streams_head - 1;

	if (!streams->known &&
		(streams->len >= head || memchr(streams->text, '\n', streams->len))) {
		if (streams->len < head || memcmp(streams->text, streams_head, head))
			return ctl_reader_feed(&daemon->reader, streams->text, streams->len)
				       ? CMD_FAILED
				       : -1;
		streams->known = true;
		streams->at = head;
	}
	while (streams->known && !streams->done && streams->at < streams->len)
		streams_step(streams);
	return CMD_DONE;
}

static int streams_receive(struct streams *streams, struct daemon *daemon)
{
	struct pollfd pollfd = {.fd = daemon->fd, .events = POLLIN};
	int status = CMD_DONE;

	while (!status && !streams->done) {
		ssize_t len = 0;

		status = streams_room(streams, 65536);
		if (!status && poll(&pollfd, 1, daemon->reply_ms) > 0)
			len = recv(daemon->fd, streams->text + streams->len, 65536, 0);
		else
			len = -1;
		if (!status && len <= 0) {
			log_error(len ? "relayd does not answer" : "relayd hung up");
			status = CMD_FAILED;
		}
		if (status)
			break;
		streams->len += (size_t)len;
		status = streams_feed(streams, daemon);
	}
	return status;
}

int daemon_ask_streams(const struct cmd_context *context, json_t *request,
	void (*each)(void *data, const char *text, size_t len), void *data)
{
	struct streams streams = {.each = each, .data = data};
	struct daemon daemon;
	json_t *reply = NULL;
	int status = daemon_open(&daemon, context);

	if (status) {
		json_decref(request);
		return status;
	}
	status = daemon_send(&daemon, request);
	if (!status)
		status = streams_receive(&streams, &daemon);
	if (status == -1) {
		status = daemon_answer(&daemon, &reply);
		if (!status)
			status = daemon_check(&reply);
		json_decref(reply);
	}
	free(streams.text);
	daemon_close(&daemon);
	return status;
}
