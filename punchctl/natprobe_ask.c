/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/natprobe_ask.h"

#include <errno.h>
#include <string.h>

#include "common/mac.h"
#include "punchctl/natprobe_tests.h"

#define PATIENT_MS  200 /* more with each try, while the round trip is not known */
#define RTO_MIN_MS  120
#define RTO_MAX_MS  600
#define FINGERPRINT 8  /* bytes, with the header */
#define RTO_ADD_MS  60 /* for jitter and for what the hosts take */

int probe_socket_open(struct natprobe *probe)
{
	for (int i = 0; i < NATPROBE_SOCKETS; i++) {
		struct ask_socket *socket = &probe->sockets[i];

		if (socket->open)
			continue;
		socket->number = probe->config.open(probe->config.arg, &socket->port);
		if (socket->number < 0)
			return socket->number;
		socket->open = true;
		return i;
	}
	return -EMFILE;
}

void probe_socket_close(struct natprobe *probe, int socket)
{
	if (socket < 0 || !probe->sockets[socket].open)
		return;
	probe->config.close(probe->config.arg, probe->sockets[socket].number);
	probe->sockets[socket].open = false;
}

static void send_datagram(struct natprobe *probe, int socket, const struct endpoint *to,
	uint8_t ttl, const struct buf *buf)
{
	/* What cannot be sent is as good as lost, which the repetitions are for. */
	if (buf->at > 0 && probe->sockets[socket].open)
		probe->config.send(probe->config.arg, probe->sockets[socket].number, to, ttl,
			buf->data, buf->at);
}

void probe_indicate(struct natprobe *probe, int socket, const struct endpoint *to, uint8_t ttl,
	const uint8_t *tid)
{
	uint8_t data[STUN_HEADER + 8], any[STUN_TID];
	struct buf buf;

	if (!tid)
		mac_random(any, sizeof(any));
	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, STUN_INDICATION, tid ? tid : any);
	stun_put_fingerprint(&buf);
	stun_end(&buf);
	send_datagram(probe, socket, to, ttl, &buf);
}

static void put_padding(struct buf *buf)
{
	static const uint8_t padding[ASK_PADDED] = {'P', 'N', 'C', 'H'};

	stun_put(buf, STUN_PUNCH_PADDING, padding, ASK_PADDED - FINGERPRINT - buf->at - 4);
}

static void ask_send(struct natprobe *probe, struct ask *ask, int64_t now_ms)
{
	uint8_t data[ASK_PADDED + 32], port[4];
	struct buf buf;

	if (ask->opener_ttl)
		probe_indicate(probe, ask->socket, &ask->opener, ask->opener_ttl, NULL);
	buf_init(&buf, data, sizeof(data));
	stun_begin(&buf, STUN_REQUEST, ask->tid);
	if (ask->change)
		stun_put_u32(&buf, STUN_CHANGE_REQUEST, ask->change);
	if (ask->response_port) {
		port[0] = (uint8_t)(ask->response_port >> 8);
		port[1] = (uint8_t)ask->response_port;
		port[2] = port[3] = 0;
		stun_put(&buf, STUN_RESPONSE_PORT, port, sizeof(port));
	}
	put_padding(&buf);
	stun_put_fingerprint(&buf);
	stun_end(&buf);
	ask->tries++;
	ask->last_ms = now_ms;
	send_datagram(probe, ask->socket, &ask->to, ask->ttl, &buf);
}

void ask_start(struct natprobe *probe, struct ask *ask, int64_t now_ms)
{
	ask->started = true;
	ask->first_ms = now_ms;
	if (ask->limit == 0)
		ask->limit = ASK_TRIES;
	mac_random(ask->tid, sizeof(ask->tid));
	ask_send(probe, ask, now_ms);
}

void ask_start_fresh(struct natprobe *probe, struct ask *ask, int64_t now_ms)
{
	ask->to = probe->config.relay;
	ask->socket = ask->ear = probe_socket_open(probe);
	if (ask->socket >= 0) {
		ask_start(probe, ask, now_ms);
		return;
	}
	ask->started = ask->done = true;
}

int64_t ask_deadline(const struct natprobe *probe, const struct ask *ask)
{
	if (!ask->started || ask->done)
		return INT64_MAX;
	return ask->last_ms + (ask->patient ? PATIENT_MS * ask->tries : probe->rto_ms);
}

void ask_tick(struct natprobe *probe, struct ask *ask, int64_t now_ms)
{
	if (now_ms < ask_deadline(probe, ask))
		return;
	if (ask->tries >= ask->limit)
		ask->done = true;
	else
		ask_send(probe, ask, now_ms);
}

/* The shortest counts; of a question that was repeated, the time since the first is the longest. */
static void rtt_learn(struct natprobe *probe, int64_t rtt_ms)
{
	uint32_t rtt = rtt_ms < 1 ? 1 : rtt_ms > 60000 ? 60000 : (uint32_t)rtt_ms;
	uint32_t *known = &probe->result.rtt_ms;

	if (*known == 0 || rtt < *known)
		*known = rtt;
	probe->rto_ms = 2 * *known + RTO_ADD_MS;
	if (probe->rto_ms < RTO_MIN_MS)
		probe->rto_ms = RTO_MIN_MS;
	if (probe->rto_ms > RTO_MAX_MS)
		probe->rto_ms = RTO_MAX_MS;
}

bool ask_input(struct natprobe *probe, struct ask *ask, int socket, const struct endpoint *from,
	const struct stun *stun, int64_t now_ms)
{
	if (!ask->started || ask->done || ask->ear != socket ||
		(stun->type != STUN_SUCCESS && stun->type != STUN_ERROR) ||
		memcmp(ask->tid, stun->tid, STUN_TID) != 0)
		return false;
	if (stun->type == STUN_SUCCESS && stun->mapped.addr.family == 0)
		return false;
	ask->done = ask->answered = true;
	ask->error = stun->type == STUN_ERROR ? stun->error : 0;
	ask->from = *from;
	ask->mapped = stun->mapped;
	ask->other = stun->other;
	ask->alternate = stun->alternate;
	if (ask->tries == 1 || probe->result.rtt_ms == 0)
		rtt_learn(probe, now_ms - ask->first_ms);
	return true;
}

bool ask_succeeded(const struct ask *ask)
{
	return ask->answered && ask->error == 0 && ask->mapped.addr.family != 0;
}
