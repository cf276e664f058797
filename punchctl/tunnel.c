/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/tunnel_state.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/log.h"
#include "common/mac.h"
#include "common/notify.h"
#include "punchctl/signals.h"

#define MINUTE_MS 1000 /* between looks at what is idle */
#define LOOK_MS	  3000 /* between looks at the host's addresses */
#define FILES_MAX 16384

int64_t tunnel_now(const struct tunnel *tunnel)
{
	return (int64_t)uv_now(&tunnel->loop);
}

struct tell tunnel_tell(const struct tunnel *tunnel, const struct carrier *carrier)
{
	const struct session *session = carrier ? carrier->owner : NULL;

	return (struct tell){
		.report = &tunnel->report,
		.role = tunnel->config->role,
		.session = session ? session->number : 0,
		.relay = carrier ? carrier->relay : (struct endpoint){{0}, 0},
	};
}

void tunnel_end(struct tunnel *tunnel, int ret)
{
	if (tunnel->ending)
		return;
	tunnel->ending = true;
	tunnel->ret = ret;
	/* What it still has to say may yet go through. */
	if (tunnel->player.running)
		player_stop(&tunnel->player);
	else
		uv_stop(&tunnel->loop);
}

static void on_player_end(struct player *player, int64_t status, int signum)
{
	struct tunnel *tunnel = player->data;

	if (!tunnel->ending) {
		report_player(&tunnel->report, status, signum);
		tunnel->ret = status == 0 && signum == 0 ? 0 : -ECANCELED;
		tunnel->ending = true;
	}
	uv_stop(&tunnel->loop);
}

void tunnel_ready(struct tunnel *tunnel, const struct carrier *carrier)
{
	struct player_config config = {
		.words = tunnel->config->player,
		.quiet = tunnel->config->json,
	};
	struct tell tell = tunnel_tell(tunnel, carrier);
	int ret;

	if (tunnel->ready)
		return;
	tunnel->ready = true;
	tell_ready(&tell);
	if (!config.words || tunnel->player.data)
		return;
	progress_share(&tunnel->progress);
	tunnel->player.data = tunnel;
	tunnel->player.ended = on_player_end;
	ret = player_start(&tunnel->player, &tunnel->loop, &config);
	if (ret == 0)
		return;
	log_error("%s: %s", config.words[0], strerror(-ret));
	tunnel_end(tunnel, -ECANCELED);
}

void tunnel_fill(struct tunnel *tunnel)
{
	int64_t now = tunnel_now(tunnel);

	if (tunnel->ending)
		return;
	if (tunnel->retry_ms > now)
		return;
	tunnel->retry_ms = 0;
	if (tunnel->config->role == PEER_SERVICE)
		tunnel_serve_fill(tunnel);
	else
		tunnel_connect_fill(tunnel);
}

static void on_minute(uv_timer_t *timer)
{
	struct tunnel *tunnel = timer->data;
	struct session *session, *next;
	int64_t now = tunnel_now(tunnel);

	for (session = TAILQ_FIRST(&tunnel->sessions); session; session = next) {
		next = TAILQ_NEXT(session, entry);
		/* Of what does not pass us its client knows when it is idle. */
		if (!tunnel->config->share &&
			now - tunnel_session_used_ms(session) >= tunnel->config->idle_ms)
			tunnel_session_close(session, "idle");
	}
	if (tunnel->config->role == PEER_CLIENT)
		tunnel_tell_waiting(tunnel);
	if (now - tunnel->looked_ms >= LOOK_MS)
		tunnel_net_look(tunnel);
	if (tunnel->config->role == PEER_SERVICE)
		tunnel_serve_calm(tunnel);
	tunnel_resolve_look(tunnel);
	tunnel_fill(tunnel);
	tunnel_gateway_fill(tunnel);
	status_rate_look(&tunnel->in, tunnel->counters.inward_bytes, now);
	status_rate_look(&tunnel->out, tunnel->counters.outward_bytes, now);
	tunnel_show(tunnel);
}

static void on_signal(uv_signal_t *handle, int signum)
{
	(void)signum;
	tunnel_end(handle->data, 0);
}

/* The terminal that it was started at has been closed, or it is asked to read the key again. */
static void on_hangup(uv_signal_t *handle, int signum)
{
	struct tunnel *tunnel = handle->data;

	(void)signum;
	if (tunnel->terminal && !signals_terminal())
		tunnel_end(tunnel, 0);
	else
		tunnel_reread_key(tunnel);
}

/* SIGUSR1: by the relay only; SIGUSR2: direct paths again. */
static void on_user(uv_signal_t *handle, int signum)
{
	struct tunnel *tunnel = handle->data;
	struct tell tell = tunnel_tell(tunnel, NULL);
	struct carrier *carrier;

	if (tunnel->relayed == (signum == SIGUSR1))
		return;
	tunnel->relayed = signum == SIGUSR1;
	tell_relayed(&tell, tunnel->relayed);
	TAILQ_FOREACH(carrier, &tunnel->carriers, entry)
		carrier_set_relayed(carrier, tunnel->relayed);
	tunnel_gateway_reset(tunnel);
	tunnel_gateway_fill(tunnel);
}

/* A search may want many sockets at once. */
static void limit_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_cur >= FILES_MAX)
		return;
	limit.rlim_cur = limit.rlim_max < FILES_MAX ? limit.rlim_max : FILES_MAX;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* One for each family, with its first address. */
static void routes_init(struct tunnel *tunnel)
{
	const struct target *target = tunnel->config->target;

	for (unsigned int i = 0; i < target->count; i++) {
		uint8_t family = target->relays[i].addr.family;

		if (tunnel->route_count == TUNNEL_ROUTES ||
			(tunnel->route_count > 0 && tunnel->routes[0].family == family))
			continue;
		tunnel->routes[tunnel->route_count++] =
			(struct tunnel_route){.tunnel = tunnel, .family = family, .index = i};
	}
}

static void tunnel_init(struct tunnel *tunnel, const struct tunnel_config *config)
{
	tunnel->config = config;
	tunnel->relayed = config->relayed;
	tunnel->terminal = signals_terminal();
	tunnel->listener = tunnel->best = -1;
	snprintf(tunnel->key, sizeof(tunnel->key), "%s", config->key);
	tunnel->report = (struct report){
		.json = config->json,
		.stream = config->target->name,
		.key_file = config->key_file,
		.child = "program",
	};
	TAILQ_INIT(&tunnel->carriers);
	TAILQ_INIT(&tunnel->sessions);
	TAILQ_INIT(&tunnel->mappings);
	mac_random(&tunnel->sources.seed, sizeof(tunnel->sources.seed));
	routes_init(tunnel);
	tunnel->twin = (struct carrier_twin){.fd = -1, .port = config->local.port};
	if (config->share)
		tunnel->route_count = 1; /* one socket, one family */
	tunnel_carrier_init(tunnel);
	uv_timer_init(&tunnel->loop, &tunnel->minute);
	uv_timer_init(&tunnel->loop, &tunnel->retry);
	tunnel->minute.data = tunnel->retry.data = tunnel;
	uv_timer_start(&tunnel->minute, on_minute, MINUTE_MS, MINUTE_MS);
	signals_watch(&tunnel->loop, &tunnel->sigint, on_signal, SIGINT, tunnel);
	signals_watch(&tunnel->loop, &tunnel->sigterm, on_signal, SIGTERM, tunnel);
	signals_watch(&tunnel->loop, &tunnel->sighup, on_hangup, SIGHUP, tunnel);
	signals_watch(&tunnel->loop, &tunnel->sigusr1, on_user, SIGUSR1, tunnel);
	signals_watch(&tunnel->loop, &tunnel->sigusr2, on_user, SIGUSR2, tunnel);
}

int tunnel_open(const struct tunnel_config *config, struct tunnel **out)
{
	struct tunnel *tunnel = calloc(1, sizeof(*tunnel));
	int ret;

	if (!tunnel)
		return -ENOMEM;
	limit_raise();
	ret = uv_loop_init(&tunnel->loop);
	if (ret < 0) {
		free(tunnel);
		return ret;
	}
	tunnel_init(tunnel, config);
	if (config->role == PEER_CLIENT)
		ret = tunnel_connect_open(tunnel);
	else if (config->share)
		ret = tunnel_share_open(tunnel);
	if (ret < 0)
		tunnel_close(tunnel);
	else
		*out = tunnel;
	return ret;
}

int tunnel_run(struct tunnel *tunnel)
{
	const struct tunnel_config *config = tunnel->config;
	struct tell tell = tunnel_tell(tunnel, NULL);
	struct session *session;

	tell_start(&tell, &config->local, config->target->relays, config->target->count);
	tunnel_net_look(tunnel);
	tunnel_fill(tunnel);
	notify_ready();
	progress_begin(&tunnel->progress, config->plain || config->json);
	tunnel_show(tunnel);
	uv_run(&tunnel->loop, UV_RUN_DEFAULT);
	progress_end(&tunnel->progress);
	while ((session = TAILQ_FIRST(&tunnel->sessions)))
		tunnel_session_close(session, "end");
	tell_end(&tell, &tunnel->counters);
	return tunnel->ret;
}

void tunnel_close(struct tunnel *tunnel)
{
	struct carrier *carrier;

	tunnel->ending = true;
	while ((carrier = TAILQ_FIRST(&tunnel->carriers)))
		tunnel_carrier_close(tunnel, carrier);
	tunnel_net_fini(tunnel);
	tunnel_resolve_fini(tunnel);
	tunnel_connect_close(tunnel);
	tunnel_share_close(tunnel);
	uv_close((uv_handle_t *)&tunnel->minute, NULL);
	uv_close((uv_handle_t *)&tunnel->retry, NULL);
	uv_close((uv_handle_t *)&tunnel->sigint, NULL);
	uv_close((uv_handle_t *)&tunnel->sigterm, NULL);
	uv_close((uv_handle_t *)&tunnel->sighup, NULL);
	uv_close((uv_handle_t *)&tunnel->sigusr1, NULL);
	uv_close((uv_handle_t *)&tunnel->sigusr2, NULL);
	uv_run(&tunnel->loop, UV_RUN_DEFAULT);
	uv_loop_close(&tunnel->loop);
	mac_wipe(tunnel->key, sizeof(tunnel->key));
	free(tunnel);
}
