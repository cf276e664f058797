/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/kernel_ask.h"

#include <errno.h>
#include <string.h>

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
	struct path_route route;
	int err = path_route(&ask->source, &ask->dest, ask->resolve, &route);

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
	}
	return -EINVAL;
}

void kernel_ask(const struct kernel_answer *answer, const struct ipc *message)
{
	struct answering answering = {.answer = answer, .id = message->id};
	struct rules_error error = {.op = -1};

	error.code = tell(&answering, &message->ask);
	send_facts(&answering);
	answer->send(answer->data, ipc_encode_result(answer->out, IPC_END, message->id, &error));
}
