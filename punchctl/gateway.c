/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "punchctl/gateway.h"

#include <errno.h>
#include <stdlib.h>

#include "punchctl/gateway_job.h"

#define RENEW_MIN_MS	 10000
#define RENEW_FOREVER_MS 1200000 /* a mapping without an end is lost when the router restarts */

struct worker {
	uv_work_t work;
	struct gateway *gateway;
	struct gateway_job job;
	void (*run)(struct gateway_job *job);
	bool busy, found; /* FIND has ended */
};

struct gateway {
	struct gateway_config config;
	struct gateway_status status;
	uv_timer_t timer; /* the budget, then the renewals */
	struct worker workers[GATEWAY_PROTOCOLS];
	bool timed_out, closing, timer_closed, unmapped;
	void (*closed)(void *arg);
	void *closed_arg;
};

static void gateway_next(struct gateway *gateway);

static void on_timer_closed(uv_handle_t *handle)
{
	struct gateway *gateway = handle->data;

	gateway->timer_closed = true;
	gateway_next(gateway);
}

static void on_work(uv_work_t *work)
{
	struct worker *worker = work->data;

	worker->run(&worker->job);
}

static void on_found(struct worker *worker, enum gateway_protocol protocol)
{
	struct gateway_service *service = &worker->gateway->status.services[protocol];

	worker->found = true;
	if (worker->job.ret == -ETIMEDOUT || worker->job.ret == -ECANCELED)
		return;
	service->answered = true;
	service->pcp = worker->job.pcp;
	service->refused = worker->job.ret < 0;
	service->external = worker->job.external;
}

static void on_mapped(struct worker *worker, enum gateway_protocol protocol)
{
	struct gateway *gateway = worker->gateway;
	struct gateway_status *status = &gateway->status;
	struct endpoint before = status->external;

	if (worker->job.ret < 0) {
		status->services[protocol].refused = true;
		status->external.addr.family = 0;
	} else {
		status->external = (struct endpoint){worker->job.external, worker->job.given};
		status->by = protocol;
		status->lifetime_s = worker->job.granted_s;
		worker->job.wanted = worker->job.given;
	}
	if (status->settled && !gateway->closing && !endpoint_equal(&before, &status->external))
		gateway->config.changed(gateway->config.arg, status);
}

static void on_done(uv_work_t *work, int status)
{
	struct worker *worker = work->data;
	enum gateway_protocol protocol = (enum gateway_protocol)(worker - worker->gateway->workers);

	worker->busy = false;
	if (status < 0)
		worker->job.ret = status;
	switch (worker->job.what) {
	case GATEWAY_FIND:
		on_found(worker, protocol);
		break;
	case GATEWAY_MAP:
		on_mapped(worker, protocol);
		break;
	case GATEWAY_UNMAP:
		break;
	}
	gateway_next(worker->gateway);
}

static int worker_start(struct worker *worker, enum gateway_what what)
{
	int ret;

	worker->job.what = what;
	worker->job.ret = 0;
	ret = uv_queue_work(worker->gateway->config.loop, &worker->work, on_work, on_done);
	worker->busy = ret == 0;
	return ret;
}

static bool is_busy(const struct gateway *gateway)
{
	for (int i = 0; i < GATEWAY_PROTOCOLS; i++)
		if (gateway->workers[i].busy)
			return true;
	return false;
}

static void on_timer(uv_timer_t *timer)
{
	struct gateway *gateway = timer->data;
	struct worker *worker = &gateway->workers[gateway->status.by];

	gateway->timed_out = true;
	if (gateway->status.settled && gateway->status.external.addr.family && !worker->busy)
		worker_start(worker, GATEWAY_MAP);
	gateway_next(gateway);
}

static void renew_arm(struct gateway *gateway)
{
	uint64_t after_ms =
		gateway->status.lifetime_s ? gateway->status.lifetime_s * 500ull : RENEW_FOREVER_MS;

	if (gateway->status.external.addr.family && !uv_is_active((uv_handle_t *)&gateway->timer))
		uv_timer_start(&gateway->timer, on_timer,
			after_ms < RENEW_MIN_MS ? RENEW_MIN_MS : after_ms, 0);
}

static bool can_map(const struct gateway *gateway, enum gateway_protocol protocol)
{
	const struct gateway_service *service = &gateway->status.services[protocol];

	return service->answered && !service->refused && !gateway->workers[protocol].busy;
}

/* A router that still thinks when its time is over is taken for one that does not know. */
static bool is_out_of_question(const struct gateway *gateway, enum gateway_protocol protocol)
{
	return gateway->workers[protocol].found || gateway->timed_out;
}

/* NAT-PMP first, as it is one datagram and gives leases; UPnP if that is not there or refuses. */
static bool mapping_start(struct gateway *gateway)
{
	for (int i = 0; i < GATEWAY_PROTOCOLS; i++) {
		if (can_map(gateway, i))
			return worker_start(&gateway->workers[i], GATEWAY_MAP) == 0;
		if (gateway->workers[i].busy && !is_out_of_question(gateway, i))
			return true;
		if (gateway->workers[i].busy && gateway->workers[i].job.what == GATEWAY_MAP)
			return true;
	}
	return false;
}

static void settle(struct gateway *gateway)
{
	bool waits = false;

	if (gateway->status.settled)
		return;
	if (!gateway->status.external.addr.family)
		waits = mapping_start(gateway);
	for (int i = 0; i < GATEWAY_PROTOCOLS; i++)
		waits = waits || !is_out_of_question(gateway, i);
	if (waits)
		return;
	gateway->status.settled = true;
	uv_timer_stop(&gateway->timer);
	gateway->config.changed(gateway->config.arg, &gateway->status);
}

/* A worker can not be interrupted, so the end waits for it. */
static void finish(struct gateway *gateway)
{
	bool mapped = gateway->status.external.addr.family != 0;

	if (is_busy(gateway))
		return;
	if (mapped && !gateway->unmapped) {
		gateway->unmapped = true;
		if (worker_start(&gateway->workers[gateway->status.by], GATEWAY_UNMAP) == 0)
			return;
	}
	if (!gateway->timer_closed) {
		if (!uv_is_closing((uv_handle_t *)&gateway->timer))
			uv_close((uv_handle_t *)&gateway->timer, on_timer_closed);
		return;
	}
	gateway_upnp_free(gateway->workers[GATEWAY_UPNP].job.igd);
	gateway->closed(gateway->closed_arg);
	free(gateway);
}

/* What follows from what is known; every callback ends here. */
static void gateway_next(struct gateway *gateway)
{
	if (gateway->closing) {
		finish(gateway);
		return;
	}
	settle(gateway);
	if (gateway->status.settled && !gateway->closing)
		renew_arm(gateway);
}

int gateway_open(const struct gateway_config *config, struct gateway **out)
{
	struct gateway *gateway;

	*out = NULL;
	if (config->local.family != AF_INET)
		return -EAFNOSUPPORT;
	gateway = calloc(1, sizeof(*gateway));
	if (!gateway)
		return -ENOMEM;
	gateway->config = *config;
	uv_timer_init(config->loop, &gateway->timer);
	gateway->timer.data = gateway;
	uv_timer_start(&gateway->timer, on_timer, GATEWAY_BUDGET_MS, 0);
	for (int i = 0; i < GATEWAY_PROTOCOLS; i++) {
		struct worker *worker = &gateway->workers[i];

		worker->gateway = gateway;
		worker->work.data = worker;
		worker->run = i == GATEWAY_NATPMP ? gateway_natpmp_run : gateway_upnp_run;
		worker->job.local = config->local;
		worker->job.port = worker->job.wanted = config->port;
		worker->job.lifetime_s =
			config->lifetime_s ? config->lifetime_s : GATEWAY_LIFETIME_S;
		if (worker_start(worker, GATEWAY_FIND) < 0)
			worker->found = true;
	}
	*out = gateway;
	return 0;
}

void gateway_close(struct gateway *gateway, void (*closed)(void *arg), void *arg)
{
	gateway->closing = true;
	gateway->closed = closed;
	gateway->closed_arg = arg;
	for (int i = 0; i < GATEWAY_PROTOCOLS; i++)
		if (gateway->workers[i].busy)
			uv_cancel((uv_req_t *)&gateway->workers[i].work);
	finish(gateway);
}

const struct gateway_status *gateway_status(const struct gateway *gateway)
{
	return &gateway->status;
}

bool gateway_is_outermost(const struct endpoint *external, const struct endpoint *mapped)
{
	return external->addr.family != 0 && addr_equal(&external->addr, &mapped->addr);
}

const char *gateway_protocol_text(enum gateway_protocol protocol)
{
	return protocol == GATEWAY_NATPMP ? "NAT-PMP" : "UPnP IGD";
}
