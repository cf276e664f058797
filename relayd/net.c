/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/net.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/notify.h"
#include "relayd/adopt.h"
#include "relayd/drain.h"
#include "relayd/loop.h"
#include "relayd/net_broker.h"
#include "relayd/net_clock.h"
#include "relayd/net_discover.h"
#include "relayd/net_event.h"
#include "relayd/net_trouble.h"
#include "relayd/quota.h"
#include "relayd/sampler.h"
#include "relayd/sender.h"

#define SECOND_MS 1000

int64_t net_now(const struct net *net)
{
	return (int64_t)uv_now(&net->loop);
}

static int send_message(void *data, const uint8_t *message, size_t len)
{
	struct net *net = data;

	/* Blocking: the kernel side always reads, and there is one request at a time. */
	if (send(net->setup->kernel_fd, message, len, MSG_NOSIGNAL) == (ssize_t)len)
		return 0;
	log_error("the kernel side is gone: %s", strerror(errno));
	uv_stop(&net->loop);
	return -EPIPE;
}

static void send_probe(void *data, const struct slot *slot)
{
	struct net *net = data;
	uint8_t probe[STUN_HEADER];

	udp_send(&net->udp, &slot->want.punch, &slot->want.client, probe, loop_probe(slot, probe));
}

static bool own_address(void *data, const struct addr *addr)
{
	const struct net *net = data;

	return config_is_local(net->config, addr);
}

static void kernel_event(struct net *net, const struct rules_event *event)
{
	sender_event(&net->table, event, net_now(net));
}

static void kernel_readable(uv_poll_t *poll, int status, int events)
{
	struct net *net = poll->data;
	const struct ipc_room room = {.records = net->records,
		.room = IPC_RECORDS_MAX,
		.facts = net->facts,
		.fact_room = IPC_FACTS_MAX};
	struct ipc message;
	ssize_t len;

	(void)events;
	while (status >= 0) {
		len = recv(net->setup->kernel_fd, net->message, sizeof net->message, MSG_DONTWAIT);
		if (len < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (len <= 0)
			break;
		if (ipc_decode(net->message, (size_t)len, &room, &message)) {
			log_error("a message of the kernel side that makes no sense");
			continue;
		}
		if (message.kind == IPC_EVENT)
			kernel_event(net, &message.event);
		else if (message.kind == IPC_CHANGED)
			restore_changed(net, &message.change, message.since_ms);
		else if (!ask_message(&net->asker, &message, net->facts))
			sync_message(&net->sync, &message, net->records);
	}
	uv_stop(&net->loop);
}

/* Once per turn of the loop, before it sleeps. */
static void turn(uv_prepare_t *prepare)
{
	struct net *net = prepare->data;

	net->sync.now_ms = net_now(net);
	sync_turn(&net->sync);
	net_broker_turn(net);
}

static void remove_expired(struct net *net)
{
	struct stream *stream, *next;
	char why[SPEC_WHY];
	int64_t now = net_clock(net);

	/* They stay until the database can be written; that is told already. */
	for (stream = LIST_FIRST(&net->table.streams);
		stream && !net->troubles.list[TROUBLE_DISK].now; stream = next) {
		next = LIST_NEXT(stream, link);
		if (!stream->gone && stream->expires && stream->expires <= now)
			net_remove(net, stream->spec.name, why);
	}
}

static void tell_partner(struct net *net, int64_t now_ms)
{
	uint8_t data[BEHAVIOUR_ANSWER_MAX];
	struct behaviour_answer answer = {.data = data};
	bool alive = partner_is_alive(&net->punch.behaviour.partner, now_ms);

	if (alive != net->partner_alive)
		log_info("partner %s", alive ? "answers" : "is silent");
	net->partner_alive = alive;
	behaviour_tick(&net->punch.behaviour, now_ms, &answer);
	if (answer.len)
		udp_send(&net->udp, &answer.from, &answer.to, answer.data, answer.len);
}

static void every_second(uv_timer_t *timer)
{
	struct net *net = timer->data;
	int64_t now = net_now(net);

	net_trouble_tick(net);
	slot_expire(&net->table, now);
	sender_tick(&net->table, now);
	remove_expired(net);
	quota_renew(&net->table, net_clock(net));
	tell_partner(net, now);
	net_discover_tick(net);
	restore_tick(net);
	sampler_tick(net);
	net_event_tick(net);
}

static void on_hangup(uv_signal_t *signal, int number)
{
	struct net *net = signal->data;
	struct net_changes changes;
	char why[CONFIG_ERROR];

	(void)number;
	notify_reloading();
	if (net_reload(net, &changes, why))
		log_error("%s%s", why,
			changes.added + changes.changed + changes.removed
				? ""
				: "; nothing was changed");
	notify_ready();
}

static void on_terminate(uv_signal_t *signal, int number)
{
	struct net *net = signal->data;

	(void)number;
	uv_stop(&net->loop);
}

static int start_handles(struct net *net)
{
	uv_poll_init(&net->loop, &net->kernel, net->setup->kernel_fd);
	uv_prepare_init(&net->loop, &net->turn);
	uv_timer_init(&net->loop, &net->second);
	uv_signal_init(&net->loop, &net->hangup);
	uv_signal_init(&net->loop, &net->terminate);
	net->kernel.data = net->turn.data = net->second.data = net->hangup.data =
		net->terminate.data = net;
	uv_poll_start(&net->kernel, UV_READABLE | UV_DISCONNECT, kernel_readable);
	uv_prepare_start(&net->turn, turn);
	uv_timer_start(&net->second, every_second, SECOND_MS, SECOND_MS);
	uv_signal_start(&net->hangup, on_hangup, SIGHUP);
	watchdog_start(&net->watchdog, &net->loop, &net->asker, net->setup->watchdog_ms);
	return uv_signal_start(&net->terminate, on_terminate, SIGTERM);
}

static int start_punch(struct net *net)
{
	struct timespec wall;

	punch_init(&net->punch, &net->table, net->config->realm, net_now(net));
	net->punch.own = own_address;
	net->punch.own_data = net;
	net->punch.broker = net->broker;
	net->punch.share_low = net->config->share_low;
	net->punch.share_high = net->config->share_high;
	clock_gettime(CLOCK_REALTIME, &wall);
	behaviour_configure(&net->punch.behaviour, net->config,
		(uint64_t)wall.tv_sec * 1000000 + (uint64_t)wall.tv_nsec / 1000);
	for (size_t i = 0; i < net->setup->punch_count; i++) {
		const struct endpoint *local = &net->setup->punch_at[i];
		int err = udp_add(&net->udp, net->setup->punch_fds[i], local);

		if (err)
			return err;
	}
	return 0;
}

static void doubt(void *data)
{
	restore_doubt(data);
}

/* Everything is as the configuration and the registry say, and the kernel has agreed. */
static void ready(void *data, int error, const struct sync_snapshot *snapshot)
{
	struct net *net = data;

	(void)snapshot;
	if (error) {
		log_error("the kernel's state cannot be read: %s", strerror(-error));
		uv_stop(&net->loop);
		return;
	}
	net->table.event = net_event_of_table;
	net->table.probe = send_probe;
	net->table.event_data = net;
	if (control_open(net, net->setup->control_fd, &net->control)) {
		log_error("the control socket cannot be served");
		uv_stop(&net->loop);
		return;
	}
	log_info("ready: %zu streams, %zu clients", net->table.count, net->table.holes);
	/* Not the main process speaks: the unit needs NotifyAccess=all. */
	notify_ready();
	net_discover_open(net);
}

/* What an earlier net side, or an earlier relayd, has left in the kernel is taken over. */
static void part_adopted(void *data, const struct sync_snapshot *part)
{
	struct net *net = data;

	adopt_part(net, net->restore.compare, part);
}

static void adopted(void *data, int error, const struct sync_snapshot *snapshot)
{
	struct net *net = data;
	struct compare_count count = {0};

	(void)snapshot;
	if (!error)
		error = adopt_finish(net, net->restore.compare, &count);
	if (!error)
		error = start_punch(net);
	if (!error && !net->setup->made)
		log_info("adopted %zu clients; %zu parts were missing, %zu are removed",
			net->table.holes, count.missing, count.orphans);
	restore_end(net);
	if (error || sync_settle(&net->sync, ready, net)) {
		log_error("cannot start: %s", strerror(-error));
		uv_stop(&net->loop);
	}
}

static int start(struct net *net)
{
	bool families[STREAM_FAMILIES] = {false, false};
	char why[CONFIG_ERROR];
	int err;

	if (net->setup->again)
		net_read_again(net);
	for (size_t i = 0; i < net->config->address_count; i++)
		families[net->config->addresses[i].family == AF_INET6] = true;
	err = stream_table_init(&net->table, families, net->config->consent * 1000);
	if (!err)
		err = sync_init(&net->sync, &net->table, net->config);
	if (!err)
		err = udp_open(&net->udp, &net->loop, &net->punch, &net->sync, net->config);
	if (!err)
		err = net_broker_open(net);
	if (err) {
		log_error("cannot start: %s", strerror(-err));
		return err;
	}
	net->sync.doubt = doubt;
	ask_init(&net->asker);
	net->asker.send = send_message;
	net->asker.send_data = net;
	net_trouble_open(net);
	net_clock(net);
	net->sync.failed = net_trouble_refused;
	net->sync.failed_data = net;
	net->sync.send = send_message;
	net->sync.send_data = net;
	net->sync.sample = sampler_take;
	net->sync.sample_data = net;
	net->table.holes_max = net->config->max_clients;
	err = registry_open(net->config->database, &net->registry, why);
	if (!err)
		err = net_load(net, why);
	if (!err)
		drain_open(net);
	if (err) {
		log_error("%s", why);
		return err;
	}
	err = start_handles(net);
	if (err)
		return err;
	adopt_begin(net);
	return restore_begin(net, part_adopted, adopted);
}

static void close_handle(uv_handle_t *handle, void *data)
{
	(void)data;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void stop(struct net *net)
{
	if (net->control)
		control_close(net->control);
	if (net->udp.loop)
		udp_close(&net->udp);
	uv_walk(&net->loop, close_handle, NULL);
	uv_run(&net->loop, UV_RUN_DEFAULT);
	uv_loop_close(&net->loop);
	registry_close(net->registry);
	restore_close(net);
	sync_fini(&net->sync);
	ask_fini(&net->asker);
	net_broker_close(net);
	stream_table_fini(&net->table);
}

int net_run(const struct net_setup *setup)
{
	struct net *net = calloc(1, sizeof *net);
	int err = net ? uv_loop_init(&net->loop) : -ENOMEM;

	if (err) {
		log_error("cannot start the net side: %s", strerror(-err));
		return EXIT_FAILURE;
	}
	net->setup = setup;
	net->config = setup->config;
	net->started_ms = net_now(net);
	err = start(net);
	if (!err)
		uv_run(&net->loop, UV_RUN_DEFAULT);
	stop(net);
	free(net);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
