/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/carrier.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "punchctl/escape.h"

#define VOLLEYS_MAX 8 /* of one socket, before it is the others' turn */

static int64_t carrier_now(const struct carrier *carrier)
{
	return (int64_t)uv_now(carrier->shared->loop);
}

static void carrier_released(struct carrier *carrier)
{
	if (--carrier->handles == 0)
		free(carrier);
}

static void socket_freed(uv_handle_t *handle)
{
	struct carrier_socket *socket = handle->data;

	carrier_released(socket->carrier);
	free(socket);
}

static void socket_close(struct carrier_socket *socket)
{
	uv_close((uv_handle_t *)&socket->poll, socket_freed);
	close(socket->fd);
	socket->fd = -1;
}

static void on_outer(uv_poll_t *poll, int status, int events);

static int socket_open(struct carrier *carrier, unsigned int number)
{
	struct endpoint any = {.addr = {.family = carrier->relay.addr.family}};
	struct carrier_socket *socket = calloc(1, sizeof(*socket));
	int ret;

	if (!socket)
		return -ENOMEM;
	socket->carrier = carrier;
	socket->number = number;
	socket->fd = ret = volley_socket(&any);
	if (ret < 0)
		goto fail;
	ret = uv_poll_init(carrier->shared->loop, &socket->poll, socket->fd);
	if (ret < 0)
		goto fail;
	socket->poll.data = socket;
	carrier->handles++;
	carrier->sockets[number] = socket;
	uv_poll_start(&socket->poll, UV_READABLE, on_outer);
	return 0;
fail:
	if (socket->fd >= 0)
		close(socket->fd);
	free(socket);
	return ret;
}

static int on_send(void *arg, unsigned int number, const struct endpoint *to, uint8_t ttl,
	const void *data, size_t len)
{
	struct carrier *carrier = arg;
	const struct carrier_twin *twin = carrier->shared->twin;

	if (number > carrier->count)
		return -EBADF;
	if (twin)
		return volley_send_as(twin->fd, twin->family, to, ttl, data, len);
	return volley_send_one(carrier->sockets[number]->fd, to, ttl, data, len);
}

static unsigned int on_sockets(void *arg, unsigned int keep, unsigned int count)
{
	struct carrier *carrier = arg;
	struct carrier_socket *kept = NULL;
	int ret = 0;

	if (carrier->shared->twin)
		return 0;

	for (unsigned int i = 1; i <= carrier->count; i++) {
		if (i == keep)
			kept = carrier->sockets[i];
		else
			socket_close(carrier->sockets[i]);
	}
	carrier->count = 0;
	if (kept) {
		kept->number = carrier->count = 1;
		carrier->sockets[1] = kept;
		volley_grow(kept->fd);
	}
	if (count > PEER_SOCKETS_MAX)
		count = PEER_SOCKETS_MAX;
	while (ret == 0 && carrier->count < count) {
		ret = socket_open(carrier, carrier->count + 1);
		carrier->count += ret == 0;
	}
	if (ret < 0)
		log_debug("%u of %u sockets: %s", carrier->count, count, strerror(-ret));
	return carrier->count;
}

static void on_event(void *arg, const struct lane_event *event)
{
	struct carrier *carrier = arg;

	if (!carrier->lane)
		return;
	carrier->news |= 1u << event->type;
	if (event->type == LANE_PAIRED)
		carrier->pairing = *event;
	if (event->type == LANE_PAIRED || event->type == LANE_WAITING)
		carrier->paired = event->type == LANE_PAIRED;
	if (event->type == LANE_LOST || event->type == LANE_DIRECT || event->type == LANE_PAIRED)
		carrier->fallen = event->type == LANE_LOST;
	if (event->type == LANE_SILENT)
		carrier->silent = true;
	else if (event->type != LANE_LOST && event->type != LANE_NO_PATH)
		carrier->silent = false;
	carrier->shared->event(carrier, event);
}

static void carrier_arm(struct carrier *carrier);

/* The last thing that is done with it: the caller may close it. */
static void carrier_settle(struct carrier *carrier)
{
	carrier_arm(carrier);
	if (carrier->news)
		carrier->shared->settled(carrier);
}

static void on_timer(uv_timer_t *timer)
{
	struct carrier *carrier = timer->data;

	carrier->armed_ms = INT64_MAX;
	lane_tick(carrier->lane, carrier_now(carrier));
	carrier_settle(carrier);
}

/* A timer that fires too early does no harm, so it is not moved for every volley. */
static void carrier_arm(struct carrier *carrier)
{
	int64_t due = lane_deadline(carrier->lane), now = carrier_now(carrier);

	if (due >= carrier->armed_ms)
		return;
	carrier->armed_ms = due;
	uv_timer_start(&carrier->timer, on_timer, due > now ? (uint64_t)(due - now) : 0, 0);
}

/* True: it is data, and stands in the volley to be sent at `at`. */
static bool carrier_take(
	struct carrier *carrier, struct carrier_socket *socket, unsigned int i, unsigned int at)
{
	struct volley *volley = carrier->shared->volley;
	struct carrier_counters *counters = carrier->shared->counters;
	uint8_t *data = volley->data[i];
	size_t len = volley_len(volley, i), skip;
	struct endpoint from;

	if (endpoint_from_sockaddr((struct sockaddr *)&volley->from[i], &from) < 0)
		return false;
	if (!volley_is_whole(volley, i)) {
		counters->loss.oversized++;
		return false;
	}
	switch (lane_input(carrier->lane, socket->number, &from, data, len, carrier_now(carrier))) {
	case LANE_TAKEN:
		return false;
	case LANE_FOREIGN:
		counters->foreign++;
		return false;
	case LANE_DATA:
		break;
	}
	skip = lane_is_pinned(carrier->lane) ? 0 : escape_skip(data, len);
	volley_put(volley, at, data + skip, len - skip);
	return true;
}

static void carrier_inward(struct carrier *carrier, unsigned int count)
{
	struct carrier_counters *counters = carrier->shared->counters;
	struct carrier_sink *sink = &carrier->sink;
	unsigned int sent;

	if (sink->fd < 0)
		carrier->shared->wanted(carrier);
	if (sink->fd < 0) {
		counters->late += count;
		return;
	}
	if (sink->to_len > 0)
		volley_aim(carrier->shared->volley, count, &sink->to, sink->to_len);
	volley_answer(carrier->shared->volley, count, &sink->asked);
	sent = volley_send(carrier->shared->volley, sink->fd, count, &counters->loss);
	carrier->inward += sent;
	counters->inward += sent;
	counters->inward_bytes += carrier->shared->volley->sent_bytes;
}

static void on_outer(uv_poll_t *poll, int status, int events)
{
	struct carrier_socket *socket = poll->data;
	struct carrier *carrier = socket->carrier;
	unsigned int count;
	int got = VOLLEY_COUNT;

	(void)status;
	(void)events;
	for (unsigned int turn = 0; turn < VOLLEYS_MAX && got == VOLLEY_COUNT; turn++) {
		got = socket->fd < 0 ? 0 : volley_receive(carrier->shared->volley, socket->fd);
		count = 0;
		/* The lane may have closed the socket with any of them. */
		for (int i = 0; i < got && socket->fd >= 0; i++)
			count += carrier_take(carrier, socket, (unsigned int)i, count);
		if (count > 0)
			carrier_inward(carrier, count);
	}
	carrier_settle(carrier);
}

bool carrier_input(
	struct carrier *carrier, const struct endpoint *from, const uint8_t *data, size_t len)
{
	if (lane_input(carrier->lane, 0, from, data, len, carrier_now(carrier)) != LANE_TAKEN)
		return false;
	carrier_settle(carrier);
	return true;
}

bool carrier_outward(struct carrier *carrier, unsigned int count)
{
	struct volley *volley = carrier->shared->volley;
	struct carrier_counters *counters = carrier->shared->counters;
	struct sockaddr_storage to;
	struct lane_path path;
	unsigned int sent;

	if (!lane_output(carrier->lane, count, carrier_now(carrier), &path) ||
		path.socket > carrier->count)
		return false;
	volley_aim(volley, count, &to, endpoint_to_sockaddr(&path.peer, &to));
	sent = volley_send(volley, carrier->sockets[path.socket]->fd, count, &counters->loss);
	carrier->outward += sent;
	counters->outward += sent;
	counters->outward_bytes += volley->sent_bytes;
	/* What has happened meanwhile is acted on in the next turn of the loop. */
	if (carrier->news && carrier->armed_ms != 0) {
		carrier->armed_ms = 0;
		uv_timer_start(&carrier->timer, on_timer, 0, 0);
	}
	carrier_arm(carrier);
	return true;
}

uint16_t carrier_port(const struct carrier *carrier)
{
	const struct carrier_twin *twin = carrier->shared->twin;

	return twin ? twin->port : volley_port(carrier->sockets[0]->fd);
}

void carrier_set_spare(struct carrier *carrier, bool spare)
{
	if (carrier->spare == spare)
		return;
	carrier->spare = spare;
	lane_set_spare(carrier->lane, spare, carrier_now(carrier));
	carrier_arm(carrier);
}

void carrier_network(struct carrier *carrier)
{
	lane_network(carrier->lane, carrier_now(carrier));
	carrier_arm(carrier);
}

void carrier_told(struct carrier *carrier)
{
	carrier_arm(carrier);
}

void carrier_set_relayed(struct carrier *carrier, bool relayed)
{
	lane_set_relayed(carrier->lane, relayed, carrier_now(carrier));
	carrier_arm(carrier);
}

static uint64_t wall_clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int carrier_begin(struct carrier *carrier, const struct carrier_config *config)
{
	struct lane_config lane = {
		.role = config->role,
		.name = config->name,
		.key = config->key,
		.relay = config->relay,
		.sequence = wall_clock_us(),
		.shared = config->shared->twin != NULL,
		.send = on_send,
		.sockets = on_sockets,
		.event = on_event,
		.arg = carrier,
	};
	int ret = config->shared->twin ? 0 : socket_open(carrier, 0);

	if (ret < 0)
		return ret;
	if (!config->shared->twin)
		volley_grow(carrier->sockets[0]->fd);
	ret = lane_open(&lane, carrier_now(carrier), &carrier->lane);
	if (ret == 0)
		carrier_arm(carrier);
	return ret;
}

int carrier_open(const struct carrier_config *config, struct carrier **out)
{
	struct carrier *carrier = calloc(1, sizeof(*carrier));
	int ret;

	if (!carrier)
		return -ENOMEM;
	carrier->shared = config->shared;
	carrier->relay = config->relay;
	carrier->sink.fd = -1;
	carrier->armed_ms = INT64_MAX;
	carrier->opened_ms = carrier_now(carrier);
	uv_timer_init(config->shared->loop, &carrier->timer);
	carrier->timer.data = carrier;
	carrier->handles = 1;
	ret = carrier_begin(carrier, config);
	if (ret < 0)
		carrier_close(carrier);
	else
		*out = carrier;
	return ret;
}

static void timer_freed(uv_handle_t *handle)
{
	carrier_released(handle->data);
}

void carrier_close(struct carrier *carrier)
{
	struct lane *lane = carrier->lane;

	if (lane)
		lane_close(lane, carrier_now(carrier));
	carrier->lane = NULL;
	for (unsigned int i = 0; i <= carrier->count; i++) {
		if (carrier->sockets[i])
			socket_close(carrier->sockets[i]);
	}
	uv_close((uv_handle_t *)&carrier->timer, timer_freed);
}
