/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "relayd/control_client.h"
#include "relayd/control_peer.h"
#include "relayd/net_trouble.h"
#include "relayd/view.h"

#define CLIENTS_MAX 64
#define ACCEPT_MAX  16 /* in one turn of the loop */
#define SWEEP_MS    1000

/* It is freed when its handles and those of its clients are closed. */
struct control {
	struct clients clients; /* first, for clients_freed */
	int fd;			/* listening */
	uv_poll_t listener;
	uv_timer_t sweep;
	unsigned int handles;
};

static void control_reap(struct control *control)
{
	if (control->handles == 0 && control->clients.alive == 0)
		free(control);
}

static void control_closed(uv_handle_t *handle)
{
	struct control *control = handle->data;

	control->handles--;
	control_reap(control);
}

static void clients_freed(struct clients *clients)
{
	control_reap((struct control *)clients);
}

/* A new socket has room for one line; who does not get it learns by the end of the connection. */
static void refuse(int fd, const char *why)
{
	size_t len = 0;
	json_t *object = ctl_error("%s", why);
	char *line = object ? ctl_format(object, &len) : NULL;

	if (line && send(fd, line, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("a client of the control socket was refused and left before it heard so");
	json_decref(object);
	free(line);
	close(fd);
}

static void control_welcome(struct control *control, int fd)
{
	if (!peer_allowed(fd)) {
		control->clients.counts.denied++;
		refuse(fd, "permission denied; this is for root and for members of relayd's group");
	} else if (control->clients.counts.clients >= CLIENTS_MAX) {
		control->clients.counts.crowded++;
		refuse(fd, "too many clients; close one of the others");
	} else if (client_open(&control->clients, fd) < 0) {
		log_error("memory is short: a client of the control socket is not served");
	}
}

static void control_accept(uv_poll_t *poll, int status, int events)
{
	struct control *control = poll->data;

	(void)status, (void)events;
	for (int i = 0; i < ACCEPT_MAX; i++) {
		int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			control_welcome(control, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno == EAGAIN)
			return;
		/* Out of descriptors: the next sweep tries again, not every turn of the loop. */
		if (!net_trouble_files(control->clients.net, -errno))
			log_warning("the control socket: %s", strerror(errno));
		uv_poll_stop(&control->listener);
		return;
	}
}

static void control_listen(struct control *control)
{
	if (!uv_is_active((uv_handle_t *)&control->listener))
		uv_poll_start(&control->listener, UV_READABLE, control_accept);
}

static void control_sweep(uv_timer_t *timer)
{
	struct control *control = timer->data;
	struct client *client, *next;

	for (client = TAILQ_FIRST(&control->clients.list); client; client = next) {
		next = TAILQ_NEXT(client, link);
		client_sweep(client, net_now(control->clients.net));
	}
	control_listen(control);
}

int control_open(struct net *net, int fd, struct control **out)
{
	struct control *control = calloc(1, sizeof(*control));
	int ret = control ? uv_poll_init(&net->loop, &control->listener, fd) : -ENOMEM;

	if (ret < 0) {
		free(control);
		return ret;
	}
	uv_timer_init(&net->loop, &control->sweep);
	control->handles = 2;
	control->clients.net = net;
	control->clients.freed = clients_freed;
	control->fd = fd;
	control->listener.data = control->sweep.data = control;
	TAILQ_INIT(&control->clients.list);
	uv_timer_start(&control->sweep, control_sweep, SWEEP_MS, SWEEP_MS);
	control_listen(control);
	*out = control;
	return 0;
}

void control_close(struct control *control)
{
	struct client *client, *next;

	for (client = TAILQ_FIRST(&control->clients.list); client; client = next) {
		next = TAILQ_NEXT(client, link);
		client_close(client);
	}
	uv_close((uv_handle_t *)&control->sweep, control_closed);
	uv_close((uv_handle_t *)&control->listener, control_closed);
	close(control->fd);
}

static char *event_format(const struct control_event *event, size_t *len)
{
	struct timespec now;
	json_t *object;
	char *line;

	clock_gettime(CLOCK_REALTIME, &now);
	object = view_event(event, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
	line = object ? ctl_format(object, len) : NULL;
	json_decref(object);
	return line;
}

void control_event(struct control *control, const struct control_event *event)
{
	struct client *client, *next;
	char *line = NULL;
	size_t len = 0;

	for (client = TAILQ_FIRST(&control->clients.list); client; client = next) {
		next = TAILQ_NEXT(client, link);
		job_event(&client->job, event);
		if (!client->monitors)
			continue;
		if (!line)
			line = event_format(event, &len);
		if (line)
			client_tell(client, line, len);
	}
	free(line);
}
