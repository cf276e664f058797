/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/control_explain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/ctl.h"
#include "relayd/view.h"

struct inquiry {
	struct net *net;
	bool host;
	char name[SPEC_NAME];
	struct path_host facts;
	struct gather gather;
	void (*done)(void *data, json_t *answer);
	void *data;
};

static json_t *answer_stream(const struct inquiry *inquiry)
{
	const struct gather *gather = &inquiry->gather;
	const struct stream *stream = stream_find(&inquiry->net->table, inquiry->name);
	json_t *paths = json_array();
	enum explain_arrival all = gather->count ? EXPLAIN_ARRIVES : EXPLAIN_LOST, one;

	if (!stream) {
		json_decref(paths);
		return ctl_error("%s was removed meanwhile", inquiry->name);
	}
	for (size_t i = 0; i < gather->count; i++) {
		json_array_append_new(paths, explain_view(&gather->paths[i], &one));
		all = one > all ? one : all;
	}
	return json_pack("{s:b, s:s, s:o, s:i, s:I, s:i, s:o}", "ok", 1, "name", inquiry->name,
		"arrives", explain_arrival(all), "peers", (int)stream->spec.peers, "left_out",
		(json_int_t)gather->left_out, "offers",
		inquiry->net->broker ? (int)broker_offers(inquiry->net->broker, stream) : 0,
		"paths", paths);
}

static void add_chains(json_t *chains, const struct explain_path *path, enum foreign_way way)
{
	const struct explain_walk *walk = &path->walks[way];

	for (size_t i = 0; i < walk->count; i++) {
		json_t *chain = explain_chain(way, path->listen.addr.family, &walk->chains[i]);

		json_object_set_new(chain, "address", view_addr(&path->listen.addr));
		json_array_append_new(chains, chain);
	}
}

static bool is_unseen(const struct discover *discover, const struct addr *local)
{
	for (size_t i = 0; i < discover->count; i++)
		if (addr_equal(&discover->list[i].local, local))
			return discover_is_unseen(discover, &discover->list[i]);
	return false;
}

static json_t *answer_host(const struct inquiry *inquiry)
{
	const struct net *net = inquiry->net;
	const struct gather *gather = &inquiry->gather;
	const struct path_host *facts = &inquiry->facts;
	json_t *addresses = json_array(), *chains = json_array();
	int error = 0;

	for (size_t i = 0; i < gather->count; i++) {
		const struct explain_path *path = &gather->paths[i];

		json_array_append_new(addresses,
			json_pack("{s:o, s:o, s:b, s:s}", "address", view_addr(&path->listen.addr),
				"advertise", view_addr(&path->public.addr), "unseen",
				is_unseen(&net->discover, &path->listen.addr), "interface",
				path->route.route.in));
		for (int way = 0; way < EXPLAIN_WAYS; way++) {
			add_chains(chains, path, (enum foreign_way)way);
			if (path->walks[way].error)
				error = path->walks[way].error;
		}
	}
	return json_pack("{s:b, s:i, s:o, s:{s:b, s:b}, s:o, s:b, s:s, s:o}", "ok", 1, "punch",
		(int)net->config->punch, "addresses", addresses, "features", "persist",
		facts->persist, "refresh", facts->refresh, "chains", chains, "legacy",
		facts->legacy, "unread", error ? strerror(-error) : "", "troubles",
		view_troubles(&net->troubles, net_now(net)));
}

static void finish(void *data)
{
	struct inquiry *inquiry = data;
	json_t *answer = inquiry->host ? answer_host(inquiry) : answer_stream(inquiry);

	gather_fini(&inquiry->gather);
	inquiry->done(inquiry->data, answer);
	free(inquiry);
}

static void host_answered(void *data, int error, const struct ipc_fact *facts, size_t count)
{
	struct inquiry *inquiry = data;

	if (!error && count && facts->kind == IPC_HOST)
		inquiry->facts = facts->host;
	for (size_t i = 0; i < inquiry->gather.count; i++)
		inquiry->gather.paths[i].legacy = inquiry->facts.legacy;
	gather_start(&inquiry->gather);
}

int inquiry_start(struct net *net, const struct request *request,
	const struct sync_snapshot *snapshot, void (*done)(void *data, json_t *answer), void *data,
	struct inquiry **out)
{
	const struct ipc_ask question = {.kind = IPC_ASK_HOST};
	const struct gather_wish wish = {request->port, request->from};
	struct inquiry *inquiry = calloc(1, sizeof *inquiry);
	const struct stream *stream = stream_find(&net->table, request->spec.name);
	int err;

	if (!inquiry)
		return -ENOMEM;
	*out = inquiry;
	inquiry->net = net;
	inquiry->host = request->what == REQUEST_HOST;
	strcpy(inquiry->name, request->spec.name);
	inquiry->done = done;
	inquiry->data = data;
	inquiry->gather.again = request->again;
	inquiry->gather.trace = request->trace;
	inquiry->gather.asker = &net->asker;
	inquiry->gather.done = finish;
	inquiry->gather.data = inquiry;
	if (inquiry->host)
		gather_host(&inquiry->gather, net);
	else if (stream)
		gather_stream(&inquiry->gather, net, stream, &wish, snapshot);
	err = ask_kernel(&net->asker, &question, host_answered, inquiry);
	if (err) {
		gather_fini(&inquiry->gather);
		free(inquiry);
	}
	return err;
}

void inquiry_cancel(struct inquiry *inquiry)
{
	ask_forget(&inquiry->net->asker, inquiry);
	gather_cancel(&inquiry->gather);
	gather_fini(&inquiry->gather);
	free(inquiry);
}
