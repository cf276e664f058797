/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/kernel_ask.h"

#include <errno.h>
#include <string.h>

/* So long a real packet is waited for, and everything together. */
#define REAL_MS	 600
#define TRACE_MS 1500

struct answering {
	const struct kernel_answer *answer;
	uint32_t id;
	size_t count;
	struct ipc_fact facts[IPC_FACTS_MAX];
};

static void send_facts(struct answering *answering)
{
	const struct kernel_answer *answer = answering->answer;

	if (answering->count)
		answer->send(answer->data, ipc_encode_facts(answer->out, answering->id,
						   answering->facts, answering->count));
	answering->count = 0;
}

static struct ipc_fact *next_fact(struct answering *answering, enum ipc_fact_kind kind)
{
	struct ipc_fact *fact;

	if (answering->count == IPC_FACTS_MAX)
		send_facts(answering);
	fact = &answering->facts[answering->count++];
	memset(fact, 0, sizeof *fact);
	fact->kind = kind;
	return fact;
}

static int tell_host(struct answering *answering)
{
	const struct rules_features *features = answering->answer->features;
	struct path_host *host = &next_fact(answering, IPC_HOST)->host;

	path_host(host);
	host->persist = features->persist;
	host->refresh = features->refresh;
	return 0;
}

static int tell_route(struct answering *answering, const struct ipc_ask *ask)
{
	const struct path_query query = {ask->source, ask->dest, ask->mark, ask->resolve};
	struct path_route route;
	int err = path_route(&query, &route);

	if (!err)
		next_fact(answering, IPC_ROUTE)->route = route;
	return err;
}

static int tell_flow(struct answering *answering, const struct ipc_ask *ask)
{
	struct path_flow flow;
	int err = path_flow(&ask->source, &ask->dest, &flow);

	if (!err)
		next_fact(answering, IPC_ENTRY)->entry = flow;
	return err == -ENOENT ? 0 : err;
}

static void tell_chain(void *data, const struct foreign_chain *chain)
{
	next_fact(data, IPC_CHAIN)->chain = *chain;
}

static int tell_walk(struct answering *answering, const struct ipc_ask *ask)
{
	return foreign_walk(&ask->packet, tell_chain, answering);
}

static int tell(struct answering *answering, const struct ipc_ask *ask)
{
	switch (ask->kind) {
	case IPC_ASK_HOST:
		return tell_host(answering);
	case IPC_ASK_ROUTE:
		return tell_route(answering, ask);
	case IPC_ASK_FLOW:
		return tell_flow(answering, ask);
	case IPC_ASK_WALK:
		return tell_walk(answering, ask);
	case IPC_ASK_TRACE:
		break;
	}
	return -EINVAL;
}

static void send_end(const struct kernel_answer *answer, uint32_t id, int code)
{
	const struct rules_error error = {.code = code, .op = -1};

	answer->send(answer->data, ipc_encode_result(answer->out, IPC_END, id, &error));
}

static void send_trace(const struct kernel_answer *answer, struct kernel_tracing *tracing)
{
	if (tracing->count)
		answer->send(answer->data,
			ipc_encode_facts(answer->out, tracing->id, tracing->facts, tracing->count));
	tracing->count = 0;
}

static void trace_begin(const struct kernel_answer *answer, struct kernel_tracing *tracing,
	const struct ipc *message, int64_t now_ms)
{
	const struct ipc_ask *ask = &message->ask;
	struct trace_target target = {.dest = ask->dest};
	int err;

	if (!ask->any)
		target.source = ask->source;
	err = tracing->trace ? -EBUSY : trace_open(&tracing->trace, &target);
	if (err) {
		send_end(answer, message->id, err);
		return;
	}
	tracing->id = message->id;
	tracing->ask = *ask;
	tracing->count = 0;
	tracing->probe_ms = now_ms + REAL_MS;
	tracing->until_ms = now_ms + TRACE_MS;
}

/* What a trace tells goes out in portions. */
struct portion {
	const struct kernel_answer *answer;
	struct kernel_tracing *tracing;
};

static void trace_event(void *data, const struct trace_event *event)
{
	const struct portion *portion = data;
	struct kernel_tracing *tracing = portion->tracing;
	struct ipc_fact *fact;

	if (tracing->count == IPC_FACTS_MAX)
		send_trace(portion->answer, tracing);
	fact = &tracing->facts[tracing->count++];
	memset(fact, 0, sizeof *fact);
	fact->kind = IPC_TRACE;
	fact->trace = *event;
}

int kernel_trace_fd(const struct kernel_tracing *tracing)
{
	return tracing->trace ? trace_fd(tracing->trace) : -1;
}

int64_t kernel_trace_due(const struct kernel_tracing *tracing)
{
	int64_t due, other;

	if (!tracing->trace)
		return -1;
	due = tracing->until_ms;
	if (tracing->probe_ms >= 0 && tracing->probe_ms < due)
		due = tracing->probe_ms;
	other = trace_due(tracing->trace);
	return other >= 0 && other < due ? other : due;
}

void kernel_trace_step(
	const struct kernel_answer *answer, struct kernel_tracing *tracing, int64_t now_ms)
{
	struct portion portion = {answer, tracing};
	int err;

	if (!tracing->trace)
		return;
	err = trace_read(tracing->trace, now_ms, trace_event, &portion);
	if (!err && trace_state(tracing->trace, now_ms) == TRACE_WAITING &&
		tracing->probe_ms >= 0 && now_ms >= tracing->probe_ms) {
		tracing->probe_ms = -1;
		err = trace_probe(tracing->trace, &tracing->ask.source, &tracing->ask.dest);
	}
	if (!err && trace_state(tracing->trace, now_ms) != TRACE_DONE && now_ms < tracing->until_ms)
		return;
	send_trace(answer, tracing);
	send_end(answer, tracing->id, err);
	kernel_trace_stop(tracing);
}

void kernel_trace_stop(struct kernel_tracing *tracing)
{
	trace_close(tracing->trace);
	tracing->trace = NULL;
}

void kernel_ask(const struct kernel_answer *answer, struct kernel_tracing *tracing,
	const struct ipc *message, int64_t now_ms)
{
	struct answering answering = {.answer = answer, .id = message->id};
	int err;

	if (message->ask.kind == IPC_ASK_TRACE) {
		trace_begin(answer, tracing, message, now_ms);
		return;
	}
	err = tell(&answering, &message->ask);
	send_facts(&answering);
	send_end(answer, message->id, err);
}
