/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/net_broker.h"

#include "relayd/net_event.h"

static int apply(void *arg, const struct rules_op *ops, size_t count,
	void (*done)(void *data, int error), void *data)
{
	struct net *net = arg;
	int err = sync_batch(&net->sync, ops, count, done, data);

	/* What was to be removed may stay: a comparison finds it. */
	if (err)
		restore_doubt(net);
	return err;
}

static void push(void *arg, const struct hole *hole, const void *data, size_t len)
{
	struct net *net = arg;

	udp_send(&net->udp, &hole->punch, &hole->client, data, len);
}

/* Where peers sample their NATs a second time: at the second port of the same address. */
static struct endpoint alternate(void *arg, const struct endpoint *punch)
{
	const struct net *net = arg;
	struct endpoint none = {.port = 0};

	if (!net->config->alternate)
		return none;
	return (struct endpoint){config_public(net->config, &punch->addr), net->config->alternate};
}

static bool own(void *arg, const struct addr *addr)
{
	const struct net *net = arg;

	return config_is_own(net->config, addr);
}

static void event(void *arg, const char *what, const struct stream *stream,
	const struct endpoint *client, const char *text)
{
	const struct control_event out = {
		.event = what, .name = stream->spec.name, .client = client, .text = text};

	net_event_tell(arg, &out, 0);
}

static void due(uv_timer_t *timer)
{
	struct net *net = timer->data;

	broker_tick(net->broker, net_now(net));
}

int net_broker_open(struct net *net)
{
	const struct broker_config config = {
		.table = &net->table,
		.consent_ms = net->table.consent_ms,
		.arg = net,
		.apply = apply,
		.send = push,
		.alternate = alternate,
		.share_low = net->config->share_low,
		.share_high = net->config->share_high,
		.own = own,
		.event = event,
	};

	uv_timer_init(&net->loop, &net->broker_timer);
	net->broker_timer.data = net;
	return broker_open(&config, &net->broker);
}

void net_broker_close(struct net *net)
{
	if (net->broker)
		broker_close(net->broker);
	net->broker = NULL;
}

void net_broker_turn(struct net *net)
{
	int64_t due_ms = broker_deadline(net->broker), now_ms = net_now(net);

	if (due_ms == INT64_MAX)
		uv_timer_stop(&net->broker_timer);
	else
		uv_timer_start(&net->broker_timer, due,
			due_ms > now_ms ? (uint64_t)(due_ms - now_ms) : 0, 0);
}
