/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relayd/control_do.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ctl.h"
#include "relayd/control_explain.h"
#include "relayd/control_text.h"
#include "relayd/drain.h"
#include "relayd/net_clock.h"
#include "relayd/sampler.h"
#include "relayd/view.h"

/* More are told by `rules` one at a time. */
#define RULES_STREAMS 20000

static void finish(struct job *job, char *line, size_t len)
{
	request_fini(&job->request);
	job->answer(job, line, len, false);
}

static void finish_error(struct job *job, const char *text)
{
	json_t *object = ctl_error("%s", text);
	size_t len = 0;
	char *line;

	if (job->bad != SIZE_MAX)
		json_object_set_new(object, "index", json_integer((json_int_t)job->bad));
	line = text_object(object, &len);
	finish(job, line, len);
}

static const struct stream *find(const struct job *job)
{
	return stream_find(&job->net->table, job->request.spec.name);
}

static json_t *no_stream(const struct job *job)
{
	return ctl_error("there is no stream %s", job->request.spec.name);
}

/* The first half of each request: 0, or -errno and why. */

static int add_begin(struct job *job, char why[static CONFIG_ERROR])
{
	const struct request *request = &job->request;
	int64_t expires = request->expire ? net_clock(job->net) + request->expire : 0;

	return net_add(job->net, &job->request.spec, expires, why);
}

/* Nothing has been done: which of them is to blame? */
static int blame(struct job *job, int ret, char why[static CONFIG_ERROR])
{
	const struct request *request = &job->request;

	for (size_t i = 0; ret < 0 && i < request->count; i++) {
		if (!request->items[i].why[0])
			continue;
		job->bad = i;
		snprintf(why, CONFIG_ERROR, "%s", request->items[i].why);
		break;
	}
	return ret < 0 ? ret : 0;
}

static int add_many_begin(struct job *job, char why[static CONFIG_ERROR])
{
	struct request *request = &job->request;
	int64_t now = net_clock(job->net);

	for (size_t i = 0; i < request->count; i++)
		request->items[i].expires += request->items[i].expires ? now : 0;
	return blame(job,
		net_add_many(job->net, request->items, request->count, request->keep_going, why),
		why);
}

static int remove_many_begin(struct job *job, char why[static CONFIG_ERROR])
{
	struct request *request = &job->request;

	return blame(job,
		net_remove_many(job->net, request->items, request->count, request->keep_going, why),
		why);
}

static int remove_begin(struct job *job, char why[static CONFIG_ERROR])
{
	return net_remove(job->net, job->request.spec.name, why);
}

static int flush_begin(struct job *job, char why[static CONFIG_ERROR])
{
	const char *name = job->request.spec.name;

	return net_flush(job->net, *name ? name : NULL, &job->count, why);
}

static int reload_begin(struct job *job, char why[static CONFIG_ERROR])
{
	return net_reload(job->net, &job->changes, why);
}

static int drain_begin(struct job *job, char why[static CONFIG_ERROR])
{
	return job->request.set ? drain_set(job->net, job->request.on, why) : 0;
}

/* Those that only look need no more than the name. */
static int look_begin(struct job *job, char why[static CONFIG_ERROR])
{
	if (!*job->request.spec.name || find(job))
		return 0;
	snprintf(why, CONFIG_ERROR, "there is no stream %s", job->request.spec.name);
	return -ENOENT;
}

/* All that the kernel holds of very many is a hundred megabytes to collect, and to answer. */
static int rules_begin(struct job *job, char why[static CONFIG_ERROR])
{
	if (*job->request.spec.name || job->net->table.count <= RULES_STREAMS)
		return look_begin(job, why);
	snprintf(why, CONFIG_ERROR, "there are %zu streams; name one of them",
		job->net->table.count);
	return -E2BIG;
}

/* The second half, when the kernel is what the table says: the line of the answer. */

static bool is_committed(const struct stream *stream)
{
	for (size_t i = 0; i < stream->slot_count; i++) {
		if (!stream->slots[i]->listening)
			return false;
	}
	return true;
}

/* A stream that the kernel does not take must not stay. */
static char *add_end(struct job *job, const struct sync_snapshot *snapshot, size_t *len)
{
	const struct net *net = job->net;
	const struct stream *stream = find(job);
	char why[SPEC_WHY];

	(void)snapshot;
	if (!stream)
		return text_object(
			ctl_error("%s was removed meanwhile", job->request.spec.name), len);
	if (job->failed[0] == '\0' && is_committed(stream))
		return text_object(
			json_pack("{s:b, s:o, s:s, s:o}", "ok", 1, "stream",
				view_stream(net->config, net->broker, stream, net_now(net)), "key",
				job->request.spec.key, "relays", view_relays(net->config)),
			len);
	net_remove(job->net, job->request.spec.name, why);
	return text_object(ctl_error("the kernel refused it: %s",
				   job->failed[0] ? job->failed : "the log says why"),
		len);
}

/* One that the kernel does not take must not stay, nor, unless some are enough, the others. */
static bool many_committed(struct job *job)
{
	struct request *request = &job->request;
	const char *why = job->failed[0] ? job->failed : "the log says why";
	char ignored[SPEC_WHY];
	bool good = true;

	for (size_t i = 0; i < request->count; i++) {
		struct spec_item *item = &request->items[i];
		const struct stream *stream = stream_find(&job->net->table, item->spec.name);

		if (!item->done || (stream && is_committed(stream)))
			continue;
		if (good)
			job->bad = i;
		good = item->done = false;
		if (!stream)
			snprintf(item->why, sizeof(item->why), "it was removed meanwhile");
		else
			snprintf(
				item->why, sizeof(item->why), "the kernel refused it: %.150s", why);
		net_remove(job->net, item->spec.name, ignored);
	}
	if (good || request->keep_going)
		return true;
	net_remove_many(job->net, request->items, request->count, true, ignored);
	return false;
}

static json_t *view_item(const struct job *job, const struct spec_item *item)
{
	char listen[LISTEN_TEXT];
	struct addr public = config_public(job->net->config, &item->spec.at);

	if (item->why[0])
		return json_pack("{s:s, s:s}", "name", item->spec.name, "error", item->why);
	if (job->request.what == REQUEST_REMOVE_MANY)
		return json_pack("{s:s}", "name", item->spec.name);
	return json_pack("{s:s, s:s, s:i, s:s}", "name", item->spec.name, "listen",
		listen_format(&public, &item->spec.listen, listen), "peers", (int)item->spec.peers,
		"key", item->spec.key);
}

static char *many_end(struct job *job, const struct sync_snapshot *snapshot, size_t *len)
{
	const struct request *request = &job->request;
	json_t *list = json_array();

	(void)snapshot;
	if (request->what == REQUEST_ADD_MANY && !many_committed(job)) {
		json_decref(list);
		return text_object(
			json_pack("{s:b, s:s, s:I}", "ok", 0, "error", request->items[job->bad].why,
				"index", (json_int_t)job->bad),
			len);
	}
	for (size_t i = 0; i < request->count; i++)
		json_array_append_new(list, view_item(job, &request->items[i]));
	return text_object(json_pack("{s:b, s:o, s:o}", "ok", 1, "streams", list, "relays",
				   view_relays(job->net->config)),
		len);
}

static char *remove_end(struct job *job, const struct sync_snapshot *snapshot, size_t *len)
{
	(void)job, (void)snapshot;
	return text_object(json_pack("{s:b}", "ok", 1), len);
}

static char *flush_end(struct job *job, const struct sync_snapshot *snapshot, size_t *len)
{
	(void)snapshot;
	return text_object(
		json_pack("{s:b, s:I}", "ok", 1, "clients", (json_int_t)job->count), len);
}

static char *reload_end(struct job *job, const struct sync_snapshot *snapshot, size_t *len)
{
	const struct net_changes *changes = &job->changes;

	(void)snapshot;
	return text_object(
		json_pack("{s:b, s:I, s:I, s:I}", "ok", 1, "added", (json_int_t)changes->added,
			"changed", (json_int_t)changes->changed, "removed",
			(json_int_t)changes->removed),
		len);
}

static char *drain_end(struct job *job, const struct sync_snapshot *snapshot, size_t *len)
{
	const struct drain_count count = drain_count(job->net);

	(void)snapshot;
	return text_object(
		json_pack("{s:b, s:b, s:I, s:I}", "ok", 1, "draining", job->net->table.draining,
			"clients", (json_int_t)count.clients, "pairs", (json_int_t)count.pairs),
		len);
}

static char *show_end(struct job *job, const struct sync_snapshot *snapshot, size_t *len)
{
	const struct net *net = job->net;
	const struct stream *stream = find(job);

	(void)snapshot;
	if (!stream)
		return text_object(no_stream(job), len);
	return text_object(json_pack("{s:b, s:o, s:o}", "ok", 1, "stream",
				   view_stream(net->config, net->broker, stream, net_now(net)),
				   "troubles", view_troubles(&net->troubles, net_now(net))),
		len);
}

static char *streams_end(struct job *job, const struct sync_snapshot *snapshot, size_t *len)
{
	return text_rules(&job->net->table, job->request.spec.name, snapshot, len);
}

static char *metrics_end(struct job *job, const struct sync_snapshot *snapshot, size_t *len)
{
	(void)snapshot;
	return text_metrics(job->net, job->counts, len);
}

/* The other parts come with job_more. */
static char *list_end(struct job *job, const struct sync_snapshot *snapshot, size_t *len)
{
	char *part = NULL;

	(void)snapshot;
	job->list = list_open(job->net, &job->request);
	if (job->list)
		part = list_part(job->list, len);
	if (part && list_done(job->list)) {
		list_close(job->list);
		job->list = NULL;
	}
	return part;
}

void job_more(struct job *job)
{
	size_t len = 0;
	char *part = list_part(job->list, &len);
	bool more = part && !list_done(job->list);

	if (!more) {
		list_close(job->list);
		job->list = NULL;
	}
	job->answer(job, part, len, more);
}

/* What an answer waits for. */
enum look { SETTLE, READ };

static const struct doing {
	int (*begin)(struct job *job, char why[static CONFIG_ERROR]);
	char *(*end)(struct job *job, const struct sync_snapshot *snapshot, size_t *len);
	/* end is NULL: it goes on with questions to the kernel side. */
	bool looks; /* it is about what the kernel holds, and changes nothing */
	enum look look;
} doings[REQUEST_COUNT] = {
	[REQUEST_ADD] = {add_begin, add_end, false, SETTLE},
	[REQUEST_ADD_MANY] = {add_many_begin, many_end, false, SETTLE},
	[REQUEST_REMOVE] = {remove_begin, remove_end, false, SETTLE},
	[REQUEST_REMOVE_MANY] = {remove_many_begin, many_end, false, SETTLE},
	[REQUEST_LIST] = {look_begin, list_end, true, READ},
	[REQUEST_SHOW] = {look_begin, show_end, true, READ},
	[REQUEST_FLUSH] = {flush_begin, flush_end, false, SETTLE},
	[REQUEST_RELOAD] = {reload_begin, reload_end, false, SETTLE},
	[REQUEST_DRAIN] = {drain_begin, drain_end, false, SETTLE},
	[REQUEST_RULES] = {rules_begin, streams_end, true, READ},
	[REQUEST_METRICS] = {look_begin, metrics_end, true, READ},
	[REQUEST_EXPLAIN] = {look_begin, NULL, true, READ},
	[REQUEST_HOST] = {look_begin, NULL, true, SETTLE},
};

static void job_end(void *data, int error, const struct sync_snapshot *snapshot);

static void job_wait(struct job *job)
{
	struct sync *sync = &job->net->sync;
	bool settle = doings[job->request.what].look == SETTLE || sampler_is_enough(job->net);
	char undone[SPEC_WHY];

	if (job->request.what == REQUEST_RULES || job->request.what == REQUEST_EXPLAIN)
		settle = false;
	job->waiting =
		(settle ? sync_settle(sync, job_end, job) : sync_read(sync, job_end, job)) == 0;
	if (job->waiting)
		return;
	if (job->request.what == REQUEST_ADD)
		net_remove(job->net, job->request.spec.name, undone);
	if (job->request.what == REQUEST_ADD_MANY)
		net_remove_many(job->net, job->request.items, job->request.count, true, undone);
	finish_error(job, "memory is short; it is not known what the kernel has done");
}

static void job_inquired(void *data, json_t *answer)
{
	struct job *job = data;
	size_t len = 0;
	char *line;

	job->inquiry = NULL;
	job->waiting = false;
	line = text_object(answer, &len);
	finish(job, line, len);
}

static void job_inquire(struct job *job, const struct sync_snapshot *snapshot)
{
	job->waiting = true;
	if (inquiry_start(job->net, &job->request, snapshot, job_inquired, job, &job->inquiry) <
		0) {
		job->inquiry = NULL;
		job->waiting = false;
		finish_error(job, "the kernel side is too busy to be asked");
	}
}

/* Whether the read itself failed matters only to those who look. */
static void job_end(void *data, int error, const struct sync_snapshot *snapshot)
{
	struct job *job = data;
	const struct doing *doing = &doings[job->request.what];
	char why[CONFIG_ERROR], *line;
	size_t len = 0;

	job->waiting = false;
	if (error && doing->looks) {
		snprintf(why, sizeof(why), "the kernel's state could not be read: %s",
			strerror(-error));
		finish_error(job, why);
	} else if (job->failed[0] && !doing->looks && doing->end != add_end &&
		   doing->end != many_end) {
		snprintf(why, sizeof(why), "the kernel refused it: %s", job->failed);
		finish_error(job, why);
	} else if (!doing->end) {
		job_inquire(job, snapshot);
	} else {
		line = doing->end(job, snapshot, &len);
		request_fini(&job->request);
		job->answer(job, line, len, job->list != NULL);
	}
}

void job_begin(struct job *job)
{
	const struct doing *doing = &doings[job->request.what];
	char why[CONFIG_ERROR] = "";
	int ret;

	job->count = 0;
	job->bad = SIZE_MAX;
	job->failed[0] = '\0';
	ret = doing->begin(job, why);
	if (ret < 0)
		finish_error(job, why[0] ? why : strerror(-ret));
	else
		job_wait(job);
}

void job_cancel(struct job *job)
{
	if (job->waiting)
		sync_forget(&job->net->sync, job);
	if (job->inquiry)
		inquiry_cancel(job->inquiry);
	job->inquiry = NULL;
	job->waiting = false;
	if (job->list)
		list_close(job->list);
	job->list = NULL;
	request_fini(&job->request);
}

void job_event(struct job *job, const struct control_event *event)
{
	const char *name = job->request.spec.name;
	const char *other = event->name ? event->name : "";

	if (!job->waiting || strcmp(event->event, "failed") != 0)
		return;
	if (*name && strcmp(name, other) != 0)
		return;
	snprintf(job->failed, sizeof(job->failed), "%s%s%s", *name ? "" : other,
		*name || !*other ? "" : ": ", event->text ? event->text : "no reason");
}
