/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/lookup.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <uv.h>

#include "common/log.h"
#include "common/notify.h"
#include "punchctl/progress.h"
#include "punchctl/resolver.h"
#include "punchctl/signals.h"

#define AGAIN_MS 5000

struct lookup {
	const struct lookup_config *config;
	struct target *target;
	uv_loop_t loop;
	uv_timer_t again;
	uv_signal_t sigint, sigterm, sighup;
	struct resolver *resolver; /* NULL: not at work */
	bool terminal;		   /* it was started at one */
	bool waiting;		   /* that it waits has been told */
	int ret;
};

static void lookup_end(struct lookup *run, int ret)
{
	run->ret = ret;
	uv_stop(&run->loop);
}

static void on_found(void *arg, int error, const struct addrinfo *found);

static void lookup_ask(struct lookup *run)
{
	int ret;

	if (run->resolver)
		return;
	ret = resolver_open(&run->loop, run->target->host, on_found, run, &run->resolver);
	if (ret == 0)
		return;
	log_error("%s: %s", run->target->host, strerror(-ret));
	lookup_end(run, ret);
}

static void on_again(uv_timer_t *timer)
{
	lookup_ask(timer->data);
}

/* To systemd it has started: what it waits for is not this host's. */
static void lookup_wait(struct lookup *run, const char *why)
{
	if (!run->waiting) {
		log_warning("%s: %s; still trying", run->target->host, why);
		notify_ready();
	}
	run->waiting = true;
	uv_timer_start(&run->again, on_again, AGAIN_MS, 0);
}

static void on_found(void *arg, int error, const struct addrinfo *found)
{
	struct lookup *run = arg;

	resolver_close(run->resolver);
	run->resolver = NULL;
	if (error == EAI_AGAIN && run->config->patient) {
		lookup_wait(run, gai_strerror(error));
	} else if (error || target_take(run->target, found) == 0) {
		log_error("%s: %s", run->target->host,
			error ? gai_strerror(error) : "no address of a family that is known here");
		lookup_end(run, -ENOENT);
	} else {
		lookup_end(run, 0);
	}
}

static void on_signal(uv_signal_t *handle, int signum)
{
	(void)signum;
	lookup_end(handle->data, -EINTR);
}

/* The terminal has been closed, or a reload asks for another try. */
static void on_hangup(uv_signal_t *handle, int signum)
{
	struct lookup *run = handle->data;

	(void)signum;
	if (run->terminal && !signals_terminal())
		lookup_end(run, -EINTR);
	else
		lookup_ask(run);
}

static void lookup_run(struct lookup *run)
{
	uv_timer_init(&run->loop, &run->again);
	run->again.data = run;
	signals_watch(&run->loop, &run->sigint, on_signal, SIGINT, run);
	signals_watch(&run->loop, &run->sigterm, on_signal, SIGTERM, run);
	signals_watch(&run->loop, &run->sighup, on_hangup, SIGHUP, run);
	lookup_ask(run);
	uv_run(&run->loop, UV_RUN_DEFAULT);
	resolver_close(run->resolver);
	uv_close((uv_handle_t *)&run->again, NULL);
	uv_close((uv_handle_t *)&run->sigint, NULL);
	uv_close((uv_handle_t *)&run->sigterm, NULL);
	uv_close((uv_handle_t *)&run->sighup, NULL);
	uv_run(&run->loop, UV_RUN_DEFAULT);
	uv_loop_close(&run->loop);
}

int lookup(const struct lookup_config *config, struct target *target)
{
	struct lookup run = {.config = config, .target = target, .terminal = signals_terminal()};
	char words[sizeof(target->host) + sizeof("looking up ")];
	struct progress progress = {0};
	int ret;

	if (target_take_address(target))
		return 0;
	ret = uv_loop_init(&run.loop);
	if (ret < 0) {
		log_error("%s: %s", target->host, strerror(-ret));
		return ret;
	}
	snprintf(words, sizeof(words), "looking up %s", target->host);
	progress_begin(&progress, config->plain);
	progress_show(&progress, words);
	lookup_run(&run);
	progress_end(&progress);
	return run.ret;
}
